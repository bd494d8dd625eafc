"""The kill campaign: the service, its database and the connection between them die at random under load, and every
webhook that was answered is in the table, once.

    kill.py                      the short form: 20 kills of the service, 5 of PostgreSQL, 30 cuts inside COMMIT
    kill.py --long               500, 200 and 1,000 of them: about half an hour on two cores
    kill.py --serve 500 --seed 7 KillServe
                                 a part of it, and the same choices again

What was answered is told by the ledger of the load generator; a ledger that does not balance (sent = answered + refused +
failed, one line for each answer) voids the run. The last line of output is a JSON object with the figures.
"""
import time
from urllib.parse import parse_qs, urlsplit

from live_campaign import CHOICES, figure, main, size
from database import Cluster
from harness import CHATSLUICE, EndToEnd, scaled, wait_for
from proxy import TO_CLIENT, TO_SERVER, FaultProxy, Place
from service import Service
from sim import Load, assert_exactly_once

LOADER = b"chatsluice loader\0"  # its application_name, in the first message of its connection
AN_HOUR = 3600


class Kill(EndToEnd):
    def start_load(self, service, rate=800):
        return Load(self, service, rate=scaled(rate, 150), connections=16, seconds=AN_HOUR)

    def wait_growth(self, service, counter, more):
        start = service.metrics()[counter]
        wait_for(lambda: service.metrics()[counter] >= start + more, f"{counter} to grow by {more}", 60)

    def settle(self, name, service, load, database, kills, **figures):
        """The end of every campaign: the ledger balances, and the tables agree with it."""
        summary = load.finish() if load.running() else load.summary()
        service.wait_loaded(120)
        assert_exactly_once(self, load, database)
        dead = database.value("SELECT count(*) FROM chatsluice.dead_letter")
        rows = database.value("SELECT count(*) FROM chatsluice.event")
        self.assertEqual(dead, 0)
        self.assertGreater(summary["answered"], kills * scaled(20, 2), "the load was felt")
        self.assertEqual(summary["refused"], 0, summary)
        figure(**{name: {"kills": kills, "answered": summary["answered"], "failed": summary["failed"], "rows": rows,
                         "lost": 0, "doubled": 0} | figures})
        service.terminate()
        return summary


