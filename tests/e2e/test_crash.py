"""kill -9 under load, ten times: every acknowledged webhook is in the table, once."""
import unittest

from database import Cluster
from harness import EndToEnd, scaled, wait_for
from service import Service
from sim import Load, assert_exactly_once

KILLS = 10


class Crash(EndToEnd):
    def test_kill_nine_under_load(self):
        database = Cluster(self).create_database()
        service = Service(self, database).fix_ports().start()
        load = Load(self, service, rate=scaled(1500, 200), connections=16)
        for kill in range(KILLS):
            # By what has been done, not by the clock: in turn while receiving and while loading.
            counter = ("chatsluice_spool_appended_total", "chatsluice_loader_rows_total")[kill % 2]
            wait_for(lambda: service.metrics()[counter] > scaled(400, 50), f"some hundred in {counter}", 60)
            service.kill()
            service.start()
        summary = load.finish()
        self.assertGreater(summary["answered"], KILLS // 2 * scaled(400, 50))
        self.assertGreater(summary["failed"], 0, "the kills were felt")
        self.assertEqual(summary["refused"], 0)
        service.wait_loaded()
        assert_exactly_once(self, load, database)
        self.assertEqual(database.value("SELECT count(*) FROM chatsluice.dead_letter"), 0)
        service.terminate()

    def test_kill_nine_while_the_database_is_away(self):
        """What waits on disk over several lives of the process is loaded in the end."""
        cluster = Cluster(self)
        database = cluster.create_database()
        cluster.stop()
        service = Service(self, database).fix_ports().start()
        load = Load(self, service, rate=scaled(1000, 200), connections=8)
        for _ in range(3):
            wait_for(lambda: service.metrics()["chatsluice_spool_appended_total"] > scaled(200, 50), "webhooks", 60)
            service.kill()
            service.start()
        load.finish()
        cluster.start()
        service.wait_loaded()
        assert_exactly_once(self, load, database)
        service.terminate()


if __name__ == "__main__":
    unittest.main()
