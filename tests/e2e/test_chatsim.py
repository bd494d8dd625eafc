"""The same journeys through chatsim: what the sender was told, what the room saw, and the message as one row."""
import json
import unittest
from pathlib import Path

from chat import text_element
from database import Cluster
from harness import EndToEnd, wait_for
from service import Service
from sim import Sim, usersig

RULES = Path(__file__).with_name("rules.yaml")


class ThroughThePlatform(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.database = Cluster(cls).create_database()
        cls.service = Service(cls, cls.database).start()
        cls.service.publish(RULES)
        cls.sim = Sim(cls, cls.service)

    def message(self, room, sender):
        """The one row of a sender's message in moderation.message, with its After webhook if there was one."""
        self.service.wait_loaded()
        rows = self.database.rows(f"SELECT * FROM moderation.message WHERE group_id = '{room}' "
                                  f"AND from_account = '{sender}'")
        self.assertEqual(len(rows), 1, rows)
        return rows[0]

    def seen(self, room):
        return [(m["From_Account"], m["MsgBody"]) for m in self.sim.room(room)]

    def test_what_sender_room_and_moderator_see(self):
        cases = [  # text, code and words for the sender, text in the room (None: not delivered), verdict, outcome
            ("clean", "good evening", 0, "", "good evening", "allow", "delivered"),
            ("flagged", "use promo code SUN", 0, "", "use promo code SUN", "flag", "delivered"),
            ("masked", "oh darn it", 0, "", "oh **** it", "mask", "delivered rewritten"),
            ("replaced", "the butler did it", 0, "", "(a spoiler was here)", "replace",
             "delivered rewritten"),
            ("rejected", "casino night", 10016, None, None, "reject", "blocked"),
            ("coded", "add me on chatapp", 10121, "contact data is not allowed, 请勿留下联系方式", None, "reject",
             "blocked"),
            ("discarded", "buy buy buy", 0, "", None, "discard", "blocked"),
            ("chinese", "你这坏蛋，走开", 0, "", "你这**，走开", "mask", "delivered rewritten"),
        ]
        self.sim.create_room("room-all")
        expected = []
        for sender, text, code, words, delivered, verdict, outcome in cases:
            with self.subTest(sender=sender):
                answer = self.sim.send("room-all", sender, text)
                self.assertEqual(answer["sender"]["ErrorCode"], code, answer)
                if words is not None:
                    self.assertEqual(answer["sender"]["ErrorInfo"], words)
                self.assertEqual(answer["delivered"], delivered is not None)
                self.assertNotIn("failure", answer["webhook"], answer)
                self.assertNotIn("after_failure", answer["webhook"], answer)
                row = self.message("room-all", sender)
                self.assertEqual((row["verdict"], row["outcome"], row["text"], row["delivered_text"]),
                                 (verdict, outcome, text, delivered))
                self.assertEqual(row["random"], answer["Random"])
                self.assertEqual(row["msg_id"], answer["MsgId"])
                if delivered:
                    expected.append((sender, [text_element(delivered)]))
                    self.assertEqual(row["msg_seq"], answer["MsgSeq"])
        self.assertEqual(self.seen("room-all"), expected)

    def test_custom_data_and_foreign_elements_arrive_untouched(self):
        elements = [{"MsgType": "TIMCustomElem", "MsgContent": {"Data": "{\"gift\":\"rose\"}", "Desc": "", "Ext": ""}},
                    text_element("darn"), {"MsgType": "TIMFaceElem", "MsgContent": {"Index": 3, "Data": "a\u0000b"}},
                    {"MsgType": "TIMHologramElem", "MsgContent": {"Beam": [1.50, None]}}]
        custom = json.dumps({"lvl": 3, "badge": "狮子"}, ensure_ascii=False)
        self.sim.create_room("room-custom")
        answer = self.sim.send("room-custom", "fan", MsgBody=elements, CloudCustomData=custom)
        self.assertEqual((answer["sender"]["ErrorCode"], answer["verdict"]), (0, "rewrite"), answer)
        (message,) = self.sim.room("room-custom")
        self.assertEqual(message["MsgBody"], [elements[0], text_element("****"), *elements[2:]])
        self.assertEqual(message["CloudCustomData"], custom)
        row = self.message("room-custom", "fan")
        self.assertEqual((row["cloud_custom_data"], row["delivered_cloud_custom_data"]), (custom, custom))

    def test_the_rest_call_of_the_owner(self):
        self.sim.create_room("room-rest")
        body = {"RoomId": "room-rest", "Sender_Account": "host", "TextContent": "oh darn it",
                "ExtensionInfo": "{\"data\":1}"}
        answer = self.sim.send_text_msg(body)
        self.assertEqual((answer["ErrorCode"], answer["ActionStatus"]), (0, "OK"), answer)
        self.assertEqual(answer["Response"]["MsgDropReason"], "")
        self.assertEqual(self.seen("room-rest"), [("host", [text_element("oh **** it")])])
        row = self.message("room-rest", "host")
        self.assertEqual((row["msg_seq"], row["platform"], row["cloud_custom_data"]),
                         (answer["Response"]["MsgSeq"], "RESTAPI", "{\"data\":1}"))
        refusals = [  # code, body, query
            (70003, body, {"usersig": "nonsense"}),
            (70001, body, {"usersig": usersig(expire=60, now=1_700_000_000)}),
            (70013, body, {"usersig": usersig(identifier="somebody")}),
            (100004, body | {"RoomId": "room-nowhere"}, {}),
            (100603, body | {"TextContent": "x" * 13000}, {}),
            (100002, {"RoomId": "room-rest"}, {}),
        ]
        for code, wrong, query in refusals:
            with self.subTest(code=code):
                answer = self.sim.send_text_msg(wrong, **query)
                self.assertEqual((answer["ErrorCode"], answer["ActionStatus"]), (code, "FAIL"), answer)
        self.assertEqual(len(self.sim.room("room-rest")), 1)

    def test_group_messages_are_judged_once_or_not_at_all(self):
        self.sim.create_room("room-group")
        body = {"GroupId": "room-group", "From_Account": "host", "Random": 3204417755,
                "MsgBody": [text_element("oh darn it")]}
        first, again = (self.sim.rest("group_open_http_svc/send_group_msg", body) for _ in range(2))
        self.assertEqual((first["ErrorCode"], first["MsgDropReason"]), (0, ""), first)
        self.assertEqual((again["ErrorCode"], again["MsgSeq"], again["MsgTime"]),
                         (0, first["MsgSeq"], first["MsgTime"]), again)
        wait_for(lambda: self.message("room-group", "host")["msg_seq"], "the After webhook to be stored")
        row = self.message("room-group", "host")
        self.assertEqual((row["msg_seq"], row["random"], row["platform"], row["delivered_text"]),
                         (first["MsgSeq"], 3204417755, "RESTAPI", "oh **** it"))
        self.sim.rest("group_open_http_svc/send_group_msg", body | {
            "From_Account": "silent", "Random": 1,
            "ForbidCallbackControl": ["ForbidBeforeSendMsgCallback", "ForbidAfterSendMsgCallback"]})
        self.service.wait_loaded()
        self.assertEqual(self.database.rows("SELECT 1 FROM moderation.message WHERE group_id = 'room-group' "
                                            "AND from_account = 'silent'"), [])
        self.assertEqual(self.seen("room-group"), [("host", [text_element("oh **** it")]),
                                                   ("silent", [text_element("oh darn it")])])

    def test_recalls_of_both_sides_are_stored(self):
        self.sim.create_room("room-recall")
        seqs = [self.sim.send("room-recall", "fan", f"hello {n}")["MsgSeq"] for n in range(3)]
        self.assertTrue(self.sim.recall("room-recall", "fan", seqs[0])["recalled"])
        answer = self.sim.rest("group_open_http_svc/group_msg_recall",
                               {"GroupId": "room-recall", "MsgSeqList": [{"MsgSeq": seq} for seq in seqs]})
        self.assertEqual([item["RetCode"] for item in answer["RecallRetList"]], [10032, 0, 0], answer)
        self.assertEqual([m.get("Recalled", False) for m in self.sim.room("room-recall")], [True] * 3)
        recalls = lambda: [(r["operator_account"], r["platform"], r["recalled_seqs"]) for r in self.database.rows(
            "SELECT operator_account, platform, recalled_seqs FROM chatsluice.event WHERE command = 'recall' "
            "AND group_id = 'room-recall' ORDER BY operator_account")]
        wait_for(lambda: len(recalls()) == 2, "both recalls to be stored")  # REST calls do not wait for their webhook
        self.assertEqual(recalls(), [("administrator", "RESTAPI", seqs[1:]), ("fan", "Web", seqs[:1])])

    def test_every_message_of_a_busy_room_is_one_row(self):
        self.sim.create_room("room-busy")
        dropped = 0
        for n in range(60):  # the room takes 40 in a second; a dropped one has no After webhook
            dropped += self.sim.send("room-busy", f"fan-{n}", f"hello {n}")["MsgDropReason"] == "MsgFreqCtrl"
        self.service.wait_loaded()
        outcomes = {r["outcome"]: r["n"] for r in self.database.rows(
            "SELECT outcome, count(*) AS n FROM moderation.message WHERE group_id = 'room-busy' GROUP BY outcome")}
        self.assertEqual(outcomes.get("delivered", 0), 60 - dropped)
        self.assertEqual(outcomes.get("not confirmed", 0), dropped)

    def test_a_service_that_is_gone_is_felt_as_the_console_says(self):
        """Fail open: without an answer the message passes; this is the platform's default and not ours to change."""
        service = Service(self, name="gone").start()
        sim = Sim(self, service, name="chatsim-open")
        closed = Sim(self, service, "--fail-closed", name="chatsim-closed")
        for platform in (sim, closed):
            platform.create_room("r")
            self.assertTrue(platform.send("r", "fan", "hello")["delivered"])
        service.kill()
        self.assertTrue(sim.send("r", "fan", "hello")["delivered"])
        self.assertFalse(closed.send("r", "fan", "hello")["delivered"])
        service.config["webhook"]["listen"] = f"127.0.0.1:{service.webhook_port}"
        service.write_config()
        service.start()
        for platform in (sim, closed):
            answer = platform.send("r", "fan", "hello")
            self.assertNotIn("failure", answer["webhook"], answer)


if __name__ == "__main__":
    unittest.main()