class KillServe(Kill):
    def test_the_service_killed_at_random(self):
        database = Cluster(self).create_database()
        service = Service(self, database).fix_ports().start()
        load = self.start_load(service)
        hows = {self.kill_while_it_serves: 0, self.kill_while_it_starts: 0, self.kill_while_it_drains: 0}
        for _ in range(size("serve")):
            how = CHOICES.choices(list(hows), (70, 15, 15))[0]
            how(service)
            hows[how] += 1
            service.start()
        summary = self.settle("serve", service, load, database, size("serve"),
                              **{how.__name__.removeprefix("kill_"): times for how, times in hows.items()})
        self.assertGreater(summary["failed"], 0, "the kills were felt")

    def kill_while_it_serves(self, service):
        time.sleep(CHOICES.uniform(0, 0.8))
        service.kill()

    def kill_while_it_starts(self, service):
        """Recovery of the spool, the last good rules, the first connection to the database."""
        service.kill()
        service.spawn(CHATSLUICE, "serve", "--config", service.config_path)
        time.sleep(CHOICES.uniform(0, 0.08))
        service.kill()

    def kill_while_it_drains(self, service):
        time.sleep(CHOICES.uniform(0, 0.3))
        service.signal(15)
        time.sleep(CHOICES.uniform(0, 1.3))
        service.kill()

    def test_the_service_killed_while_the_database_is_away(self):
        """What waits on disk over several lives of the process is loaded in the end."""
        cluster = Cluster(self)
        database = cluster.create_database()
        cluster.stop()
        service = Service(self, database).fix_ports().start()
        load = self.start_load(service)
        kills = max(3, size("serve") // 10)
        for _ in range(kills):
            self.wait_growth(service, "chatsluice_spool_appended_total", scaled(200, 50))
            service.kill()
            service.start()
        cluster.start()
        self.settle("serve_without_database", service, load, database, kills)


class KillPostgres(Kill):
    def test_postgres_stopped_hard_at_random(self):
        cluster = Cluster(self)
        database = cluster.create_database()
        service = Service(self, database).start()
        load = self.start_load(service)
        for _ in range(size("postgres")):
            self.wait_growth(service, "chatsluice_loader_rows_total", 1)
            time.sleep(CHOICES.uniform(0, 0.6))
            cluster.stop("immediate")
            time.sleep(CHOICES.choice((0, 0, 0.5)))
            cluster.start()
        summary = self.settle("postgres", service, load, database, size("postgres"))
        self.assertEqual(summary["failed"], 0, summary)


class CutCommit(Kill):
    def setUp(self):
        self.cluster = Cluster(self)
        self.database = self.cluster.create_database()
        straight = self.database.url
        self.proxy = FaultProxy(self, parse_qs(urlsplit(straight).query)["host"][0] + "/.s.PGSQL.5432")
        self.database.url = (f"postgresql://postgres@127.0.0.1:{self.proxy.port}/{self.database.name}"
                             "?sslmode=disable&gssencmode=disable")
        self.service = Service(self, self.database).start()
        self.database.url = straight
        self.load = self.start_load(self.service)

    def cuts_that_were_committed(self):
        """Of the loader's connections: what it found when it looked after an unanswered COMMIT, as logged."""
        settled = self.service.events("commit without an answer settled")
        return len(settled), sum(bool(event["committed"]) for event in settled)

    def test_the_connection_cut_inside_commit(self):
        """Before the COMMIT reached the server, after it did, and when its answer was on the way; sometimes at the first
        COMMIT of a connection, sometimes at a later one."""
        cuts = size("commit")
        for cut in range(cuts):
            place = list(Place)[cut % 3]
            self.proxy.cut_at(TO_SERVER, b"COMMIT\0", place, of=LOADER, reset=CHOICES.random() < 0.5,
                              skip=CHOICES.choice((0, 1, 1, 2))).wait()
        self.assertEqual(self.proxy.cuts, cuts)
        settled, committed = self.cuts_that_were_committed()
        self.assertGreater(committed, 0, "a COMMIT went through without an answer")
        self.assertLess(committed, settled, "and another one did not")
        summary = self.settle("commit", self.service, self.load, self.database, cuts)
        self.assertEqual(summary["failed"], 0, summary)

    def test_the_connection_cut_anywhere(self):
        """After any number of bytes in either direction: in the greeting, in a COPY, between two batches."""
        cuts = max(6, size("commit") // 10)
        for _ in range(cuts):
            direction = CHOICES.choice((TO_SERVER, TO_CLIENT))
            most = 100_000 if direction == TO_SERVER else 3_000
            self.proxy.cut_after(direction, CHOICES.randrange(most), reset=CHOICES.random() < 0.5).wait()
        summary = self.settle("anywhere", self.service, self.load, self.database, cuts)
        self.assertEqual(summary["failed"], 0, summary)

    def test_a_black_hole(self):
        """A connection that stays open and silent: webhooks are answered, a service asked to end ends, and when the hole is
        gone everything is loaded."""
        some = scaled(200, 50)
        self.wait_growth(self.service, "chatsluice_loader_rows_total", some)
        self.proxy.swallow = True
        self.wait_growth(self.service, "chatsluice_spool_records", some)
        self.proxy.reset()  # what was taken is gone for good
        self.proxy.swallow = False
        self.wait_growth(self.service, "chatsluice_loader_rows_total", some)
        self.proxy.swallow = True
        self.wait_growth(self.service, "chatsluice_spool_records", some)
        summary = self.load.finish()
        self.assertEqual(summary["failed"], 0, summary)
        self.service.terminate()
        self.proxy.swallow = False
        self.proxy.reset()
        self.service.start()
        self.settle("black_hole", self.service, self.load, self.database, 2)


if __name__ == "__main__":
    main(serve=(10, 500), postgres=(3, 200), commit=(15, 1000))
