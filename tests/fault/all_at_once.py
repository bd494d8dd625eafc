"""Everything at once: PostgreSQL away, the platform's REST API a black hole with corrections under way, syncs of the disk
that take 500 ms longer, and a core stolen by stress-ng. Every webhook is answered, validly and before the platform gives
up; when the trouble is over nothing is lost, nothing is doubled, and no correction was sent twice.

    all_at_once.py                the short form: some seconds of each of the first two storms below
    all_at_once.py --long         a minute of each at 500 webhooks a second, and the latencies have to be in bounds
    all_at_once.py --long --rate 1000 EveryThirdSync
                                  a part of it

The storms differ in the syncs: every third one is slow; every one is; every one is and `webhook.deadline` is 600 ms. What
can be had: whoever comes while a slow sync is on its way waits for its end and for the next one. When that is quick the
worst is 500 ms; when it is slow, too, the worst is 1,000 ms, and where a segment ends, which takes two, the deadline's
1,500. Only a nearer deadline changes that: the verdict of a Before webhook then leaves ahead of its record, which is
counted, and an After webhook is not acknowledged. Latency counts from the moment a request was due. The last line of
output is a JSON object with the figures, in ms.
"""
import itertools
import shutil
import threading

from live_campaign import figure, is_long, main, size
from chat import Webhooks, before
from corrections import balance, seen_in_rooms
from database import Cluster
from harness import BUILD, EndToEnd, Folder, Process, clean_environment, wait_for
from live import Live
from proxy import FaultProxy
from sim import Load, assert_exactly_once

STALL_MS = 500
PLATFORM_WAITS_MS = 2000
ANSWERED_WITHIN_MS = 1500
P999_WITHIN_MS = 700
ROOMS = 8
RULES = """
- rule: numbers
  when: before
  scope: { groups: ["room-*"] }  # the talker's; the load's rooms are not known to the platform
  match: { regex: '\\b555 \\d{4}\\b' }
  action: discard
  then: [resend]
- rule: phones
  match: { regex: '1[3-9]\\d{9}' }
  action: mask
- rule: codes
  match: { regex: 'coupon|优惠' }
  action: reject
"""
VERDICTS = ("allow", "reject", "rewrite")


class Talker:
    """A user whose every message is discarded, to be corrected: each text is one of its kind."""
    def __init__(self, service):
        self.service = service
        self.stopping = threading.Event()
        self.codes = []
        self.failure = None
        self.thread = threading.Thread(target=self.talk)
        self.thread.start()

    def talk(self):
        try:
            with Webhooks(self.service) as webhooks:
                for number in itertools.count():
                    if self.stopping.wait(0.1):
                        return
                    answer = webhooks.post(before(f"no {number} call 555 0199", group=f"room-{number % ROOMS}",
                                                  sender=f"talker-{number}"))
                    self.codes.append(answer.code)
        except Exception as failure:  # for the test to see
            self.failure = failure

    def stop(self):
        self.stopping.set()
        self.thread.join(30)


