"""Rollups of known data: each view with its exact rows, late events, duplicates, rewound spools, rebuilding."""
import json
import subprocess
import unittest

from database import Cluster, Database
from harness import CHATSLUICE, EndToEnd, clean_environment, run, run_ok
from rollups import assert_rollups_equal_events, settle

APP = 1400000001
SPOOL = "11111111-1111-4111-8111-111111111111"
OTHER_SPOOL = "22222222-2222-4222-8222-222222222222"
LATER = "now() + interval '1 day'"  # of periods that reach to the present


def quoted(value):
    if value is None:
        return "NULL"
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def hit(rule, state="counted", **members):
    return {"rule": rule, "list": None, "term": "x", "start": 0, "end": 1, "field": "text", "state": state,
            "action": "mask"} | members


class Events:
    """Rows of table event as a loader would leave them, in the order of one spool. at: of 2026-03-01 in UTC, unless it has a
    date."""
    def __init__(self, database, spool=SPOOL, seq=0):
        self.database, self.spool, self.seq = database, spool, seq
        self.statements = []
        self.added = 0

    def add(self, command, at, room="hall", sender="ann", verdict=None, decided_by=None, seq=None, **columns):
        self.seq = seq or self.seq + 1
        self.added += 1
        time = at if " " in at else f"2026-03-01 {at}"
        if command in ("before", "after"):
            verdict, decided_by = verdict or "allow", decided_by or ("rule" if "rule" in columns else "default")
        values = {"event_time": f"{time}+00", "received_at": f"{time}+00", "sdkappid": APP, "spool_seq": self.seq,
                  "spool_id": self.spool, "group_id": room, "command": command, "from_account": sender,
                  "verdict": verdict, "decided_by": decided_by, "duplicate_keys": "f", "raw": "",
                  "judge_us": 100} | columns
        names = ", ".join(values)
        row = ", ".join(quoted(v) for v in values.values())
        self.statements.append(f"INSERT INTO chatsluice.event (event_id, {names}) VALUES (gen_random_uuid(), {row});")
        return self

    def said(self, at, random, delivered=True, **columns):
        """A message: its Before and, a second later, its After."""
        self.add("before", at, random=random, **columns)
        if delivered:
            self.add("after", at[:-2] + f"{int(at[-2:]) + 1:02}", random=random, judge_us=50, **{
                name: value for name, value in columns.items() if name in ("room", "sender")})
        return self

    def load(self):
        """In one transaction with the position, as the loader does it."""
        self.database.execute(
            f"BEGIN; {' '.join(self.statements)} INSERT INTO chatsluice.spool_position (spool_id, seq, owner) "
            f"VALUES ('{self.spool}', {self.seq}, 'test') ON CONFLICT (spool_id) DO UPDATE SET seq = excluded.seq; COMMIT")
        self.statements = []
        return self

    def rewind(self, to):
        """As the loader does it when the database is ahead of the spool."""
        self.database.execute(
            f"INSERT INTO chatsluice.spool_rewind (spool_id, number, from_seq, to_seq, owner) "
            f"SELECT '{self.spool}', 1 + (SELECT count(*) FROM chatsluice.spool_rewind), {self.seq}, {to}, 'test'; "
            f"UPDATE chatsluice.spool_position SET seq = {to} WHERE spool_id = '{self.spool}'")
        self.seq = to
        return self


