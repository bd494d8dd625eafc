"""What the platform answers, and what becomes of the correction: every code of the documents, and what is no answer."""
import unittest

from database import Cluster
from harness import FAKETIME, EndToEnd, Folder, clock_environment, wait_for
from live import Live

# protocol.md sections 8 and 9, the last column of their tables.
FINAL = (60002, 60003, 60004, 60005, 60009, 60010, 60015, 70051, 70107, 100002, 100004, 100006, 100601, 100603, 10016, 424242)
LATER = ("code=60007", "code=60011", "code=60018", "code=60019", "code=100001", "code=100602", "MsgFreqCtrl")
UNKNOWN = ("code=60008", "code=60013", "code=60014", "http=502", "reset")
DONE_UNKNOWN = ("processed-code=60008", "processed-code=60013", "processed-http=502", "processed-reset", "garbage",
                "truncated", "oversized=300000", "delay=4000")
STOP = (60006, 70009)  # unit.outbox.outcome has them all


class Answers(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)

    def setUp(self):
        self.database = self.cluster.create_database()

    def start(self, **options):
        live = Live(self, self.database, outbox={"confirm_within": "2s", "timeout": "3s", "poll_interval": "50ms"}, **options)
        live.sim.create_room("room-1")
        # Its schema is there before the first row is.
        wait_for(lambda: live.service.events("sending corrections"), "the sender")
        return live

    def test_refused_for_good(self):
        live = self.start()
        for code in FINAL:
            with self.subTest(code=code):
                live.faults(f"send_text_msg:code={code}")
                row = live.wait_row(live.ask_for(f"refused {code}"), "failed")
                self.assertEqual((row["error_code"], row["attempts"], row["http_status"]), (code, 1, 200))
                self.assertRegex(row["request_id"], "^Id-[0-9a-f]{32}-O-Seq-[0-9]+$")
        live.faults()
        self.assertEqual(live.texts(), [])

    def test_refused_for_now(self):
        live = self.start()
        for number, fault in enumerate(LATER):
            with self.subTest(fault=fault):
                live.faults(f"send_text_msg:{fault}")
                row = live.ask_for(f"later {number}")
                wait_for(lambda: live.outbox(f"outbox_id = '{row}' AND state = 'queued' AND attempts > 0"), "a refusal")
                live.faults()
                self.assertGreater(live.wait_row(row, "done")["attempts"], 1)
        self.assertEqual(live.texts(), [f"later {number}" for number in range(len(LATER))])

    def test_outcomes_nobody_knows(self):
        """Never sent twice: the After webhook shows those that arrived, the others are left to a person."""
        live = self.start()
        asked = {}
        for fault in UNKNOWN + DONE_UNKNOWN:
            live.faults(f"send_text_msg:{fault}")
            asked[fault] = live.ask_for(f"unknown {fault}")
            live.wait_row(asked[fault], "waiting", "done", "uncertain")  # seen already, perhaps
        live.faults()
        for fault, row in asked.items():
            with self.subTest(fault=fault):
                row = live.wait_row(row, "done", "uncertain")
                self.assertEqual((row["state"], row["attempts"]), ("done" if fault in DONE_UNKNOWN else "uncertain", 1))
                self.assertEqual(row["delivered_event_id"] is not None, fault in DONE_UNKNOWN)
        self.assertEqual(sorted(live.texts()), sorted(f"unknown {fault}" for fault in DONE_UNKNOWN))
        again = next(row for fault, row in asked.items() if fault == "http=502")
        self.database.execute(f"SELECT moderation.settle('{again}', 'send again')")
        live.wait_row(again, "done")
        self.assertEqual(live.texts().count("unknown http=502"), 1)

    def test_stop_and_alert(self):
        """The breaker: said once, seen everywhere, and closed by itself or by a new key."""
        live = self.start()
        for code in STOP:
            live.faults(f"send_text_msg:code={code}")
            row = live.ask_for(f"stopped {code}")
            wait_for(lambda: live.service.metrics()["chatsluice_outbox_breakers_open"] == 1, "the breaker to open")
            status, ready = live.service.get("/readyz")
            self.assertEqual(status, 200, "verdicts are given all the same")
            self.assertIn(str(code), ready)
            live.faults()
            live.wait_row(row, "done", seconds=30)
            wait_for(lambda: live.service.metrics()["chatsluice_outbox_breakers_open"] == 0, "the breaker to close")
        said = live.service.events("the REST API refuses the application, its corrections wait")
        self.assertEqual([event["code"] for event in said], list(STOP))
        self.assertEqual(live.texts(), [f"stopped {code}" for code in STOP])

    def test_a_bounded_number_of_tries(self):
        live = Live(self, self.database, outbox={"attempts": 2, "poll_interval": "50ms"})
        live.sim.create_room("room-1")
        wait_for(lambda: live.service.events("sending corrections"), "the sender")
        live.faults("send_text_msg:code=100001")
        row = live.wait_row(live.ask_for("in vain"), "failed")
        self.assertEqual((row["attempts"], row["error_code"]), (2, 100001))

    @unittest.skipUnless(FAKETIME, "libfaketime is not installed or does not get on with this build")
    def test_a_signature_that_has_expired(self):
        """Good for a day; the platform's clock is 25 hours ahead of the one it was made by: renewed once, and the call made
        again. (What each side signs for the other is refused meanwhile, of course.)"""
        ours, theirs = Folder(self).path / "ours", Folder(self).path / "theirs"
        ours.write_text("-10h\n")
        theirs.write_text("+0\n")
        live = self.start(environment=clock_environment(ours), sim_environment=clock_environment(theirs))
        self.assertEqual(live.wait_row(live.ask_for("while it is good"), "done")["attempts"], 1)
        ours.write_text("+0\n")
        theirs.write_text("+15h\n")
        row = live.wait_row(live.ask_for("after it expired"), "done", "failed")
        self.assertEqual((row["state"], row["attempts"]), ("done", 2))
        self.assertEqual(live.texts(), ["while it is good", "after it expired"])
        answered = live.sim.request("GET", "/sim/stats").json["rest"]["send_text_msg"]["answered"]
        self.assertEqual(answered, {"0": 2, "70001": 1})
        self.assertEqual(live.service.events("the REST API refuses the application, its corrections wait"), [])

    @unittest.skipUnless(FAKETIME, "libfaketime is not installed or does not get on with this build")
    def test_clocks_that_differ_by_days(self):
        """A signature made anew is said to have expired, too: the breaker, until our clock is set right."""
        clock = Folder(self).path / "clock"
        clock.write_text("-2d\n")
        live = self.start(environment=clock_environment(clock))
        row = live.ask_for("in time")
        wait_for(lambda: live.service.metrics()["chatsluice_outbox_breakers_open"] == 1, "the breaker to open")
        clock.write_text("+0\n")
        live.wait_row(row, "done", seconds=60)
        self.assertEqual(live.texts(), ["in time"])


if __name__ == "__main__":
    unittest.main()
