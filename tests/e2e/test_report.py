"""`chatsluice report`: exact figures of a known day, frozen for good, in every form and language; and what instances live
through is in it."""
import csv
import html.parser
import io
import json
import time
import unittest
import xml.etree.ElementTree as ElementTree

import report_data
from chat import Webhooks, after, before
from database import Cluster
from harness import CHATSLUICE, SDKAPPID, EndToEnd, Folder, clean_environment, run, wait_for
from live import Live
from report_data import APP, DAY, FORMULA, HOSTILE, LONG
from service import Service

CHAPTERS = ["overview", "verdicts", "transparency", "delivery", "rules", "senders", "people", "service"]
FIGURES = ["totals", "transparency", "leak_figures", "review", "latency"]
AS_OF = "2026-03-04T00:00:00Z"



def rows(document, section):
    return document[section]["rows"]


def figures(document, section):
    return {row["name"]: row["value"] for row in rows(document, section)}


def counted(document, section, name, value="messages"):
    """What there is of each name, without the noughts."""
    return {row[name]: row[value] for row in rows(document, section) if row[value]}


class Reports(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)

    def setUp(self):
        self.folder = Folder(self).path

    def report(self, *words, url=None):
        return run(CHATSLUICE, "report", *words, environment=clean_environment(CHATSLUICE_DATABASE_URL=url or self.database.url))

    def report_ok(self, *words, **options):
        done = self.report(*words, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def document(self, *words):
        return json.loads(self.report_ok("--form", "json", *words))["document"]


def with_known_day(cluster):
    database = cluster.create_database()
    report_data.put(database)
    return database


class KnownDay(Reports):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database = with_known_day(cls.cluster)

    def test_exact_figures(self):
        d = self.document("--day", DAY, "--as-of", AS_OF)
        self.assertEqual({k: d[k] for k in ("version", "from", "to", "as_of", "over", "room", "app", "time_zone", "step")},
                         {"version": 1, "from": f"{DAY}T00:00:00+00:00", "to": "2026-03-03T00:00:00+00:00", "over": True,
                          "as_of": "2026-03-04T00:00:00+00:00", "room": None, "app": None, "time_zone": "UTC", "step": "hour"})
        self.assertEqual(figures(d, "totals"),
                         {"messages": 10, "rooms": 3, "senders": 7, "changed": 1, "stopped": 3, "acted_ppm": 400000,
                          "delivered": 8, "recalls": 1, "webhooks": 20, "unreadable": 0, "dead_letters": 0})
        self.assertEqual([(r["at"][11:13], r["messages"], r["passed"], r["changed"], r["stopped"], r["unasked"])
                          for r in rows(d, "trend") if r["messages"] or r["unasked"]],
                         [("09", 7, 3, 1, 3, 0), ("10", 2, 2, 0, 0, 1), ("11", 1, 1, 0, 0, 0)])
        self.assertEqual(len(rows(d, "trend")), 24)
        self.assertEqual(counted(d, "verdicts", "verdict"), {"allow": 5, "flag": 1, "mask": 1, "reject": 2, "discard": 1})
        self.assertEqual(counted(d, "verdicts", "verdict", "share_ppm")["reject"], 200000)
        self.assertEqual(counted(d, "coverage", "decided_by"),
                         {"rule": 5, "default": 3, "deadline": 1, "overload": 1, "not asked": 1})
        self.assertEqual(counted(d, "delivery", "outcome"),
                         {"delivered": 3, "delivered rewritten": 1, "blocked": 1, "corrected": 1, "rejected but delivered": 1,
                          "delivered unasked": 1, "answered too late": 1, "dropped by the platform": 1, "not confirmed": 1})
        self.assertEqual(figures(d, "leak_figures"),
                         {"stopped": 3, "leaked": 1, "leak_rate_ppm": 333333, "unasked": 1, "unasked_ppm": 90909})
        self.assertEqual([(r["at"], r["room"], r["rule"], r["verdict"], r["revision"]) for r in rows(d, "leaks")],
                         [(f"{DAY}T09:02:00+00:00", "room-1", HOSTILE, "reject", 3)])
        columns = ("messages", "decided", "flagged", "changed", "stopped", "shadow", "reviewed", "overturned", "overturned_ppm",
                   "benign")
        self.assertEqual([(r["rule"], *(r[c] for c in columns)) for r in rows(d, "rules")],
                         [("spam", 2, 2, 0, 0, 2, 0, 1, 1, 1000000, 1), (HOSTILE, 1, 1, 0, 0, 1, 0, 0, 0, None, 0),
                          (LONG, 1, 1, 0, 1, 0, 0, 0, 0, None, 0), ("watch", 1, 1, 1, 0, 0, 0, 1, 0, 0, 0),
                          ("new-rule", 0, 0, 0, 0, 0, 1, 0, 0, None, 0)])
        self.assertEqual(rows(d, "terms"), [{"list": "offers", "term": "cheap", "messages": 2, "shadow": 0},
                                            {"list": "slurs", "term": FORMULA, "messages": 1, "shadow": 0}])
        self.assertEqual(rows(d, "offenders"),
                         [{"place": 1, "app": APP, "messages": 3, "stopped": 2, "changed": 1, "flagged": 0, "restricted": 1},
                          {"place": 2, "app": APP, "messages": 1, "stopped": 1, "changed": 0, "flagged": 0, "restricted": 0}])
        self.assertEqual([(r["app"], r["room"], r["messages"], r["changed"], r["stopped"], r["acted_ppm"], r["leaked"],
                           r["unasked"]) for r in rows(d, "rooms")],
                         [(APP, "room-1", 5, 1, 3, 800000, 1, 0), (APP, "room-2", 4, 0, 0, 0, 0, 1),
                          (7, "room-3", 1, 0, 0, 0, 0, 0)])
        self.assertEqual(figures(d, "latency"),
                         {"answers": 10, "p50_us": 800, "p90_us": 1500000, "p95_us": 2500000, "p99_us": 2500000,
                          "p999_us": 2500000, "max_us": 2500000, "late": 1, "late_ppm": 100000})
        self.assertEqual(counted(d, "latency_spread", "up_to_us", "answers"), {1000: 6, 2000: 2, 1999999: 1, None: 1})
        self.assertEqual(figures(d, "review"),
                         {"queued": 2, "reviewed": 2, "open": 0, "overturned": 1, "overturned_ppm": 500000,
                          "review_p50_us": 360_000_000, "review_p90_us": 600_000_000, "review_max_us": 600_000_000})
        self.assertEqual(rows(d, "moderators"),
                         [{"who": "mia", "actions": 3, "actions_by_kind": "approve 1, ban 2", "reviewed": 1, "overturned": 1,
                           "review_p50_us": 360_000_000},
                          {"who": "noa", "actions": 1, "actions_by_kind": "recall 1", "reviewed": 1, "overturned": 0,
                           "review_p50_us": 600_000_000}])
        self.assertEqual([(r["action"], r["cause"], r["asked"], r["done"], r["failed"], r["done_p50_us"])
                          for r in rows(d, "corrections")],
                         [("ban", "person", 1, 0, 1, None), ("mute", "rule", 1, 1, 0, 1_000_000),
                          ("send_text", "rule", 1, 1, 0, 500_000)])
        self.assertEqual([(r["revision"], r["author"], r["note"], r["kind"], r["restores"], r["status"], r["taken"], r["refused"],
                           r["canary_changed"]) for r in rows(d, "rule_changes")],
                         [(3, "mia", HOSTILE, "publish", None, "published", 1, 1, 12),
                          (4, "noa", FORMULA, "rollback", 2, "published", 0, 0, 12)])
        self.assertEqual([(r["kind"], r["subject"], r["began_at"][:19], r["lasted_s"]) for r in rows(d, "incidents")],
                         [("breaker open", str(APP), "2026-03-01T22:00:00", None),
                          ("database away", "", f"{DAY}T09:30:00", 121)])
        self.assertEqual(figures(d, "transparency"),
                         {"messages": 10, "acted": 4, "acted_ppm": 400000, "automated": 5, "human_decisions": 2,
                          "human_actions": 4, "automated_ppm": 714286, "automated_p50_us": 900, "human_p50_us": 360_000_000,
                          "mutes_by_rule": 1, "mutes_by_people": 0, "bans": 0, "recalls_done": 0, "appeals": 2,
                          "appeals_granted": 1, "accuracy_ppm": 500000, "error_ppm": 500000})
        self.assertEqual([(r["rule"], r["acted"], r["mask"], r["replace"], r["reject"], r["discard"])
                          for r in rows(d, "categories")],
                         [("spam", 2, 0, 0, 1, 1), (HOSTILE, 1, 0, 0, 1, 0), (LONG, 1, 1, 0, 0, 0)])
        self.assertTrue(all(d[s]["left_out"] == 0 for s in d if isinstance(d[s], dict)))
        self.assertNotIn("secret words", json.dumps(d), "no text of a message")

    def test_as_of_takes_in_what_was_received_by_then(self):
        early = self.document("--day", DAY, "--as-of", "2026-03-02T09:04:30Z")
        self.assertEqual((figures(early, "totals")["messages"], early["over"]), (5, False))
        self.assertEqual(figures(early, "review")["reviewed"], 0)
        self.assertEqual(rows(early, "moderators"), [])
        late = self.document("--day", DAY, "--as-of", "2026-03-06T00:00:00Z")
        self.assertEqual(figures(late, "totals")["messages"], 11)
        self.assertEqual([r["taken"] for r in rows(late, "rule_changes")], [1, 0])

    def test_room_application_and_time_zone(self):
        room = self.document("--day", DAY, "--as-of", AS_OF, "--room", "room-2")
        self.assertEqual((figures(room, "totals")["messages"], figures(room, "transparency")["human_actions"]), (4, 0))
        app = self.document("--day", DAY, "--as-of", AS_OF, "--app", "7")
        self.assertEqual((figures(app, "totals")["messages"], app["app"]), (1, 7))
        # In Shanghai the day begins eight hours earlier: with the message of the evening before.
        shanghai = self.document("--day", DAY, "--as-of", AS_OF, "--time-zone", "Asia/Shanghai")
        self.assertEqual(shanghai["from"], f"{DAY}T00:00:00+08:00")
        self.assertEqual(figures(shanghai, "totals")["messages"], 11)
        self.assertEqual(rows(shanghai, "trend")[7]["messages"], 1)
        same = self.document("--from", "2026-03-01T16:00:00Z", "--to", f"{DAY}T16:00:00Z", "--as-of", AS_OF, "--time-zone",
                             "Asia/Shanghai")
        self.assertEqual(same, shanghai, "the same question in other words")
        month = self.document("--month", "2026-03", "--as-of", AS_OF)
        self.assertEqual((month["from"], month["to"], month["over"]),
                         ("2026-03-01T00:00:00+00:00", "2026-04-01T00:00:00+00:00", False))
        self.assertEqual(len(rows(month, "trend")), 31)
        hours = self.document("--hours", "2", "--as-of", f"{DAY}T10:00:00Z")
        self.assertEqual((hours["from"][11:16], hours["step"], len(rows(hours, "trend"))), ("08:00", "minute", 120))

    def test_empty_period(self):
        d = self.document("--day", "2020-02-29", "--as-of", AS_OF)
        self.assertEqual(figures(d, "totals")["messages"], 0)
        self.assertIsNone(figures(d, "totals")["acted_ppm"])
        self.assertIsNone(figures(d, "latency")["p50_us"])
        for section in ("rules", "offenders", "leaks", "incidents"):
            self.assertEqual(d[section], {"rows": [], "left_out": 0})
        for language in ("en", "zh"):
            page = self.report_ok("--day", "2020-02-29", "--as-of", AS_OF, "--language", language)
            ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))

    def test_who_may_not_know_names(self):
        self.database.execute("DO $$ BEGIN IF to_regrole('reader') IS NULL THEN CREATE ROLE reader LOGIN; END IF; END $$; "
                              "GRANT USAGE ON SCHEMA moderation TO reader; GRANT EXECUTE ON FUNCTION moderation.report TO reader")
        url = self.database.url.replace("user=postgres", "user=reader")
        page = self.report_ok("--day", DAY, "--as-of", AS_OF, url=url)
        self.assertNotIn("bob", page)
        self.assertIn("withheld", page)
        self.assertIsNone(json.loads(self.report_ok("--day", DAY, "--as-of", AS_OF, "--form", "json", url=url))["people"])
        stranger = self.database.url.replace("user=postgres", "user=stranger")
        self.database.execute("DO $$ BEGIN IF to_regrole('stranger') IS NULL THEN CREATE ROLE stranger LOGIN; END IF; END $$")
        done = self.report("--day", DAY, url=stranger)
        self.assertEqual(done.returncode, 1)
        self.assertIn("42501", done.stderr)

    def test_one_snapshot_or_none(self):
        asked = "SELECT moderation.report('2026-03-02', '2026-03-03')"
        with self.assertRaisesRegex(AssertionError, "read committed"):
            self.database.execute(asked)
        self.assertIn("totals",
                      self.database.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ; {asked}; COMMIT"))

    def test_page(self):
        """Well-formed, complete, nothing from outside, every text escaped, and the numbers are those of the document."""
        d = self.document("--day", DAY, "--as-of", AS_OF)
        for language, words in (("en", "Delivery ledger"), ("zh", "投递台账")):
            with self.subTest(language=language):
                page = self.report_ok("--day", DAY, "--as-of", AS_OF, "--language", language)
                self.assertIn(words, page)
                root = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))
                self.check_page(page, root, d)
                self.assertTrue(root.get("lang").startswith(language))

    def check_page(self, page, root, d):
        x = "{http://www.w3.org/1999/xhtml}"
        tags = {e.tag.removeprefix(x) for e in root.iter()}
        self.assertFalse(tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "image", "use"}, tags)
        for element in root.iter():
            for name, value in element.attrib.items():
                self.assertNotRegex(name, "^on|^(src|srcset|action|style)$")
                self.assertNotRegex(value, "(?i)javascript:|https?://" if name != "xmlns" else "$^")
                if name == "href":
                    self.assertIn(value.removeprefix("#"), {e.get("id") for e in root.iter()})
        self.assertNotRegex(root.find(f".//{x}style").text, r"url\(|@import")
        self.assertNotIn("\u202e", page)
        self.assertNotIn("<script", page)
        ids = [e.get("id") for e in root.iter() if e.get("id")]
        self.assertEqual(len(ids), len(set(ids)), "ids are unique")
        self.assertLessEqual({f"chapter-{c}" for c in CHAPTERS}, set(ids))
        shown = {e.get("data-section"): e for e in root.iter() if e.get("data-section")}
        for section in (s for s in d if isinstance(d[s], dict)):
            self.assertIn(section, ids, "every section is there")
            if not rows(d, section):
                continue
            if section in FIGURES:
                values = {e.get("data-name"): e.get("data-value") for e in shown[section].iter(f"{x}dd")}
                self.assertEqual(values, {n: None if v is None else str(v) for n, v in figures(d, section).items()})
                continue
            table = [[cell.get("data-value") for cell in row.iter(f"{x}td")] for row in shown[section].iter(f"{x}tr")][1:]
            numbers = [sorted(str(v) for v in row.values() if isinstance(v, int)) for row in rows(d, section)]
            # the place of an offender stands there twice: as itself and as who that is
            told = [sorted(v for i, v in enumerate(row) if v is not None and (section, i) != ("offenders", 1)) for row in table]
            self.assertEqual(told, numbers, section)
        charts = list(root.iter(f"{x}svg"))
        self.assertGreaterEqual(len(charts), 8)
        for chart in charts:
            self.assertEqual([e.tag.removeprefix(x) for e in list(chart)[:2]], ["title", "desc"])
            self.assertTrue(all(e.text for e in list(chart)[:2]))
        text = "".join(root.itertext())
        self.assertIn(HOSTILE.replace("\u202e", "\ufffd"), text)
        self.assertIn(LONG, text)

        class Parser(html.parser.HTMLParser):
            seen = set()

            def handle_starttag(self, tag, attrs):
                self.seen.add(tag)
        parser = Parser()
        parser.feed(page)
        self.assertNotIn("script", parser.seen)

    def test_csv(self):
        d = self.document("--day", DAY, "--as-of", AS_OF)
        self.report_ok("--day", DAY, "--as-of", AS_OF, "--form", "csv", "--output", f"{self.folder}/tables/")
        sections = [s for s in d if isinstance(d[s], dict)]
        self.assertEqual({p.name for p in (self.folder / "tables").iterdir()}, {f"{s}.csv" for s in sections + ["report"]})
        for section in sections:
            path = self.folder / "tables" / f"{section}.csv"
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
            raw = path.read_bytes().decode()
            self.assertEqual(raw.count("\n"), raw.count("\r\n"), "RFC 4180 ends lines with CRLF")
            table = list(csv.DictReader(io.StringIO(raw, newline=""), strict=True))
            self.assertEqual(len(table), len(rows(d, section)))
            for told, meant in zip(table, rows(d, section)):
                for name, value in meant.items():
                    want = "" if value is None else str(value)
                    self.assertEqual(told[name], f"'{want}" if want.startswith("=") else want, (section, name))
                    self.assertNotRegex(told[name], "^[=+@\t\r-]")
        def table_of(section):
            text = (self.folder / f"tables/{section}.csv").read_bytes().decode()
            return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        offenders = table_of("offenders")
        self.assertEqual([o["account"] for o in offenders], ["bob", HOSTILE])
        head, = table_of("report")
        self.assertEqual((head["from"], head["over"], head["room"], head["program"].split()[0]),
                         (d["from"], "true", "", "chatsluice"))
        long = list(csv.DictReader(io.StringIO(self.report_ok("--day", DAY, "--as-of", AS_OF, "--form", "csv"), newline=""),
                                   strict=True))
        self.assertEqual({(r["section"], r["row"], r["column"]): r["value"] for r in long}["terms", "2", "term"], "'" + FORMULA)
        self.assertEqual({r["section"] for r in long}, {s for s in sections if rows(d, s)} | {"report"})

    def test_output_file(self):
        path = self.folder / "report.html"
        done = self.report("--day", DAY, "--as-of", AS_OF, "--output", path)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertIn(f"--as-of {AS_OF}", done.stderr)
        self.assertEqual(path.read_text(), self.report_ok("--day", DAY, "--as-of", AS_OF))
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.report("--day", DAY, "--output", "/nowhere/at/all.html").returncode, 1)