class AllAtOnce(EndToEnd):
    """One storm; which, the classes below say."""
    every = None  # of so many syncs one is slow; each thread counts its own
    deadline = None
    after_share = 0.4

    def storm(self, name):
        self.begin()
        before_it = self.live.service.metrics()
        hog = self.steal_a_core()
        talker = Talker(self.live.service)
        self.addCleanup(talker.stop)
        # Whoever waits a second for an answer has a connection to itself for that time.
        load = Load(self, self.live.service, rate=size("rate"), connections=self.connections(),
                    seconds=size("seconds"), after_share=self.after_share)
        load.wait(size("seconds") + 30)
        talker.stop()
        self.assertTrue(hog.running(), "the core was stolen to the end")
        hog.signal(15)
        during = {key: value - before_it[key] for key, value in self.live.service.metrics().items()}
        self.assertEqual(during["chatsluice_loader_rows_total"], 0, "PostgreSQL was away")
        summary = self.check_answers(load, talker, during)
        self.end(load, talker)
        latency = summary["latency_ms"]
        figure(**{name: {"answered": summary["answered"], "rate": summary["rate"], "unsent": summary["unsent"],
                         "failed": 0, "lost": 0, "doubled": 0, "p50": latency["p50"], "p99": latency["p99"],
                         "p999": latency["p999"], "max": latency["max"], "slow_syncs": self.slow_syncs(during),
                         "before_their_record": during["chatsluice_deadline_total"],
                         "after_refused": during['chatsluice_refused_total{reason="spool"}']}})
        return summary

    def connections(self):
        return max(64, int(size("rate") * 1.3))

    def begin(self):
        """All is well; then the platform is silent, with corrections on their way; then all the rest."""
        self.cluster = Cluster(self)
        self.plan = Folder(self).path / "plan"
        environment = clean_environment(LD_PRELOAD=str(BUILD / "fault/sync_stall.so"), SYNC_STALL_PLAN=str(self.plan))
        webhook = {"listen": "127.0.0.1:0", "threads": self.connections() + 16}
        if self.deadline:
            webhook |= {"deadline": self.deadline, "body_timeout": "300ms"}
        self.live = Live(self, self.cluster.create_database(), environment=environment, webhook=webhook,
                         spool={"segment_bytes": "32MiB"},
                         outbox={"timeout": "3s", "confirm_within": "2s", "time_to_live": "10m", "room_per_minute": 2400})
        for room in range(ROOMS):
            self.live.sim.create_room(f"room-{room}")
        self.live.publish(RULES)
        self.platform = FaultProxy(self, self.live.sim.port)
        self.live.service.config["apps"][0]["rest_api"] = f"http://127.0.0.1:{self.platform.port}"
        self.live.service.write_config()
        self.live.service.reload()
        self.platform.swallow = True
        self.live.ask_for_many(50, ROOMS)
        wait_for(lambda: self.live.count("sending", "waiting") > 0, "a correction to be in the black hole")
        self.cluster.stop("immediate")
        self.plan.write_text(f"{STALL_MS} {self.every}\n")

    def steal_a_core(self):
        hog = Process(self, "stress-ng", Folder(self).path)
        hog.spawn(shutil.which("stress-ng"), "--cpu", 1, "--taskset", 0, "--timeout", size("seconds") + 60)
        return hog

    def check_answers(self, load, talker, during):
        """The promises that hold whatever the machine does."""
        summary = load.summary()
        self.assertIsNone(talker.failure)
        self.assertGreater(len(talker.codes), 0)
        self.assertEqual(set(talker.codes), {2}, "every one of them was discarded")
        self.assertEqual((summary["failed"], summary["late"]), (0, 0), f"all valid, before the platform gives up: {summary}")
        verdicts = sum(summary["verdicts"].values())
        self.assertEqual(verdicts + len(talker.codes), during['chatsluice_webhooks_total{command="before"}'],
                         "a valid verdict for every Before webhook, and the service counts as many")
        for form in VERDICTS:
            self.assertGreater(summary["verdicts"][form], 0, f"the verdicts are those of the rules: {summary}")
        self.assertEqual(summary["refused"], during['chatsluice_refused_total{reason="spool"}'],
                         "only After webhooks that were not on disk by the deadline were not acknowledged")
        self.assertEqual(during["chatsluice_not_recorded_total"], 0)
        self.assertGreater(self.slow_syncs(during), size("seconds") // 2, "the disk was slow")
        return summary

    @staticmethod
    def slow_syncs(during):
        """So many took longer than a quarter of a second."""
        buckets = {key: value for key, value in during.items() if key.startswith("chatsluice_spool_fsync_seconds_bucket")}
        quick = max(value for key, value in buckets.items() if float(key.split('le="')[1].rstrip('"}')) < STALL_MS / 1000)
        return during["chatsluice_spool_fsync_seconds_count"] - quick

    def end(self, load, talker):
        """Everything comes back; the tables agree with the ledger and the rooms with the outbox."""
        self.plan.unlink()
        self.platform.reset()  # what it took is gone for good
        self.platform.swallow = False
        self.cluster.start()
        live = self.live
        live.service.wait_loaded(60)
        assert_exactly_once(self, load, live.database)
        said = live.database.rows("SELECT from_account, count(*) AS times FROM chatsluice.event "
                                  "WHERE from_account LIKE 'talker-%' AND command = 'before' AND verdict = 'discard' "
                                  "GROUP BY from_account")
        self.assertEqual({row["from_account"]: row["times"] for row in said},
                         {f"talker-{number}": 1 for number in range(len(talker.codes))})
        self.assertEqual(live.database.value("SELECT count(*) FROM chatsluice.dead_letter"), 0)
        live.wait_settled(60)
        faults, states = balance(live.database, seen_in_rooms(live.sim, ROOMS))
        self.assertEqual(faults, [])
        self.assertEqual(sum(states.values()), 50 + len(talker.codes), "each was asked for once")
        self.assertGreaterEqual(states["done"], len(talker.codes), states)
        live.service.terminate()

    def assert_in_bounds(self, summary, p999, most):
        """Of the long form: the short one shares its machine with other tests."""
        if not is_long():
            return
        self.assertEqual(summary["unsent"], 0, "the machine carried the load")
        self.assertLess(summary["latency_ms"]["max"], most)
        self.assertLess(summary["latency_ms"]["p999"], p999)


class EveryThirdSync(AllAtOnce):
    every = 3

    def test_every_third_sync_stalls(self):
        self.assert_in_bounds(self.storm("every_third_sync"), P999_WITHIN_MS, ANSWERED_WITHIN_MS)


class EverySync(AllAtOnce):
    every = 1

    def test_every_sync_stalls(self):
        self.assert_in_bounds(self.storm("every_sync"), PLATFORM_WAITS_MS, PLATFORM_WAITS_MS)


class NearerDeadline(AllAtOnce):
    every = 1
    deadline = "600ms"

    def test_every_sync_stalls_and_the_deadline_is_near(self):
        if not is_long():
            self.skipTest("of the long form")
        self.assert_in_bounds(self.storm("every_sync_deadline_600ms"), P999_WITHIN_MS, ANSWERED_WITHIN_MS)


if __name__ == "__main__":
    main(seconds=(3, 60), rate=(150, 500))
