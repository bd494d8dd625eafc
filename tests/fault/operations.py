"""What operators do, and what happens to them, under load: restarts, reloads, clocks that step, a database that fails
over, an instance that is taken for dead and comes back. No webhook that was answered is lost or doubled.

    operations.py                 the short form: 5 restarts behind HAProxy, 50 reloads, a failover, 4 steps of the clock
    operations.py --long          100, 1,000, 10 and 20 of them: some minutes on two cores
    operations.py --restarts 100 Restarts
                                  a part of it

A ledger that does not balance voids the run. The last line of output is a JSON object with the figures. The clock is
moved by libfaketime, which does not get on with sanitizers: that part belongs to the release build.
"""
import shutil
import signal
import time
import unittest

from live_campaign import CHOICES, figure, is_long, main, size
from chat import Webhooks, before
from database import Cluster
from front import Front
from harness import FAKETIME, TOKEN, EndToEnd, Folder, Process, clock_environment, scaled, wait_for
from replication import Pair
from service import Service
from sim import Load, assert_exactly_once

AN_HOUR = 3600
RESUMES_WITHIN_S = 10  # after a standby has been promoted


class Ledgers:
    """Several loads, as one."""
    def __init__(self, *loads):
        self.loads = loads

    def keys(self):
        return [key for load in self.loads for key in load.keys()]


class Operations(EndToEnd):
    def start_load(self, service, rate=600, name="load", environment=None):
        return Load(self, service, rate=scaled(rate, 150), connections=16, name=name, seconds=AN_HOUR,
                    environment=environment)

    def rows(self, service):
        return service.metrics()["chatsluice_loader_rows_total"]

    def wait_rows(self, service, more):
        start = self.rows(service)
        wait_for(lambda: self.rows(service) >= start + more, f"{more} more rows", 60)

    def settle(self, name, services, ledgers, database, **figures):
        for service in services:
            service.wait_loaded(120)
        assert_exactly_once(self, ledgers, database)
        self.assertEqual(database.value("SELECT count(*) FROM chatsluice.dead_letter"), 0)
        figure(**{name: figures | {"answered": len(ledgers.keys()), "lost": 0, "doubled": 0}})
        for service in services:
            service.terminate()


class Restarts(Operations):
    def test_restarts_behind_a_balancer_are_not_noticed(self):
        database = Cluster(self).create_database()
        services = [Service(self, database, name=f"serve-{i}", webhook={"threads": 128}).fix_ports().start() for i in (1, 2)]
        front = Front(self, services)
        front.wait_up(*services)
        load = self.start_load(front)
        for restart in range(size("restarts")):
            service = services[restart % 2]
            self.wait_rows(service, 1)
            time.sleep(CHOICES.uniform(0, 0.3))
            service.terminate()
            service.start()
            front.wait_up(*services)
        summary = load.finish()
        self.assertEqual((summary["failed"], summary["refused"]), (0, 0), summary)
        self.assertGreater(summary["answered"], size("restarts") * scaled(50, 10))
        self.settle("restarts", services, load, database, restarts=size("restarts"), failed=0,
                    latency_ms=summary["latency_ms"])


class Stops(Operations):
    def test_a_service_that_waits_for_anothers_migration_can_be_stopped(self):
        """The other one holds the lock and does not let go; what was received meanwhile is loaded after the next start."""
        database = Cluster(self).create_database()
        other = Process(self, "other", Folder(self).path)
        other.spawn("psql", "-X", database.url, "-c", "BEGIN; LOCK TABLE chatsluice.schema_version; SELECT pg_sleep(600)")
        asleep = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        wait_for(lambda: database.value(f"SELECT count(*) {asleep}") == 1, "the lock to be held")
        service = Service(self, database).fix_ports().start()
        load = self.start_load(service)
        wait_for(lambda: service.metrics()["chatsluice_spool_records"] > scaled(100, 20), "webhooks on disk", 60)
        summary = load.finish()
        self.assertEqual((summary["failed"], summary["refused"]), (0, 0), summary)
        service.terminate(30)
        database.execute(f"SELECT pg_terminate_backend(pid) {asleep}")
        service.start()
        self.settle("stop", [service], load, database)