class Frozen(Reports):
    def setUp(self):
        super().setUp()
        self.database = with_known_day(self.cluster)

    FORMS = [["--form", "html"], ["--form", "html", "--language", "zh"], ["--form", "csv"], ["--form", "json"]]

    def test_frozen_for_good(self):
        question = ["--day", DAY, "--as-of", AS_OF]
        first = [self.report_ok(*question, *form) for form in self.FORMS]
        self.database.execute(report_data.before("09:30:00", "room-1", "zoe", 900, received_at=f"{DAY}T09:30:00Z"))
        self.database.execute("DELETE FROM chatsluice.event WHERE random = 3; DELETE FROM chatsluice.review; "
                              "UPDATE chatsluice.outbox SET state = 'failed'; TRUNCATE chatsluice.incident")
        self.assertEqual([self.report_ok(*question, *form) for form in self.FORMS], first)
        other = self.document("--day", DAY, "--as-of", "2026-03-04T00:00:01Z")
        self.assertEqual(figures(other, "leak_figures")["leaked"], 0, "another moment is another report")

    def test_an_erased_person_leaves_the_figures(self):
        question = ["--day", DAY, "--as-of", AS_OF]
        before_it = json.loads(self.report_ok(*question, "--form", "json"))
        self.assertEqual([p["account"] for p in before_it["people"]], ["bob", HOSTILE])
        self.assertEqual(self.database.value("SELECT chatsluice.scrub_reports('bob', 7)"), 0)
        self.assertEqual(self.database.value(f"SELECT chatsluice.scrub_reports('bob', {APP})"), 1)
        after_it = json.loads(self.report_ok(*question, "--form", "json"))
        self.assertEqual([p["account"] for p in after_it["people"]], [None, HOSTILE])
        self.assertEqual(after_it["document"], before_it["document"])
        page = self.report_ok(*question)
        self.assertNotIn("bob", page)
        self.assertIn("<bdi>erased</bdi>", page)
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.frozen_report_person WHERE account = 'bob'"), 0)