class Rollup(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)
        cls.template = cls.cluster.create_database()
        cls.template.execute("SELECT chatsluice.ensure_partitions('2026-02-27', '2026-03-02')")

    def setUp(self):
        self.cluster.databases += 1
        self.database = Database(self.cluster, f"test_{self.cluster.databases}")
        admin = Database(self.cluster, "postgres")
        admin.execute(f"CREATE DATABASE {self.database.name} TEMPLATE {self.template.name}")
        admin.execute(f"ALTER DATABASE {self.database.name} SET timezone TO 'UTC'")

    def rows(self, query):
        return [tuple(row.values()) for row in self.database.rows(query)]

    def value(self, query):
        return self.database.value(query)

    def known(self):
        """An hour and a half in two rooms."""
        words = hit("words", list="bad", term="darn")
        events = Events(self.database)
        events.said("10:00:00", 1)
        events.said("10:00:20", 2, sender="bob", verdict="mask", rule="words", rule_revision=3, hits=[words, words])
        events.said("10:01:00", 3, sender="bob", verdict="reject", rule="words", rule_revision=3, delivered=False,
                    hits=[words, hit("calm", "shadow", list="soft", term="meh")], judge_us=5000)
        events.said("10:02:00", 4, sender="cid", room="attic", verdict="discard", rule="links", rule_revision=3,
                    hits=[hit("links")])
        events.said("10:03:00", 5, delivered=False, decided_by="deadline", judge_us=1500000)
        events.add("exception", "10:03:01", random=5)
        events.said("11:00:00", 6, sender="dan", rule_revision=4, hits=[hit("calm", "shadow", list="soft", term="meh")])
        events.said("11:10:00", 7, delivered=False)
        events.said("11:20:00", 8, sender="eve", room="attic", delivered=False, judge_us=2500000)
        events.add("after", "11:21:00", sender="fay", random=99)
        events.add("recall", "11:22:00", sender=None)
        events.add("other", "11:23:00", room="", sender=None)
        return events.load()

    def test_each_view_of_known_data(self):
        self.known()
        settle(self.database)
        expected = {
            "SELECT minute::text, command, verdict, decided_by, events FROM moderation.verdict_by_minute "
            "WHERE minute < '2026-03-01 10:02' ORDER BY 1, 2, 3": [
                ("2026-03-01 10:00:00+00", "after", "allow", "default", 2),
                ("2026-03-01 10:00:00+00", "before", "allow", "default", 1),
                ("2026-03-01 10:00:00+00", "before", "mask", "rule", 1),
                ("2026-03-01 10:01:00+00", "before", "reject", "rule", 1)],
            "SELECT hour::text, command, verdict, decided_by, events FROM moderation.verdict_by_hour ORDER BY 1, 2, 3, 4": [
                ("2026-03-01 10:00:00+00", "after", "allow", "default", 3),
                ("2026-03-01 10:00:00+00", "before", "allow", "deadline", 1),
                ("2026-03-01 10:00:00+00", "before", "allow", "default", 1),
                ("2026-03-01 10:00:00+00", "before", "discard", "rule", 1),
                ("2026-03-01 10:00:00+00", "before", "mask", "rule", 1),
                ("2026-03-01 10:00:00+00", "before", "reject", "rule", 1),
                ("2026-03-01 10:00:00+00", "exception", None, None, 1),
                ("2026-03-01 11:00:00+00", "after", "allow", "default", 2),
                ("2026-03-01 11:00:00+00", "before", "allow", "default", 3),
                ("2026-03-01 11:00:00+00", "other", None, None, 1),
                ("2026-03-01 11:00:00+00", "recall", None, None, 1)],
            "SELECT room_id, messages, allowed, masked, rejected, discarded, unjudged, delivered, exceptions, recalls, "
            "acted_share, last_at::text FROM moderation.room ORDER BY 1": [
                ("attic", 2, 1, 0, 0, 1, 0, 1, 0, 0, 0.5, "2026-03-01 11:20:00+00"),
                ("hall", 6, 4, 1, 1, 0, 1, 4, 1, 1, 0.3333, "2026-03-01 11:22:00+00")],
            "SELECT hour::text, messages, delivered FROM moderation.room_by_hour WHERE room_id = 'attic' ORDER BY 1": [
                ("2026-03-01 10:00:00+00", 1, 1), ("2026-03-01 11:00:00+00", 1, 0)],
            "SELECT room_id, messages, acted_share FROM moderation.room_between('2026-03-01 10:00', '2026-03-01 11:00') "
            "ORDER BY messages DESC": [("hall", 4, 0.5), ("attic", 1, 1)],
            "SELECT account, messages, masked, rejected, discarded, shadowed, overturned, acted_share, rooms_with_offences, "
            "last_offence_at::text FROM moderation.sender ORDER BY 1": [
                ("ann", 3, 0, 0, 0, 0, 0, 0, 0, None),
                ("bob", 2, 1, 1, 0, 0, 0, 1, 1, "2026-03-01 10:01:00+00"),
                ("cid", 1, 0, 0, 1, 0, 0, 1, 1, "2026-03-01 10:02:00+00"),
                ("dan", 1, 0, 0, 0, 1, 0, 0, 0, None), ("eve", 1, 0, 0, 0, 0, 0, 0, 0, None)],
            "SELECT rank, account, score, masked, rejected, discarded, rooms "
            "FROM moderation.offender('2026-03-01', '2026-03-02') ORDER BY rank": [
                (1, "bob", 6, 1, 1, 0, 1), (2, "cid", 4, 0, 0, 1, 1)],
            "SELECT rank, account FROM moderation.offender('2026-03-01', '2026-03-02', room => 'attic')": [(1, "cid")],
            "SELECT * FROM moderation.offender": [],  # of the last 7 days
            "SELECT rule, revision, hits, acted, shadow_hits, allowed_hits, after_hits, reviewed, overturned_share, "
            "benign_share, first_hit_at::text, last_hit_at::text FROM moderation.rule_quality ORDER BY 1, 2": [
                ("calm", 3, 0, 0, 1, 0, 0, 0, None, None, "2026-03-01 10:01:00+00", "2026-03-01 10:01:00+00"),
                ("calm", 4, 0, 0, 1, 0, 0, 0, None, None, "2026-03-01 11:00:00+00", "2026-03-01 11:00:00+00"),
                ("links", 3, 1, 1, 0, 0, 0, 0, None, None, "2026-03-01 10:02:00+00", "2026-03-01 10:02:00+00"),
                ("words", 3, 2, 2, 0, 0, 0, 0, None, None, "2026-03-01 10:00:20+00", "2026-03-01 10:01:00+00")],
            "SELECT list, term, hits, acted, shadow_hits, last_hit_at::text FROM moderation.term_quality ORDER BY 1": [
                ("bad", "darn", 2, 2, 0, "2026-03-01 10:01:00+00"),
                ("soft", "meh", 0, 0, 2, "2026-03-01 11:00:00+00")],
            "SELECT hour::text, rule, hits, shadow FROM moderation.rule_by_hour WHERE rule = 'calm' ORDER BY 1": [
                ("2026-03-01 10:00:00+00", "calm", 0, 1), ("2026-03-01 11:00:00+00", "calm", 0, 1)],
            "SELECT hour::text, term, hits FROM moderation.term_by_hour WHERE list = 'bad'": [
                ("2026-03-01 10:00:00+00", "darn", 2)],
            "SELECT hour::text, command, events, p50_us, p99_us, max_us FROM moderation.latency ORDER BY 1, 2": [
                ("2026-03-01 10:00:00+00", "after", 3, 50, 50, 50),
                ("2026-03-01 10:00:00+00", "before", 5, 104, 1500000, 1500000),
                ("2026-03-01 11:00:00+00", "after", 2, 52, 100, 100),
                ("2026-03-01 11:00:00+00", "before", 3, 104, 2500000, 2500000)],
            "SELECT command, events, p50_us, p90_us, max_us "
            "FROM moderation.latency_between('2026-03-01', '2026-03-02') ORDER BY 1": [
                ("after", 5, 52, 100, 100), ("before", 8, 104, 2500000, 2500000)],
            "SELECT hour::text, messages, delivered, delivered_rewritten, blocked, rejected_but_delivered, "
            "dropped_by_the_platform, answered_too_late, not_confirmed, delivered_unasked, leak_rate, settled "
            "FROM moderation.delivery_by_hour ORDER BY 1": [
                ("2026-03-01 10:00:00+00", 5, 1, 1, 1, 1, 1, 0, 0, 0, 0.5, True),
                ("2026-03-01 11:00:00+00", 4, 1, 0, 0, 0, 0, 1, 1, 1, None, True)],
            "SELECT room_id, outcome, messages FROM moderation.delivery_by_room_hour WHERE room_id = 'attic' "
            "ORDER BY 2": [("attic", "answered too late", 1), ("attic", "rejected but delivered", 1)],
            "SELECT * FROM moderation.rollup_lag": [(0, 0, 0, None)],
        }
        for query, rows in expected.items():
            with self.subTest(query):
                self.assertEqual(self.rows(query), rows)
                self.assertNotRegex(self.database.execute("EXPLAIN " + query), r" on event", "only rollups are read")
        assert_rollups_equal_events(self, self.database)

    def test_percentiles_lie_above_what_they_bound(self):
        self.assertEqual(self.rows(
            "SELECT us FROM (SELECT generate_series(0, 5000) UNION ALL SELECT 2 ^ n + d FROM generate_series(1, 40) n, "
            "generate_series(-1, 1) d) x (us) WHERE us > chatsluice.latency_bound(chatsluice.latency_bucket(us::bigint)) "
            "OR us < chatsluice.latency_bound((chatsluice.latency_bucket(us::bigint) - 1)::smallint) * 0.95 - 1"), [])

    def test_a_pass_takes_a_stretch_and_the_lag_shows(self):
        events = self.known()
        self.assertEqual(self.rows("SELECT records_behind FROM moderation.rollup_lag"), [(events.seq,)])
        self.assertEqual(self.rows("SELECT events, behind FROM chatsluice.rollup_pass(5)"), [(5, events.seq - 5)])
        self.assertEqual(self.value("SELECT sum(events) FROM moderation.verdict_by_hour"), 5)
        self.assertGreater(self.value("SELECT unsettled_room_hours FROM moderation.rollup_lag"), 0)
        self.assertEqual(self.rows("SELECT events, behind FROM chatsluice.rollup_pass()"), [(events.seq - 5, 0)])
        self.assertEqual(self.rows("SELECT events, behind FROM chatsluice.rollup_pass()"), [(0, 0)])
        settle(self.database)
        assert_rollups_equal_events(self, self.database)

    def test_the_lag_of_rollups_that_follow_a_busy_loader(self):
        """Something is always loaded while a pass runs: that alone is no lag."""
        events = self.known()
        self.database.execute("UPDATE chatsluice.rollup_state SET caught_up_at = now() - interval '1 hour'")
        self.assertEqual(self.value("SELECT lag_seconds / 60 FROM moderation.rollup_lag"), 60)
        self.database.execute("SELECT chatsluice.rollup_pass(5)")
        self.assertEqual(self.value("SELECT lag_seconds / 60 FROM moderation.rollup_lag"), 60)
        self.database.execute("SELECT chatsluice.rollup_pass()")
        events.said("12:00:00", 50).load()
        self.assertEqual(self.rows("SELECT records_behind, lag_seconds / 60 FROM moderation.rollup_lag"), [(2, 0)])

    def test_late_events_count_in_their_own_hour(self):
        events = self.known()
        settle(self.database)
        # The After of a message thought lost, days later; a message of before midnight; one far off, before all known days.
        events.add("after", "11:10:01", random=7, received_at="2026-03-03 00:00:00+00")
        events.add("before", "2026-02-28 23:59:30", random=70, received_at="2026-03-03 00:00:00+00")
        events.add("after", "00:00:10", random=70, received_at="2026-03-03 00:00:00+00")
        events.add("before", "2025-01-01 00:00:00", random=71, received_at="2026-03-03 00:00:00+00")
        events.load()
        self.assertEqual(self.value("SELECT events FROM chatsluice.rollup_pass()"), 4)
        self.assertEqual(self.rows("SELECT settled FROM moderation.delivery_by_hour ORDER BY hour"), [(True,), (False,)])
        settle(self.database)
        self.assertEqual(self.rows("SELECT hour::text, delivered, not_confirmed FROM moderation.delivery_by_hour "
                                   "WHERE hour <> '2026-03-01 10:00' ORDER BY 1"),
                         [("2025-01-01 00:00:00+00", 0, 1), ("2026-02-28 23:00:00+00", 1, 0),
                          ("2026-03-01 11:00:00+00", 2, 0)])
        assert_rollups_equal_events(self, self.database)

    def test_records_that_became_no_event_are_passed(self):
        """Duplicates and parked records leave gaps; so does a spool that never had an event."""
        events = self.known()
        events.seq += 7
        events.add("before", "12:00:00").load()
        Events(self.database, OTHER_SPOOL, 50).load()
        settle(self.database)
        self.assertEqual(self.value("SELECT records_behind FROM moderation.rollup_lag"), 0)
        assert_rollups_equal_events(self, self.database)

    def test_numbers_given_out_again_count_once(self):
        events = self.known()
        Events(self.database, OTHER_SPOOL).said("10:30:00", 31).load()
        settle(self.database)
        last = events.seq
        # Restored from a copy that ended at 4: the next records have numbers the rollups have passed.
        events.rewind(4).said("10:40:00", 41).said("2026-02-28 09:00:00", 42).load()
        settle(self.database)
        assert_rollups_equal_events(self, self.database)
        # It grows past the old end and goes back again, both between two passes, and stops below the old end.
        for i in range(last + 5 - events.seq):
            events.add("before", f"10:50:{i:02}", random=100 + i)
        events.load().rewind(6).said("12:00:00", 43).load()
        self.database.execute("SELECT chatsluice.rollup_pass(2)")
        self.database.execute("SELECT chatsluice.rebuild_rollups('2026-03-01', '2026-03-02')")  # in the middle of it
        settle(self.database)
        assert_rollups_equal_events(self, self.database)
        for i in range(30):
            events.add("before", f"13:00:{i:02}", random=200 + i)
        events.load()
        settle(self.database)
        self.assertEqual(self.value("SELECT sum(events) FROM moderation.verdict_by_hour"), events.added + 2)
        assert_rollups_equal_events(self, self.database)

    def test_a_pass_that_is_broken_off_counts_nothing(self):
        self.known()
        self.database.execute("SELECT chatsluice.rollup_pass(3)")
        broken = run("psql", "-X", "-v", "ON_ERROR_STOP=1", self.database.url, "-c",
                     "BEGIN; SELECT chatsluice.rollup_pass(4); SELECT pg_terminate_backend(pg_backend_pid()); COMMIT")
        self.assertNotEqual(broken.returncode, 0)
        self.assertEqual(self.rows("SELECT sum(events) FROM moderation.verdict_by_hour"), [(3,)])
        settle(self.database)
        assert_rollups_equal_events(self, self.database)

    def test_one_session_works_at_a_time(self):
        self.known()
        holder = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", self.database.url], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, encoding="utf-8", env=clean_environment())
        self.addCleanup(holder.wait)
        self.addCleanup(holder.stdin.close)
        self.addCleanup(holder.stdout.close)
        holder.stdin.write("BEGIN; SELECT events FROM chatsluice.rollup_pass(6);\n")
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), "6\n")
        self.assertEqual(self.rows("SELECT * FROM chatsluice.rollup_pass()"), [])
        self.assertEqual(self.rows("SELECT chatsluice.rollup_settle(), chatsluice.rollup_opinions()"), [(None, None)])
        holder.stdin.write("COMMIT; SELECT 'over';\n")
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), "over\n")
        settle(self.database)
        assert_rollups_equal_events(self, self.database)

    def test_a_rebuild_mends_what_is_wrong_and_keeps_what_has_no_events_any_more(self):
        events = self.known()
        events.said("2026-02-28 08:00:00", 80).load()
        settle(self.database)
        self.database.execute("SELECT chatsluice.rollup_pass()")
        for table in ("minute", "hour", "hour_latency", "hour_room", "hour_sender", "hour_rule", "hour_term"):
            time = "minute" if table == "minute" else "hour"
            self.database.execute(f"DELETE FROM chatsluice.rollup_{table} WHERE {time} < '2026-03-01 10:01'")
        self.database.execute("UPDATE chatsluice.rollup_day_sender SET messages = 1000; "
                              "UPDATE chatsluice.rollup_hour_delivery SET messages = 7")
        events.said("14:00:00", 90).load()  # not yet counted, and not by the rebuild
        self.assertEqual(self.value("SELECT chatsluice.rebuild_rollups('2026-02-28 13:00', '2026-03-01 00:00:01')"),
                         events.seq - 2)
        self.assertEqual(self.value("SELECT count(*) FROM moderation.verdict_by_hour WHERE hour = '2026-03-01 14:00'"), 0)
        settle(self.database)
        assert_rollups_equal_events(self, self.database)
        kept = self.rows("SELECT * FROM moderation.verdict_by_hour WHERE hour < '2026-03-01'")
        self.database.execute("DROP TABLE chatsluice.event_20260228")
        self.assertEqual(self.value("SELECT chatsluice.rebuild_rollups('2026-02-27', '2026-03-01')"), 0)
        self.assertEqual(self.rows("SELECT * FROM moderation.verdict_by_hour WHERE hour < '2026-03-01'"), kept)
        self.assertEqual(len(kept), 2)

    def test_the_command_rebuilds(self):
        events = self.known()
        settle(self.database)
        self.database.execute("DELETE FROM chatsluice.rollup_hour")
        environment = clean_environment(CHATSLUICE_DATABASE_URL=self.database.url)
        self.assertEqual(run_ok(CHATSLUICE, "rollup", "rebuild", "--from", "2026-02-28", "--to", "2026-03-01T12:00:00Z",
                                environment=environment), f"{events.seq} events counted\n")
        assert_rollups_equal_events(self, self.database)
        for words in ([], ["--from", "soon"], ["--from", "2026-03-02", "--to", "2026-03-01"]):
            self.assertEqual(run(CHATSLUICE, "rollup", "rebuild", *words, environment=environment).returncode, 2, words)

    def test_what_people_say(self):
        self.known()
        settle(self.database)

        def event(random, columns="group_id, event_time, event_id"):
            return f"SELECT {columns} FROM chatsluice.event WHERE command = 'before' AND random = {random}"

        def quality():
            self.database.execute("SELECT chatsluice.rollup_opinions()")
            return self.rows("SELECT rule, sum(reviewed) AS r, sum(overturned) AS o, max(overturned_share) AS os, "
                             "sum(labelled) AS l, max(benign_share) AS bs FROM moderation.rule_quality GROUP BY 1 ORDER BY 1")

        review = ("INSERT INTO chatsluice.review (room_id, event_time, event_id, account, received_at, sdkappid, state, decision, "
                  "overturned, decided_by, decided_at) ")
        sender = "group_id, event_time, event_id, from_account, received_at"
        note = "INSERT INTO chatsluice.annotation (room_id, event_time, event_id, label, who, at) "
        self.database.execute(review + event(2, f"{sender}, {APP}, 'decided', 'uphold', false, 'zoe', now()"))
        self.database.execute(review + event(3, f"{sender}, {APP}, 'decided', 'approve', true, 'zoe', now()"))
        self.database.execute(review + event(4, f"{sender}, {APP}, 'open', NULL, NULL, NULL, NULL"))
        self.database.execute(note + event(6, "group_id, event_time, event_id, 'benign', 'zoe', now()"))
        self.database.execute(note + event(3, "group_id, event_time, event_id, 'insult', 'zoe', now()"))
        self.assertEqual(quality(), [("calm", 0, 0, None, 2, 1), ("links", 0, 0, None, 0, None),
                                     ("words", 2, 1, 0.5, 1, 0)])
        self.assertEqual(self.rows("SELECT list, reviewed, overturned_share, benign_share FROM moderation.term_quality "
                                   "ORDER BY 1"), [("bad", 2, 0.5, 0), ("soft", 0, None, 0.5)])
        self.assertEqual(self.rows("SELECT account, score, overturned FROM moderation.offender('2026-03-01', '2026-03-02')"
                                   " ORDER BY rank"), [("cid", 4, 0), ("bob", 2, 1)])
        self.assertEqual(self.value("SELECT overturned FROM moderation.sender WHERE account = 'bob'"), 1)
        self.assertEqual(self.value("SELECT chatsluice.rollup_opinions()"), 0, "nothing new")
        # Another label later counts in the place of the first; a decision taken back does not count.
        self.database.execute(note + event(6, "group_id, event_time, event_id, 'spam', 'yan', now() + interval '1 s'"))
        self.database.execute("UPDATE chatsluice.review SET state = 'open', decision = NULL, overturned = NULL WHERE overturned")
        self.assertEqual(quality(), [("calm", 0, 0, None, 2, 0), ("links", 0, 0, None, 0, None),
                                     ("words", 1, 0, 0, 1, 0)])

    def test_a_correction_changes_the_outcome_of_its_original(self):
        self.known()
        settle(self.database)
        self.database.execute(
            "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, cause, asked_by, event_id, "
            "event_time, asked_at, state, reason, expires_at, random) SELECT group_id, gen_random_uuid(), sdkappid, "
            "'send_text', from_account, 'x', 'person', 'zoe', event_id, event_time, now(), 'done', 'test', now(), 1 "
            "FROM chatsluice.event WHERE command = 'before' AND random = 3")
        self.database.execute("UPDATE chatsluice.rollup_state SET swept_at = '-infinity'")
        settle(self.database)
        self.assertEqual(self.rows("SELECT blocked, corrected, leak_rate FROM moderation.delivery_by_hour "
                                   "WHERE hour = '2026-03-01 10:00'"), [(0, 1, 1)])
        assert_rollups_equal_events(self, self.database)

    def test_what_is_not_quiet_yet_waits(self):
        self.known()
        self.database.execute("SELECT chatsluice.rollup_pass()")
        self.assertEqual(self.value("SELECT chatsluice.rollup_settle()"), 0)
        self.database.execute("UPDATE chatsluice.rollup_dirty SET marked_at = now() - interval '2 minutes' "
                              "WHERE room_id = 'attic'")
        self.assertEqual(self.value("SELECT chatsluice.rollup_settle()"), 1)
        self.assertEqual(self.value("SELECT string_agg(DISTINCT room_id, ',') FROM moderation.delivery_by_room_hour"), "attic")

    def test_an_erased_sender_has_the_new_name(self):
        self.known()
        settle(self.database)
        self.database.execute(f"SELECT chatsluice.rollup_rename_sender({APP}, 'bob', 'erased-1')")
        self.database.execute("UPDATE chatsluice.event SET from_account = 'erased-1' WHERE from_account = 'bob'")
        self.assertEqual(self.rows("SELECT account FROM moderation.offender('2026-03-01', '2026-03-02') ORDER BY rank"),
                         [("erased-1",), ("cid",)])
        assert_rollups_equal_events(self, self.database)


if __name__ == "__main__":
    unittest.main()
