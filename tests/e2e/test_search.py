"""What moderators ask about messages: every question of questions_message.sql against known rows, and by which plan; search
page by page; `chatsluice maintain` beside it all."""
import hashlib
import json
import re
import subprocess
import unittest
import uuid
from pathlib import Path

from database import Cluster, Database
from harness import CHATSLUICE, ROOT, SDKAPPID, EndToEnd, clean_environment, run, run_ok

QUESTIONS = Path(__file__).with_name("questions_message.sql")
NOW = "date_trunc('minute', now())"
DAY = "date_trunc('day', now(), 'UTC') - interval '1 day' + interval '9 hours'"  # yesterday: a day that is over

# Messages of one room each: when, room, who, text, and what is not as usual.
MESSAGES = [
    dict(at=f"{DAY}", room="r1", account="ann", text="Good morning, 100% sure_thing", custom={"lvl": 95, "badge": "gold"}),
    dict(at=f"{DAY} + interval '1 minute'", room="r1", account="bob", text="加微信 13800138000", verdict="mask",
         rule="phones", term="13800138000", rewritten="加微信 ***********"),
    dict(at=f"{DAY} + interval '2 minutes'", room="r1", account="bob", text="casino", verdict="reject", rule="spam",
         term="casino", after=False),
    dict(at=f"{DAY} + interval '3 minutes'", room="r1", account="bob", text="casino again", verdict="discard", rule="spam",
         term="casino"),
    dict(at=f"{DAY} + interval '4 minutes'", room="r1", account="cat", text="too fast", after=False, exception=10023),
    dict(at=f"{DAY} + interval '5 minutes'", room="r1", account="cat", text="taken back", recall=30),
    dict(at=f"{DAY} + interval '6 minutes'", room="r1", account="dan", text="rude words", verdict="discard", rule="rude",
         term="rude", rewritten="**** words", after=False, correction="done"),
    dict(at=f"{DAY} + interval '7 minutes'", room="r1", account="dan", text="nobody knows", after=False),
    dict(at=f"{NOW} - interval '9 minutes'", room="r2", account="ann", text="微店 hello 🔥", custom={"lvl": 5, "badge": "7"},
         verdict="flag", rule="shops", term="微店"),
    dict(at=f"{NOW} - interval '8 minutes'", room="r2", account="eve", text="round the hook", before=False),
    dict(at=f"{NOW} - interval '7 minutes'", room="r2", account="ann", text="slow", judge_us=2400000, decided="deadline"),
    dict(at=f"{NOW} - interval '6 minutes'", room="r2", account="ann", text="Привет GOOD да", hit_state="shadow", rule=None,
         term="casino", hit_rule="spam"),
]
NAMES = {"room": "'r1'", "since": f"{DAY}", "recently": f"{NOW} - interval '1 hour'", "words": "'good'", "short": "'微店'",
         "account": "'bob'", "rule": "'spam'", "term": "'casino'", "badge": "'gold'", "msg_seq": "6", "msg_id": "'m-2'",
         "event": "md5('after-2')::uuid"}