class Words(Reports):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database = cls.cluster.create_database()

    def test_wrong_words(self):
        for words in ([], ["--day", "2026-02-30"], ["--day", "yesterday"], ["--month", "2026-13"], ["--month", "2026-1"],
                      ["--hours", "0"], ["--hours", "many"], ["--hours", "2", "--day", DAY], ["--to", DAY],
                      ["--from", "x"], ["--from", DAY, "--to", "x"], ["--day", DAY, "--as-of", "soon"],
                      ["--day", DAY, "--app", "x"], ["--day", DAY, "--form", "pdf"], ["--day", DAY, "--language", "de"],
                      ["--day", DAY, "--time-zone", "X5"], ["--day", DAY, "--time-zone", "Foo/Bar"], ["--day", DAY, "a word"],
                      ["--day", DAY, "--output", self.folder], ["--day", DAY, "--as-of", "2126-01-01T00:00:00Z"],
                      ["--day", "2126-01-01"], ["--from", DAY, "--to", "2026-03-01"], ["--from", DAY, "--to", DAY],
                      ["--from", "2001-01-01", "--to", DAY]):
            with self.subTest(words=words):
                done = self.report(*words)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertTrue(done.stderr.startswith("chatsluice report: "))
        unknown = self.report("--day", DAY, "--room", "nowhere")
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("no webhook of the room is stored", unknown.stderr)
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.frozen_report"), 0)

    def test_no_database(self):
        self.assertEqual(self.report("--day", DAY, url="postgresql://127.0.0.1:1/x").returncode, 1)


