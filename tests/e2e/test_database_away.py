"""PostgreSQL may be absent at the start and at any time: webhooks are answered, loading resumes by itself, and
everything is there exactly once."""
import unittest

from chat import Webhooks, after, before
from database import Cluster
from harness import EndToEnd, scaled, wait_for
from service import Service
from sim import Load, assert_exactly_once


class DatabaseAway(EndToEnd):
    def loaded(self, service):
        return service.metrics()["chatsluice_loader_rows_total"]

    def wait_rows(self, service, more):
        start = self.loaded(service)
        wait_for(lambda: self.loaded(service) > start + more, f"{more} more rows", 60)

    def wait_waiting(self, service, records):
        wait_for(lambda: service.metrics()["chatsluice_spool_records"] > records, f"{records} records waiting", 60)

    def test_absent_at_the_start_stopped_hard_and_back(self):
        some = scaled(500, 50)
        cluster = Cluster(self)
        database = cluster.create_database()
        cluster.stop()
        service = Service(self, database).start()
        self.assertEqual(service.metrics()["chatsluice_database_up"], 0)
        load = Load(self, service, rate=scaled(1000, 200), connections=8)
        self.wait_waiting(service, some)
        for mode in ("immediate", "fast", "immediate"):
            cluster.start()
            self.wait_rows(service, some)
            cluster.stop(mode)
            wait_for(lambda: service.metrics()["chatsluice_database_up"] == 0, "the loss to be noticed")
            self.wait_waiting(service, some)
        cluster.start()
        self.finish(service, load, database)

    def test_connections_terminated_in_the_middle(self):
        database = Cluster(self).create_database()
        service = Service(self, database).start()
        load = Load(self, service, rate=scaled(1000, 200), connections=8)
        for _ in range(10):
            self.wait_rows(service, scaled(200, 30))
            ended = database.value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                                   "WHERE application_name LIKE 'chatsluice%'")
            self.assertGreater(ended, 0)
        self.finish(service, load, database)

    def test_a_full_spool_acknowledges_nothing_it_cannot_keep(self):
        cluster = Cluster(self)
        database = cluster.create_database()
        cluster.stop()
        service = Service(self, database, webhook={"max_body": "64KiB"},
                          spool={"max_bytes": "2MiB", "segment_bytes": "1MiB"}).start()
        acknowledged = 0
        with Webhooks(service) as webhooks:
            def post_after():
                return webhooks.post(after(before("x" * 10000))).status
            while (status := post_after()) == 200:
                acknowledged += 1
                self.assertLess(acknowledged, 200, "2 MiB hold less than 200 webhooks of 10 kB")
            self.assertGreater(acknowledged, 20)
            self.assertEqual(status, 503)
            self.assertEqual(webhooks.post(before("x" * 10000)).code, 0, "a verdict is given all the same")
            self.assertEqual(service.metrics()["chatsluice_not_recorded_total"], 1)
            self.assertEqual(service.get("/readyz")[0], 503)
            self.assertEqual(service.get("/healthz")[0], 200)
            cluster.start()
            wait_for(lambda: service.get("/readyz")[0] == 200, "room in the spool")
            self.assertEqual(post_after(), 200)
        service.wait_loaded()
        self.assertEqual(database.value("SELECT count(*) FROM chatsluice.event"), acknowledged + 1)
        service.terminate()

    def finish(self, service, load, database):
        summary = load.finish()
        self.assertEqual((summary["failed"], summary["refused"]), (0, 0), summary)
        service.wait_loaded()
        assert_exactly_once(self, load, database)
        self.assertEqual(database.value("SELECT count(*) FROM chatsluice.dead_letter"), 0)
        service.terminate()


if __name__ == "__main__":
    unittest.main()