# What each question has to answer, in the order of the file, times left out: texts say which message it is.
ANSWERS = [
    [["dan", "nobody knows", "allow", "not confirmed"], ["dan", "rude words", "discard", "corrected"],
     ["cat", "taken back", "allow", "delivered"], ["cat", "too fast", "allow", "dropped by the platform"],
     ["bob", "casino again", "discard", "rejected but delivered"], ["bob", "casino", "reject", "blocked"],
     ["bob", "加微信 13800138000", "mask", "delivered rewritten"],
     ["ann", "Good morning, 100% sure_thing", "allow", "delivered"]],
    [["bob", "mask", "phones", "加微信 13800138000", "加微信 ***********"], ["bob", "reject", "spam", "casino", None],
     ["bob", "discard", "spam", "casino again", None], ["dan", "discard", "rude", "rude words", "**** words"]],
    [["r2", "ann", "flag", "shops", "微店 hello 🔥"], ["r1", "dan", "discard", "rude", "rude words"],
     ["r1", "bob", "discard", "spam", "casino again"], ["r1", "bob", "reject", "spam", "casino"],
     ["r1", "bob", "mask", "phones", "加微信 13800138000"]],
    [["blocked", 1], ["corrected", 1], ["delivered", 2], ["delivered rewritten", 1], ["dropped by the platform", 1],
     ["not confirmed", 1], ["rejected but delivered", 1]],
    [["r1", "bob", "spam", False]],
    [["r2", "eve", 10]],
    [["cat", 10023, "frequency limit"]],
    [["r2", 2400, "deadline", "answered too late"]],
    [["cat", "00:00:30"]],
    [["dan", "rude words", "**** words", "done"]],
    [["r2", "ann", "Привет GOOD да"], ["r1", "ann", "Good morning, 100% sure_thing"]],
    [["r2", "ann", "微店 hello 🔥"]],
    [["r1", "casino again", "rejected but delivered"], ["r1", "casino", "blocked"],
     ["r1", "加微信 13800138000", "delivered rewritten"]],
    [["r2", "ann", "allow", "Привет GOOD да"], ["r1", "bob", "discard", "casino again"], ["r1", "bob", "reject", "casino"]],
    [["r2", "ann", "allow", None], ["r1", "bob", "discard", "spam"], ["r1", "bob", "reject", "spam"]],
    [["r1", '{"lvl": 95, "badge": "gold"}']],
    [["r1", '{"lvl": 95, "badge": "gold"}']],
    [["cat", "taken back", "delivered", "before-6"]],
    [["r1", "bob", "加微信 13800138000"]],
    [["r1", "bob", "加微信 13800138000", "before-2", "after-2"]],
]


IDS = {str(uuid.UUID(hashlib.md5(name.encode()).hexdigest())): name
       for name in (f"{command}-{number}" for command in ("before", "after") for number in range(1, len(MESSAGES) + 1))}


def literal(value):
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def event_row(number, command, message, at, **more):
    """One row of chatsluice.event as an INSERT; what `more` does not say is as message has it."""
    room, account = message["room"], message["account"]
    columns = {"event_time": at, "received_at": at, "sdkappid": SDKAPPID, "spool_seq": number * 4,
               "event_id": f"md5('{command}-{number}')::uuid", "spool_id": "'5b001000-0000-8000-8000-000000000001'",
               "group_id": literal(room), "command": literal(command), "from_account": literal(account), "random": number,
               "msg_id": f"'m-{number}'", "text": literal(message["text"]), "duplicate_keys": "false", "raw": "''",
               "cloud_custom_data": literal(json.dumps(message["custom"])) if "custom" in message else "NULL"}
    columns["cloud_custom_data_json"] = columns["cloud_custom_data"]
    columns |= more
    return f"INSERT INTO chatsluice.event ({', '.join(columns)}) VALUES ({', '.join(map(str, columns.values()))});"


def rows_of(number, message):
    at = message["at"]
    verdict = message.get("verdict", "allow")
    if message.get("before", True):
        hits = "NULL" if "term" not in message else literal(json.dumps([{
            "rule": message.get("hit_rule", message.get("rule")), "term": message["term"], "state":
            message.get("hit_state", "counted"), "start": 0, "end": 3}]))
        yield event_row(number, "before", message, at, verdict=literal(verdict), rule=literal(message.get("rule")),
                        decided_by=literal(message.get("decided", "rule" if message.get("rule") else "default")), hits=hits,
                        rewritten=literal(message.get("rewritten")), judge_us=message.get("judge_us", 900))
    if message.get("after", True):
        said = message | {"text": message.get("rewritten", message["text"])}
        yield event_row(number, "after", said, f"{at} + interval '1 second'", msg_seq=number, verdict="'allow'")
    if "exception" in message:
        yield event_row(number, "exception", message, f"{at} + interval '1 second'",
                        exception_code=message["exception"], exception_info="'frequency limit'")
    if "recall" in message:
        yield event_row(number, "recall", message, f"{at} + interval '{message['recall'] + 1} seconds'", text="NULL",
                        random="NULL", msg_id="NULL", recalled_seqs=f"ARRAY[99, {number}]")
    if "correction" in message:
        yield ("INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, cause, asked_by, event_id, "
               "event_time, asked_at, state, reason, expires_at, random) SELECT group_id, gen_random_uuid(), sdkappid, "
               f"'send_text', from_account, rewritten, 'rule', rule, event_id, event_time, event_time, "
               f"'{message['correction']}', 'test', event_time, 1 FROM chatsluice.event WHERE event_id = "
               f"md5('before-{number}')::uuid;")