class Reloads(Operations):
    BAD = ("webhook: {deadline: much}\n", "apps: []\n", "webhook: [\n", "\0\0\0", "")

    def test_reloads(self):
        """Each reload brings a new token and keeps the old one, which the load uses; every tenth configuration is bad, and
        what was in force stays so."""
        database = Cluster(self).create_database()
        service = Service(self, database).start()
        load = self.start_load(service)
        self.wait_rows(service, 1)
        (app,) = service.config["apps"]
        app["previous_token"] = TOKEN
        bad = 0
        for reload in range(size("reloads")):
            if reload % 10 == 9:
                bad += 1
                self.reload_badly(service, self.BAD[bad % len(self.BAD)], bad)
                continue
            app["token"] = f"token-{reload}"
            service.config["webhook"]["deadline"] = f"{1200 + reload % 300}ms"
            service.write_config()
            service.reload()
            time.sleep(CHOICES.uniform(0, 0.02))
            wait_for(lambda: self.status(service, app["token"]) == 200, "the new token to be accepted")
        summary = load.finish()
        self.assertEqual((summary["failed"], summary["refused"]), (0, 0), summary)
        service.wait_loaded()
        rows = database.value("SELECT count(*) FROM chatsluice.event WHERE group_id = 'between-reloads'")
        self.assertGreaterEqual(rows, size("reloads"), "what was accepted in between is there as well")
        self.settle("reloads", [service], load, database, reloads=size("reloads"), bad=bad, failed=0,
                    latency_ms=summary["latency_ms"])

    def reload_badly(self, service, text, times):
        token = service.config["apps"][0]["token"]
        service.config_path.write_text(text)
        service.reload()
        # The log says it ten times in ten seconds; later on what counts is that nothing changes.
        wait_for(lambda: len(service.events("configuration refused, the running one stays")) >= min(times, len(self.BAD)),
                 "the configuration to be refused")
        self.assertEqual(self.status(service, token), 200, "the old token still holds")

    def status(self, service, token):
        with Webhooks(service, token) as webhooks:
            return webhooks.post(before("hello", group="between-reloads")).status


@unittest.skipUnless(FAKETIME, "libfaketime is not installed or does not get on with this build")
class Clock(Operations):
    def test_the_clock_steps_an_hour_either_way(self):
        """Of the service and of those who sign for it, as when a machine's clock is corrected. What is signed on one side
        of a step and checked on the other may be refused; nothing fails, and what was answered is there."""
        self.time = Folder(self).path / "time"
        self.step_to(0)
        environment = clock_environment(self.time)
        database = Cluster(self).create_database()
        service = Service(self, database)
        service.environment = environment
        service.start()
        load = self.start_load(service, environment=environment)
        offset, steps = 0, size("steps")
        for step in range(steps):
            self.wait_rows(service, scaled(200))
            offset += CHOICES.choice((-AN_HOUR, AN_HOUR)) if step != 1 else -2 * offset
            self.step_to(offset)
        self.wait_rows(service, scaled(200))
        summary = load.finish()
        self.assertEqual(summary["failed"], 0, summary)
        self.assertLessEqual(summary["refused"], steps * 16, "only what was under way when the clock stepped")
        span = database.value("SELECT extract(epoch FROM max(received_at) - min(received_at)) FROM chatsluice.event")
        self.assertGreater(span, AN_HOUR, "the clock was really moved")
        self.settle("clock", [service], load, database, steps=steps, refused=summary["refused"], failed=0,
                    latency_ms=summary["latency_ms"])

    def step_to(self, seconds):
        fresh = self.time.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.rename(self.time)


class Failover(Operations):
    def test_the_primary_is_lost_and_the_standby_promoted(self):
        pair = Pair(self)
        service = Service(self, pair.database).start()
        load = self.start_load(service)
        slowest = 0.0
        for failover in range(size("failovers")):
            if failover > 0:
                pair.rebuild()
            wait_for(pair.primary.is_followed, "commits to wait for the standby")
            self.wait_rows(service, scaled(200, 50))
            before_it = self.rows(service)
            pair.fail_over()
            promoted = time.monotonic()
            self.wait_rows(service, 1)
            slowest = max(slowest, time.monotonic() - promoted)
            self.assertGreater(self.rows(service), before_it)
        if is_long():
            self.assertLess(slowest, RESUMES_WITHIN_S, "loading resumes in time")
        summary = load.finish()
        self.assertEqual((summary["failed"], summary["refused"]), (0, 0), summary)
        self.settle("failover", [service], load, pair.database, failovers=size("failovers"), failed=0,
                    slowest_to_resume_s=round(slowest, 2))


class Fence(Operations):
    def test_an_instance_that_was_taken_for_dead_comes_back(self):
        """It is frozen in the middle of its work; its spool is copied, and another instance goes on with the copy. Then the
        first one wakes: both now give out the same numbers, and both are sent webhooks."""
        database = Cluster(self).create_database()
        old = Service(self, database, name="old").fix_ports().start()
        first = self.start_load(old, name="first")
        self.wait_rows(old, scaled(500, 50))
        old.signal(signal.SIGSTOP)
        self.addCleanup(lambda: old.running() and old.signal(signal.SIGCONT))
        first.finish()
        # A machine that is gone loses its connections, and with them the lock on the position.
        database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'chatsluice%'")
        new = Service(self, database, name="new", spool_directory=Folder(self).path / "spool")
        shutil.copytree(old.spool, new.spool)
        new.start()
        second = self.start_load(new, name="second")
        self.wait_rows(new, scaled(500, 50))
        old.signal(signal.SIGCONT)
        third = self.start_load(old, name="third")
        for service in (old, new):
            self.wait_rows(service, scaled(500, 50))
        for load in (second, third):
            summary = load.finish()
            self.assertEqual((summary["failed"], summary["refused"]), (0, 0), summary)
        self.assertTrue(old.events("somebody else moved the position of this spool"), "it is said")
        self.settle("fence", [old, new], Ledgers(first, second, third), database)


if __name__ == "__main__":
    main(restarts=(3, 100), reloads=(20, 1000), steps=(2, 20), failovers=(1, 10))
