#!/usr/bin/env python3
"""Corrections under faults and kills: two instances, one platform that fails on every fifth call, kill -9 all the time.

    tests/fault/corrections.py [--corrections 10000] [--kills 20] [--seed 1]

First a backlog goes out as fast as the platform allows, while one instance dies and then the other. Then clients send
messages that a rule discards and corrects, so many again; each corrected text is one of its kind. What the rooms saw in
the end is held against the outbox: no text twice; a row that is `done` was seen, one that is `failed`, `expired` or
`cancelled` was not; of an `uncertain` one nobody may say, so no After webhook that is stored may tell of it. At no time
the platform got more than 200 calls in a second. Prints one line of figures; status 1 and the rows when one does not
balance. The suite runs it with small numbers, the numbers above are the long form.
"""
import argparse
import collections
import json
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from database import Cluster  # noqa: E402
from harness import Owner  # noqa: E402
from live import Live  # noqa: E402

RULES = """
- rule: numbers
  when: before  # what got past us while both were away is not corrected: it would wait for its recall
  match: { regex: '\\b555 \\d{4}\\b' }
  action: discard
  then: [resend]
"""
ROOMS = 40
CLIENTS = 8

# A fifth of all calls: half of them surely not done, half of them done or not, and the caller cannot know.
FAULTS = [f"send_text_msg:{fault}" for fault in (
    "code=100001:0.03", "code=60007:0.01", "MsgFreqCtrl:0.02", "http=502:0.02", "reset:0.02",
    "processed-code=60008:0.03", "processed-http=502:0.03", "processed-reset:0.03", "truncated:0.01")]


def start_all(owner, seed):
    live = Live(owner, Cluster(owner).create_database(), "--seed", seed, instances=2,
                outbox={"timeout": "2s", "confirm_within": "4s", "time_to_live": "10m", "room_per_minute": 2400,
                        "attempts": 50})
    live.publish(RULES)
    for room in range(ROOMS):
        live.sim.create_room(f"room-{room}")
    return live


class Clients:
    """Threads whose users each say something that is to be corrected, no faster than the platform corrects it."""
    def __init__(self, sim, wanted, rate):
        self.sim, self.left, self.pause = sim, iter(range(wanted)), CLIENTS / rate
        self.lock = threading.Lock()
        self.failures = []
        self.threads = [threading.Thread(target=self.run) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        try:
            while (number := self.take()) is not None:
                self.sim.send(f"room-{number % ROOMS}", f"user-{number % 997}", f"no {number} call 555 0199",
                              CloudCustomData=json.dumps({"n": number}))
                time.sleep(self.pause)
        except Exception as failure:  # the campaign is void without its traffic
            self.failures.append(failure)

    def take(self):
        with self.lock:
            return next(self.left, None)

    def join(self):
        for thread in self.threads:
            thread.join()
        if self.failures:
            sys.exit(f"the run is void, a client failed: {self.failures[0]!r}")


def kill_in_turn(services, kills, clients, dice):
    """Each instance is killed so many times while the clients send, never both at once for long."""
    for _ in range(kills):
        for service in services:
            time.sleep(dice.uniform(0.2, 1.5))
            service.kill()
            time.sleep(dice.uniform(0.0, 0.5))
            service.start()
    return any(thread.is_alive() for thread in clients.threads)


def backlog(live, rows, dice):
    """As fast as the platform allows, while instances die and come back: the most calls of any second."""
    live.ask_for_many(rows, ROOMS)
    for service in live.services:
        time.sleep(dice.uniform(0.2, 1.5))
        service.kill()
        time.sleep(dice.uniform(0.0, 0.5))
        service.start()
    live.wait_settled(300)
    return live.sim.request("GET", "/sim/stats").json["rest"]["send_text_msg"]["max_in_a_second"]


def seen_in_rooms(sim, rooms=ROOMS):
    """How often each room saw each text."""
    seen = collections.Counter()
    for room in range(rooms):
        for message in sim.room(f"room-{room}"):
            seen[f"room-{room}", "".join(e["MsgContent"]["Text"] for e in message["MsgBody"])] += 1
    return seen


def balance(database, seen):
    """Faults of the ledger in words, and how many rows ended in each state."""
    allowed = {"done": (1,), "failed": (0,), "expired": (0,), "cancelled": (0,), "uncertain": (0, 1)}
    faults, states = [], collections.Counter()
    rows = database.rows("SELECT outbox_id, room_id, text, state, reason, attempts, error_code FROM chatsluice.outbox")
    for row in rows:
        states[row["state"]] += 1
        times = seen[row["room_id"], row["text"]]
        if times not in allowed[row["state"]]:
            faults.append(f"seen {times} times: {row}")
    told = database.rows(
        "SELECT o.outbox_id, o.room_id, o.text FROM chatsluice.outbox o JOIN chatsluice.event e ON e.group_id = o.room_id "
        "AND e.from_account = o.account AND e.text = o.text WHERE o.state = 'uncertain' AND e.command = 'after'")
    faults += [f"uncertain, although its After webhook is stored: {row}" for row in told]
    if len({(row["room_id"], row["text"]) for row in rows}) != len(rows):
        faults.append("two rows ask for the same text in the same room")
    return faults, states


def run(owner, corrections, kills, seed):
    dice = random.Random(seed)
    live = start_all(owner, seed)
    backlog_peak = backlog(live, corrections, dice)
    live.faults(*FAULTS)
    # Long enough for the kills: each pair takes about two seconds and the starts.
    clients = Clients(live.sim, corrections, rate=min(150, max(20, corrections / (kills * 3.0 + 1))))
    under_load = kill_in_turn(live.services, kills, clients, dice)
    clients.join()
    for service in live.services:
        service.wait_loaded(120)
    live.wait_settled(900)
    faults, states = balance(live.database, seen_in_rooms(live.sim))
    stats = live.sim.request("GET", "/sim/stats").json
    peak = stats["rest"]["send_text_msg"]["max_in_a_second"]
    if max(peak, backlog_peak) > 200:
        faults.append(f"{max(peak, backlog_peak)} calls in one second")
    for service in live.services:
        service.terminate()
    return {"asked": sum(states.values()), "states": dict(states), "kills": 2 * kills + 2, "under_load": under_load,
            "most_calls_in_a_second": backlog_peak, "calls": stats["rest"]["send_text_msg"]["calls"], "faults": faults}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corrections", type=int, default=10000)
    parser.add_argument("--kills", type=int, default=20, help="of each instance")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with Owner() as owner:
        figures = run(owner, options.corrections, options.kills, options.seed)
    print(json.dumps(figures | {"faults": len(figures["faults"])}))
    for fault in figures["faults"][:20]:
        print(fault)
    if figures["asked"] < options.corrections * 1.7 or not figures["states"].get("done"):
        sys.exit("too few corrections were asked for: the run is void")
    sys.exit(1 if figures["faults"] else 0)


if __name__ == "__main__":
    main()