def questions():
    """The questions of the file: words and query, with psql's :names in it."""
    parts = [part.split("\n", 1) for part in QUESTIONS.read_text().strip().split("\n\n")[1:]]
    return [(words.removeprefix("-- "), query.rstrip(";\n")) for words, query in parts]


def filled(query):
    return re.sub(r"(?<!:):(\w+)", lambda name: NAMES[name[1]], query)


def maintain(database, *options, url=None):
    return run(CHATSLUICE, "maintain", *options, environment=clean_environment(CHATSLUICE_DATABASE_URL=url or database.url),
               timeout=120)


class KnownRows(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.database = Cluster(cls).create_database()
        cls.database.execute("SELECT chatsluice.ensure_partitions((now() AT TIME ZONE 'UTC')::date - 3, "
                             "(now() AT TIME ZONE 'UTC')::date + 2)")
        # Indexed by hand where a day is over, so that the test does not depend on the hour: yesterday closes at 01:00.
        cls.database.execute("\n".join(row for n, m in enumerate(MESSAGES, 1) for row in rows_of(n, m)))

    def answer(self, query):
        """Rows as lists, without times, ids as the names they are made of."""
        rows = self.database.rows(filled(query))
        return [[IDS.get(value, value) if isinstance(value, str) else value
                 for name, value in row.items() if name != "sent_at"] for row in rows]

    def check_all(self):
        self.assertEqual(len(questions()), len(ANSWERS))
        for (words, query), expected in zip(questions(), ANSWERS):
            with self.subTest(words):
                self.assertEqual(self.answer(query), expected)

    def test_every_question_has_its_answer(self):
        """Without heavy indexes, and with them."""
        self.check_all()
        done = maintain(self.database)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.check_all()

    def search(self, arguments):
        return [row["text"] for row in self.database.rows(f"SELECT text FROM moderation.search({arguments})")]

    def test_needles(self):
        for needle, expected in (("100%", ["Good morning, 100% sure_thing"]), ("sure_", ["Good morning, 100% sure_thing"]),
                                 ("0% s", ["Good morning, 100% sure_thing"]), ("a\\", []), ("_", ["Good morning, 100% sure_thing"]),
                                 ("信", ["加微信 13800138000"]), ("微", ["微店 hello 🔥", "加微信 13800138000"]),
                                 ("🔥", ["微店 hello 🔥"]), ("ДА", ["Привет GOOD да"]), ("привет good", ["Привет GOOD да"]),
                                 ("the hook", ["round the hook"]), ("nothing like it", []),
                                 ("***", ["加微信 13800138000"])):  # as its After webhook tells
            with self.subTest(needle):
                self.assertEqual(self.search(f"text => {literal(needle)}"), expected)

    def test_conditions_add_up(self):
        self.assertEqual(self.search("room => 'r1', account => 'bob', text => 'CASINO', verdict => 'discard'"), ["casino again"])
        self.assertEqual(self.search(f"room => 'r1', since => {DAY} + interval '5 minutes', until => {DAY} + "
                                     "interval '7 minutes'"), ["rude words", "taken back"])
        self.assertEqual(self.search(f"app => {SDKAPPID + 1}"), [])
        self.assertEqual(self.search("custom_data => '$.lvl', custom_value => '95'"), ["Good morning, 100% sure_thing"])
        self.assertEqual(self.search("custom_data => '$.badge', custom_value => '7'"), ["微店 hello 🔥"], "a number as text")
        self.assertEqual(self.search("custom_data => '$.badge', custom_value => 'go\"ld'"), [])

    def test_pages_follow_each_other(self):
        """Each message once, whatever the size of a page; one by its After alone among them."""
        whole = self.search("max_rows => 1000")
        self.assertEqual(len(whole), len(MESSAGES))
        for conditions in ("", "text => 'a', ", "room => 'r1', verdict => 'allow', "):
            whole = self.search(conditions + "max_rows => 1000")
            for size in (2, 5):
                pages, cursor = [], "NULL"
                while page := self.database.rows(f"SELECT text, cursor FROM moderation.search({conditions}max_rows => {size}, "
                                                 f"cursor => {cursor})"):
                    pages += [row["text"] for row in page]
                    cursor = literal(page[-1]["cursor"])
                    self.assertLessEqual(len(pages), len(whole))
                self.assertEqual(pages, whole, (conditions, size))

    def test_what_cannot_be_asked(self):
        for arguments, words in (("text => ''", "no text"), ("verdict => 'bad,mask'", '"bad" is no verdict'),
                                 ("max_rows => 0", "max_rows"), ("max_rows => 1001", "max_rows"),
                                 ("custom_value => 'x'", "needs a path"), ("cursor => 'x'", "no cursor"),
                                 ("custom_data => '$['", "jsonpath")):
            done = run("psql", "-X", "-q", self.database.url, "-c", f"SELECT moderation.search({arguments})")
            self.assertIn("ERROR", done.stderr, arguments)
            self.assertIn(words, done.stderr)

    def test_nothing_is_interpolated(self):
        evil = "'; DROP TABLE chatsluice.event; --$1 %s \\"
        for name in ("text", "room", "account", "rule", "term", "msg_id"):
            self.assertEqual(self.search(f"{name} => {literal(evil)}"), [])
        self.assertEqual(self.search(f"custom_data => '$.a', custom_value => {literal(evil)}"), [])
        self.assertEqual(len(self.search("max_rows => 1000")), len(MESSAGES))

    def test_a_moderator_needs_no_right_on_tables(self):
        self.database.execute("CREATE ROLE mia LOGIN; GRANT USAGE ON SCHEMA moderation TO mia; GRANT SELECT ON "
                              "ALL TABLES IN SCHEMA moderation TO mia; GRANT EXECUTE ON FUNCTION chatsluice.review_state, "
                              "chatsluice.review_decision TO mia")
        mia = Database.__new__(Database)
        mia.name, mia.url = "mia", self.database.url.replace("user=postgres", "user=mia")
        refused = run("psql", "-X", "-q", mia.url, "-c", "SELECT moderation.search()")
        self.assertIn("permission denied for function search", refused.stderr)
        self.database.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA moderation TO mia")
        self.assertEqual(mia.value("SELECT count(*) FROM moderation.search()"), len(MESSAGES))
        self.assertEqual(mia.value("SELECT count(outcome) FROM moderation.delivery"), len(MESSAGES))
        self.assertEqual(mia.value("SELECT count(*) FROM (SELECT * FROM moderation.message OFFSET 0) m"), len(MESSAGES))

    def test_reviews_are_shown(self):
        self.database.execute("SELECT moderation.uphold(md5('before-3')::uuid, 'rude')")
        self.assertEqual(self.database.rows("SELECT text, review_decision FROM moderation.search(room => 'r1') "
                                            "WHERE review_decision IS NOT NULL"),
                         [{"text": "casino", "review_decision": "uphold"}])


class Plans(EndToEnd):
    """Two days that are over and today, with enough rows for a scan of a day to be worth avoiding."""
    @classmethod
    def setUpClass(cls):
        cls.database = Cluster(cls).create_database()
        cls.database.execute("SELECT chatsluice.ensure_partitions((now() AT TIME ZONE 'UTC')::date - 3, "
                             "(now() AT TIME ZONE 'UTC')::date + 1)")
        run_ok("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", cls.database.url, "-f", ROOT / "tests/bench/events.sql")
        cls.database.execute("SELECT bench.fill(1, 20000, 20000, date_trunc('day', now(), 'UTC') - interval '2 days', "
                             "interval '2 days' + (now() - date_trunc('day', now(), 'UTC')))")
        cls.database.execute("ANALYZE chatsluice.event")
        assert maintain(cls.database).returncode == 0
        # A day that has just begun is read through with reason.
        cls.days = [row["name"] for row in cls.database.rows(
            "SELECT relname AS name FROM pg_class WHERE relname ~ '^event_[0-9]+$' AND pg_relation_size(oid) > 2000000")]
        cls.closed = [row["name"] for row in cls.database.rows("SELECT partition_name AS name FROM "
                      "chatsluice.closed_partitions()") if row["name"] in cls.days]
        assert len(cls.days) >= 2, cls.days
        cls.names = NAMES | {
            "room": "'room-1'", "since": "now() - interval '2 hours'", "recently": "now() - interval '1 hour'",
            "words": "'needle11'", "short": "'微屴'", "account": "'offender_1'", "rule": "'rule-03'", "term": "'badword1'",
            "badge": "'gold'", "msg_seq": "100", "msg_id": "(SELECT msg_id FROM chatsluice.event WHERE event_id = "
            "md5('before100')::uuid)", "event": "md5('after100')::uuid"}

    def plans(self, query):
        """The plans of a query and of all that its functions run, as executed."""
        script = ("LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on; "
                  "SET auto_explain.log_timing = off; SET auto_explain.log_nested_statements = on; "
                  f"SET client_min_messages = log; {query}")
        done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.database.url, "-c", script],
                              capture_output=True, encoding="utf-8", timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def assert_no_day_is_read_through(self, plans, days):
        for line in plans.splitlines():
            scanned = re.search(r"Seq Scan on (event_\d+)", line)
            if scanned and scanned[1] in days and "never executed" not in line:
                self.fail(f"a day is read through: {line}")

    def test_every_question_has_a_plan(self):
        for words, query in questions():
            query = re.sub(r"(?<!:):(\w+)", lambda name: self.names[name[1]], query)
            with self.subTest(words):
                plans = self.plans(query)
                self.assertIn("actual rows", plans)
                # What has no index on the day that is being written is looked for in all of it, latest hours first.
                closed = "moderation.search" in query
                self.assert_no_day_is_read_through(plans, self.closed if closed else self.days)

    def test_rare_things_are_looked_up_in_their_indexes(self):
        """Asked about days that are over: what is found often enough today is looked for no further. With as few rows as here
        going through all that was acted on, in order, costs as little as an index of hits, so that way is closed."""
        day = self.database.value("SELECT max(partition_name) FROM chatsluice.closed_partitions()")
        for arguments, index in (("text => 'needle11'", "text"), ("text => '微屴'", "pairs"), ("account => 'offender_9'", "sender"),
                                 ("event_id => md5('before9')::uuid", "id"), ("term => 'badword1'", "hits"),
                                 ("msg_seq => 100", "msg_seq"), ("msg_id => 'none'", "msg_id"),
                                 ("custom_data => '$.lvl', custom_value => '1234'", "custom")):
            with self.subTest(arguments):
                no_order = "SET enable_indexscan = off; " if index == "hits" else ""
                plans = self.plans(f"{no_order}SELECT * FROM moderation.search({arguments}, until => "
                                   "date_trunc('day', now(), 'UTC'))")
                used = sorted(set(re.findall(rf"using ({day}\w+)|on ({day}_\w+)", plans)))
                self.assertTrue(any(f"{day}_{index}" in name for names in used for name in names), used)

    def test_an_event_is_found_by_its_id_alone(self):
        """By the index of names in what is open, by that of ids in what is over."""
        for number in (20000, 100):
            plans = self.plans(f"SELECT chatsluice.find_event(md5('after{number}')::uuid, NULL)")
            self.assert_no_day_is_read_through(plans, self.closed)
        self.assertRegex(plans, r"event_\d+_id\b")


