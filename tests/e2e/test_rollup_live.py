"""Rollups beside real services: whatever dies, comes late or twice, or is restored from an older copy, in the end they are
what a GROUP BY over the events gives."""
import shutil
import time
import unittest
from pathlib import Path

from chat import EXCEPTION, RECALL, Webhooks, after, before
from database import Cluster
from harness import EndToEnd, scaled, wait_for
from rollups import assert_rollups_equal_events, settle
from service import Service
from sim import Load

RULES = Path(__file__).with_name("rules.yaml")
DAY_MS = 86400 * 1000
TEXTS = ("good evening", "oh darn it", "casino night tonight", "add me on chatapp", "promo code inside", "darn tough socks")


class RollupLive(EndToEnd):
    def setUp(self):
        self.cluster = Cluster(self)
        self.database = self.cluster.create_database()
        self.services = [Service(self, self.database, name=name).fix_ports().start() for name in ("one", "two")]
        self.services[0].publish(RULES)
        wait_for(lambda: self.services[1].metrics()["chatsluice_rule_revision"] == 1, "the rules on the other instance")

    def say(self, service, age_ms=0):
        """One message of each verdict, delivered or not as it comes; repeated After webhooks go to both instances."""
        with Webhooks(service) as webhooks:
            for i, text in enumerate(TEXTS):
                now = int(time.time() * 1000)
                asked = before(text, group=f"room-{i % 2}", sender=f"viewer_{i}", EventTime=now - age_ms)
                told = after(asked, MsgTime=(now - age_ms) // 1000)
                self.assertEqual(webhooks.post(asked).status, 200)
                if i == 0:
                    told = asked | {"CallbackCommand": EXCEPTION, "ErrorCode": 10023, "ErrorInfo": "too often"}
                if i == 5:
                    webhooks.post({"CallbackCommand": RECALL, "GroupId": "room-1", "Type": "Live",
                                   "Operator_Account": "viewer_5", "MsgSeqList": [{"MsgSeq": told["MsgSeq"]}],
                                   "EventTime": now})
                self.assertEqual(webhooks.post(told).status, 200)
                for other in self.services:
                    if other.running() and told["CallbackCommand"] != EXCEPTION and i % 2:
                        with Webhooks(other) as again:
                            again.post(told)

    def wait_counted(self):
        for service in self.services:
            service.wait_loaded()
        wait_for(lambda: self.database.value("SELECT records_behind FROM moderation.rollup_lag") == 0, "the rollups")

    def compare(self):
        self.wait_counted()
        settle(self.database)
        assert_rollups_equal_events(self, self.database)

    def test_chaos(self):
        one, two = self.services
        loads = [Load(self, service, rate=scaled(200, 40), connections=4, name=f"load-{service.name}")
                 for service in self.services]
        self.say(one)
        self.say(two, age_ms=2 * DAY_MS)
        one.kill()
        copy = one.folder / "copy"
        shutil.copytree(one.spool, copy)
        one.start()
        self.assertGreater(self.database.value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                                               "WHERE application_name = 'chatsluice rollup'"), 0)
        self.say(one, age_ms=DAY_MS)
        one.cli_ok("rollup", "rebuild", "--from", "3d")
        two.kill()
        two.start()
        self.cluster.stop("immediate")
        self.say(two)
        self.cluster.start()
        self.say(one, age_ms=DAY_MS // 24)
        for load in loads:
            load.terminate()
        self.compare()
        duplicates = sum(s.metrics()["chatsluice_loader_duplicates_total"] for s in self.services)
        self.assertGreater(duplicates, 0)

        one.terminate()
        shutil.rmtree(one.spool)
        shutil.copytree(copy, one.spool)
        one.start()
        self.say(one, age_ms=DAY_MS)
        self.compare()
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.spool_rewind"), 1)
        wait_for(lambda: all(s.metrics()["chatsluice_rollup_lag_records"] == 0 for s in self.services), "the lag to be seen")
        self.assertGreater(sum(s.metrics()["chatsluice_rollup_events_total"] for s in self.services), 0)
        for service in self.services:
            service.terminate()


if __name__ == "__main__":
    unittest.main()
