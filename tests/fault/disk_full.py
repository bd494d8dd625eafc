"""The spool's file system is full: what cannot be kept is refused in time, Before webhooks are answered all the same, and
within a second of there being space again everything is taken. Nothing acknowledged is lost, not even over a kill -9.

A service has its spool on a small tmpfs of its own and PostgreSQL is away, so that the spool must grow. A round: another
file takes the rest of the disk; Before and After webhooks come on several connections until After ones are refused; every
second round the service is killed and must start on the full disk; the file goes, and the time is taken until an After
webhook is acknowledged. In the end PostgreSQL comes back and the tables are held against what was acknowledged.

    tests/fault/disk_full.py          2 rounds, as in the suite; needs root for the mount, else is skipped (77)
    tests/fault/disk_full.py --long   20 rounds, and the times are judged: answers in 1.5 s, recovery in 1 s
Prints one JSON line; status 1: a promise was broken, or the run is void.
"""
import argparse
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from tool_campaign import Broken, finish

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from chat import Webhooks, after, before  # noqa: E402
from database import Cluster  # noqa: E402
from harness import Folder, Owner, wait_for  # noqa: E402
from service import Service  # noqa: E402

DISK_BYTES = 48 << 20
PADDING = "x" * 4000
ANSWER_MS = 1500
RECOVERY_MS = 1000


