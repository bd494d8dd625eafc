"""PostgreSQL may be absent at the start and at any time: webhooks are answered, loading resumes by itself, and
everything is there exactly once."""
import unittest

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

    def finish(self, service, load, database):
        summary = load.finish()
        self.assertEqual((summary["failed"], summary["refused"]), (0, 0), summary)
        service.wait_loaded()
        assert_exactly_once(self, load, database)
        self.assertEqual(database.value("SELECT count(*) FROM chatsluice.dead_letter"), 0)
        service.terminate()


if __name__ == "__main__":
    unittest.main()