class Maintain(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)

    def setUp(self):
        self.database = self.cluster.create_database()
        self.database.execute("SELECT chatsluice.ensure_partitions((now() AT TIME ZONE 'UTC')::date - 3, "
                              "(now() AT TIME ZONE 'UTC')::date + 1)")
        self.day = self.database.value("SELECT min(partition_name) FROM chatsluice.closed_partitions()")
        self.days = self.database.value("SELECT count(*) FROM chatsluice.closed_partitions()")

    def indexes(self):
        return set(self.database.execute("SELECT indexrelid::regclass::text || CASE WHEN indisvalid THEN '' ELSE ' broken' END "
                                         f"FROM pg_index WHERE indrelid = 'chatsluice.{self.day}'::regclass").split("\n"))

    def work(self, *options):
        done = maintain(self.database, "--json", *options)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_it_does_its_work_once(self):
        before = self.indexes()
        told = self.work("--dry-run")
        self.assertEqual(self.indexes(), before, "a dry run does nothing")
        self.assertEqual(len([t for t in told if t["outcome"] == "would be built"]), 7 * self.days)
        told = self.work()
        self.assertEqual(len([t for t in told if t["outcome"] == "built"]), 8 * self.days)
        self.assertEqual(len([t for t in told if t["outcome"] == "vacuumed and analyzed"]), self.days)
        self.assertEqual({name.removeprefix(f"chatsluice.{self.day}_") for name in self.indexes() - before},
                         {"custom", "hits", "id", "msg_id", "msg_seq", "pairs", "sender", "text"})
        self.database.execute("SELECT pg_stat_force_next_flush()")
        self.assertEqual(self.work(), [])

    def test_what_was_broken_off_is_built_again(self):
        self.work()
        whole = self.indexes()
        self.database.execute(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'chatsluice.{self.day}_hits'::regclass")
        self.assertEqual([(t["what"], t["outcome"]) for t in self.work("--dry-run")], [(f"{self.day}_hits", "would be built again")])
        self.assertEqual([(t["what"], t["outcome"]) for t in self.work()], [(f"{self.day}_hits", "built again")])
        self.assertEqual(self.indexes(), whole)

    def test_what_is_held_up_is_told_and_the_rest_done(self):
        self.database.execute("CREATE TABLE public.taken (n int); "
                              f"CREATE INDEX {self.day}_hits ON public.taken (n)")
        self.database.execute(f"ALTER TABLE public.taken SET SCHEMA chatsluice; DROP INDEX chatsluice.{self.day}_hits; "
                              f"CREATE VIEW chatsluice.{self.day}_hits AS SELECT 1")
        done = maintain(self.database)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"indexes {self.day}_hits FAILED", done.stdout)
        self.assertIn(f"indexes {self.day}_id: built", done.stdout)
        self.assertIn("1 pieces of work were not done", done.stderr)

    def login(self, role, *grants):
        Database(self.cluster, self.database.name).execute(
            f"DO $$ BEGIN IF to_regrole('{role}') IS NULL THEN CREATE ROLE {role} LOGIN; END IF; END $$; " + "; ".join(grants))
        return self.database.url.replace("user=postgres", f"user={role}")

    def test_without_the_right_to_make_an_extension(self):
        owner = self.login("plain_owner", "GRANT USAGE, CREATE ON SCHEMA chatsluice TO plain_owner")
        self.database.execute("DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relnamespace = "
                              "'chatsluice'::regnamespace AND relkind IN ('r', 'p') LOOP EXECUTE format('ALTER TABLE %s "
                              "OWNER TO plain_owner', t); END LOOP; END $$")
        done = maintain(self.database, url=owner)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn("pg_trgm: not allowed", done.stdout)
        self.assertIn(f"{self.day}_pairs: built", done.stdout)
        self.assertNotIn(f"{self.day}_text", done.stdout)

    def test_who_owns_nothing_is_told(self):
        done = maintain(self.database, url=self.login("stranger", "GRANT USAGE ON SCHEMA chatsluice TO stranger"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("must be owner", done.stdout)

    def test_wrong_words(self):
        for words in (["--step", "nothing"], ["--at-most", "soon"], ["--at-most", "0s"], ["x"]):
            self.assertEqual(maintain(self.database, *words).returncode, 2, words)
        self.assertIn("indexes", maintain(self.database, "--steps").stdout)
        told = self.work("--step", "statistics", "--dry-run")
        self.assertEqual({t["step"] for t in told}, {"statistics"})


if __name__ == "__main__":
    unittest.main()