class Traffic:
    """Webhooks on several connections, and what was answered to each."""
    def __init__(self, service, connections=4):
        self.service = service
        self.lock = threading.Lock()
        self.acknowledged = []  # (group, number) of After webhooks
        self.before_answered = self.refused = 0
        self.slowest_ms = 0.0
        self.faults = []
        self.stopping = False
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(connections)]
        for thread in self.threads:
            thread.start()

    def post(self, webhooks, body):
        begun = time.monotonic()
        reply = webhooks.post(body)
        took_ms = (time.monotonic() - begun) * 1000
        with self.lock:
            self.slowest_ms = max(self.slowest_ms, took_ms)
        return reply

    def both(self, webhooks, group):
        sent = before("good evening", group=group, CloudCustomData=PADDING)
        reply = self.post(webhooks, sent)
        if reply.status != 200 or reply.code != 0:
            raise Broken(f"a Before webhook was answered with {reply.status}: {reply.bytes[:200]}")
        with self.lock:
            self.before_answered += 1
        told = after(sent)
        reply = self.post(webhooks, told)
        with self.lock:
            if reply.status == 200:
                self.acknowledged.append((group, told["MsgSeq"]))
            elif reply.status == 503:
                self.refused += 1
            else:
                raise Broken(f"an After webhook was answered with {reply.status}: {reply.bytes[:200]}")

    def run(self, number):
        try:
            with Webhooks(self.service) as webhooks:
                while not self.stopping:
                    self.both(webhooks, f"room-{number}")
                    time.sleep(0.01)
        except Exception as fault:  # noqa: BLE001 (told by finish())
            self.faults.append(fault)

    def finish(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()
        if self.faults:
            raise Broken(f"traffic: {self.faults[0]!r}")


class Totals:
    def __init__(self):
        self.acknowledged = []
        self.before_answered = self.not_recorded = self.refused = self.kills = 0
        self.slowest_ms = self.slowest_recovery_ms = 0.0

    def add(self, traffic):
        self.acknowledged += traffic.acknowledged
        self.before_answered += traffic.before_answered
        self.refused += traffic.refused
        self.slowest_ms = max(self.slowest_ms, traffic.slowest_ms)


def small_disk(owner):
    folder = Folder(owner).path
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", folder], capture_output=True)
    if os.geteuid() != 0 or mounted.returncode != 0:
        print("needs root, for a file system of its own")
        sys.exit(77)
    owner.addCleanup(lambda: subprocess.run(["umount", folder], check=True))
    return folder


def fill(path):
    """Takes all the space there is."""
    with open(path, "wb") as filler:
        try:
            while True:
                filler.write(b"\0" * 65536)
                filler.flush()
        except OSError:
            pass


def take_counters(service, totals):
    """Of this life of the service; all webhooks are answered."""
    totals.not_recorded += int(service.metrics()["chatsluice_not_recorded_total"])


def wait_refused(traffic, some):
    wait_for(lambda: traffic.faults or traffic.refused > some, "webhooks to be refused", 60)


def round_of(service, disk, totals, kill):
    traffic = Traffic(service)
    fill(disk / "filler")
    wait_refused(traffic, 20)
    if kill:
        traffic.finish()
        totals.add(traffic)
        take_counters(service, totals)
        service.kill()
        service.start()
        totals.kills += 1
        traffic = Traffic(service)
        wait_refused(traffic, 5)
    status, _ = service.get("/readyz")
    if status != 503:
        raise Broken(f"/readyz says {status} while the spool is full")
    with traffic.lock:
        acknowledged = len(traffic.acknowledged)
    (disk / "filler").unlink()
    begun = time.monotonic()
    wait_for(lambda: traffic.faults or len(traffic.acknowledged) > acknowledged, "webhooks to be taken again", 30)
    totals.slowest_recovery_ms = max(totals.slowest_recovery_ms, (time.monotonic() - begun) * 1000)
    traffic.finish()
    totals.add(traffic)


def expect_balance(database, totals):
    """Every acknowledged After is one row; every Before answered is one row or was counted as not recorded."""
    rows = [tuple(line.split("|")) for line in
            database.execute("SELECT group_id, msg_seq FROM chatsluice.event WHERE command = 'after'").splitlines()]
    acknowledged = {(group, str(seq)) for group, seq in totals.acknowledged}
    lost = acknowledged - set(rows)
    befores = database.value("SELECT count(*) FROM chatsluice.event WHERE command = 'before'")
    if lost or len(set(rows)) != len(rows):
        raise Broken(f"{len(lost)} of {len(acknowledged)} lost, {len(rows) - len(set(rows))} doubled")
    if befores + totals.not_recorded != totals.before_answered:
        raise Broken(f"{totals.before_answered} Before webhooks answered, {befores} recorded, "
                     f"{totals.not_recorded} counted as not recorded")
    if not totals.refused or not totals.not_recorded or not acknowledged:
        raise Broken("void: the disk was never full")


def main():
    parser = argparse.ArgumentParser(description="fills the disk of a running service")
    parser.add_argument("--long", action="store_true", help="20 rounds, and the times are judged")
    options = parser.parse_args()
    rounds = 20 if options.long else 2
    totals = Totals()
    with Owner() as owner:
        disk = small_disk(owner)
        cluster = Cluster(owner)
        database = cluster.create_database()
        service = Service(owner, database, spool_directory=disk / "spool", webhook={"max_body": "64KiB"},
                          spool={"segment_bytes": "1MiB"}).fix_ports().start()
        for number in range(rounds):
            cluster.stop()
            round_of(service, disk, totals, kill=number % 2 == 1)
            cluster.start()
            service.wait_loaded()
        take_counters(service, totals)
        expect_balance(database, totals)
        service.terminate()
    if options.long and (totals.slowest_ms > ANSWER_MS or totals.slowest_recovery_ms > RECOVERY_MS):
        raise Broken(f"too slow: answers {totals.slowest_ms:.0f} ms, recovery {totals.slowest_recovery_ms:.0f} ms")
    return {"campaign": "disk_full", "rounds": rounds, "kills": totals.kills, "acknowledged": len(totals.acknowledged),
            "refused": totals.refused, "before_answered": totals.before_answered, "not_recorded": totals.not_recorded,
            "slowest_answer_ms": round(totals.slowest_ms), "slowest_recovery_ms": round(totals.slowest_recovery_ms),
            "lost": 0, "doubled": 0}


finish(main)