class RealService(Reports):
    def test_messages_and_an_outage(self):
        cluster = Cluster(self)
        self.database = cluster.create_database()
        service = Service(self, self.database)
        rules = service.config_path.with_name("r.yaml")
        rules.write_text("- rule: darn\n  match: { regex: darn }\n  action: mask\n")
        service.cli_ok("rules", "import", rules)
        service.cli_ok("rules", "publish", "--note", "first", "--author", "mia", "--wait", "0")
        service.start()
        wait_for(lambda: service.metrics()["chatsluice_rule_revision"] == 1, "the published rules")
        with Webhooks(service) as webhooks:
            for text in ("fine", "darn", "fine too"):
                said = before(text)
                self.assertEqual(webhooks.post(said).status, 200)
                self.assertEqual(webhooks.post(after(said)).status, 200)
        service.wait_loaded()
        cluster.stop("immediate")
        service.wait_event("database away, the spool keeps the events")
        cluster.start()
        wait_for(lambda: len(service.events("loading into the database")) >= 2, "the loader to come back")
        wait_for(lambda: self.database.value("SELECT count(*) FROM chatsluice.incident WHERE ended_at <= "
                                             "date_trunc('second', now())") > 0, "the outage before a whole second")
        d = json.loads(service.cli_ok("report", "--hours", "1", "--form", "json"))["document"]
        self.assertEqual(counted(d, "verdicts", "verdict"), {"allow": 2, "mask": 1})
        self.assertEqual(counted(d, "delivery", "outcome"), {"delivered": 2, "delivered rewritten": 1})
        self.assertEqual([(r["rule"], r["messages"], r["decided"]) for r in rows(d, "rules")], [("darn", 1, 1)])
        self.assertEqual([(r["author"], r["note"], r["taken"]) for r in rows(d, "rule_changes")], [("mia", "first", 1)])
        away = [r for r in rows(d, "incidents") if r["kind"] == "database away"]
        self.assertTrue(away and all(r["ended_at"] and r["lasted_s"] >= 0 for r in away), rows(d, "incidents"))

    def ended_incidents(self, service, *kinds):
        """The rows of a report once all of these are over and a whole second old."""
        wanted = ", ".join(f"'{kind}'" for kind in kinds)
        wait_for(lambda: self.database.value("SELECT count(DISTINCT kind) FROM chatsluice.incident "
                                             f"WHERE kind IN ({wanted}) AND ended_at <= date_trunc('second', now())") == len(kinds),
                 f"the end of {kinds}")
        d = json.loads(service.cli_ok("report", "--hours", "1", "--form", "json"))["document"]
        return {r["kind"]: r for r in rows(d, "incidents") if r["kind"] in kinds and r["ended_at"]}

    def test_a_spool_that_fills_up(self):
        cluster = Cluster(self)
        self.database = cluster.create_database()
        cluster.stop()
        service = Service(self, self.database, webhook={"max_body": "64KiB"},
                          spool={"max_bytes": "2MiB", "segment_bytes": "1MiB"}).start()
        with Webhooks(service) as webhooks:
            while webhooks.post(after(before("x" * 10000))).status == 200:
                pass
            time.sleep(2.5)  # it is looked at once a second
            cluster.start()
            service.wait_loaded()
        seen = self.ended_incidents(service, "spool filling", "spool full")
        self.assertEqual(set(seen), {"spool filling", "spool full"})
        self.assertTrue(all(r["detail"].endswith(" of 2097152 bytes") for r in seen.values()), seen)

    def test_an_application_refused(self):
        self.database = Cluster(self).create_database()
        live = Live(self, self.database, outbox={"poll_interval": "50ms"})
        live.sim.create_room("room-1")
        live.faults("send_text_msg:code=60006")
        row = live.ask_for("refused at first")
        wait_for(lambda: live.service.metrics()["chatsluice_outbox_breakers_open"] == 1, "the breaker to open")
        live.faults()
        live.wait_row(row, "done", seconds=30)
        seen = self.ended_incidents(live.service, "breaker open")
        self.assertEqual(seen["breaker open"]["subject"], str(SDKAPPID))
        self.assertIn("60006", seen["breaker open"]["detail"])


if __name__ == "__main__":
    unittest.main()
