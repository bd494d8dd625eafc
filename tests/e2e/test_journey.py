"""Message in, verdict out, row in PostgreSQL: every form of verdict and webhook, posted by a client of our own."""
import hashlib
import json
import unittest
from pathlib import Path

from chat import AFTER, BEFORE, EXCEPTION, RECALL, Webhooks, after, before, encode, sign, text_element
from database import Cluster
from harness import EndToEnd
from service import Service

RULES = Path(__file__).with_name("rules.yaml")


def answer(code=0, info="", **replaced):
    """The exact bytes of a reply, in the order of protocol.md section 3."""
    return encode({"ActionStatus": "OK", "ErrorCode": code, "ErrorInfo": info} | replaced)


class Journey(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.database = Cluster(cls).create_database()
        cls.service = Service(cls, cls.database).start()
        cls.revision = cls.service.publish(RULES)

    def setUp(self):
        self.webhooks = Webhooks(self.service)
        self.addCleanup(self.webhooks.connection.close)

    def post(self, body, **options):
        reply = self.webhooks.post(body, **options)
        self.assertEqual(reply.status, 200, reply.bytes)
        return reply

    def stored(self, body):
        """The one row of these very bytes."""
        digest = hashlib.sha256(encode(body)).hexdigest()
        self.service.wait_loaded()
        rows = self.database.rows(f"SELECT * FROM chatsluice.event WHERE encode(sha256(raw), 'hex') = '{digest}'")
        self.assertEqual(len(rows), 1, f"rows for {encode(body)[:200]}")
        self.assertEqual(bytes.fromhex(rows[0]["raw"][2:]), encode(body))
        return rows[0]

    def test_every_form_of_verdict(self):
        cases = [  # texts, reply, verdict, deciding rule, what it becomes
            (["good evening"], answer(), "allow", None, None),
            (["use promo code SUN"], answer(), "flag", "marketing", None),
            (["oh darn it"], answer(MsgBody=[text_element("oh **** it")]), "mask", "coarse", "oh **** it"),
            (["ＤＡＲＮ d\u200barn"], answer(MsgBody=[text_element("**** ****")]), "mask", "coarse", "**** ****"),
            (["you da", "rn fool"], answer(MsgBody=[text_element("you **"), text_element("** fool")]), "mask",
             "coarse", "you **** fool"),
            (["call 13800138000"], answer(MsgBody=[text_element("call ###########")]), "mask", "phone",
             "call ###########"),
            (["darn tough socks are warm"], answer(), "allow", "harmless", None),
            (["the butler did it, sorry"], answer(MsgBody=[text_element("(a spoiler was here)")]), "replace",
             "spoiler", "(a spoiler was here)"),
            (["casino night, darn"], answer(1), "reject", "betting", None),
            (["add me on chatapp"], answer(10121, "contact data is not allowed, 请勿留下联系方式"), "reject",
             "contact", None),
            (["buy buy buy"], answer(2), "discard", "flood", None),
            (["今晚一起看直播吧"], answer(), "allow", None, None),
            (["你这坏蛋，走开"], answer(MsgBody=[text_element("你这**，走开")]), "mask", "coarse", "你这**，走开"),
            (["来赌场玩"], answer(1), "reject", "betting", None),
            (["this is on trial"], answer(), "allow", None, None),
        ]
        for texts, expected, verdict, rule, becomes in cases:
            with self.subTest(texts=texts):
                body = before(*texts)
                self.assertEqual(self.post(body).bytes.decode(), expected.decode())
                row = self.stored(body)
                self.assertEqual(row["verdict"], verdict)
                self.assertEqual(row["decided_by"], "rule" if rule else "default")
                self.assertEqual(row["rule"], rule)
                self.assertEqual(row["rule_revision"], self.revision)
                self.assertEqual(row["text"], "".join(texts))
                self.assertEqual(row["rewritten"], becomes)
                self.assertEqual((row["group_id"], row["from_account"], row["random"], row["command"]),
                                 (body["GroupId"], body["From_Account"], body["Random"], "before"))

    def test_scope_and_shadow_leave_their_trace(self):
        body = before("buy buy buy", sender="admin-1")
        self.assertEqual(self.post(body).bytes, answer())
        self.assertEqual(self.stored(body)["verdict"], "allow")
        shadowed = before("on trial")
        self.post(shadowed)
        (hit,) = self.stored(shadowed)["hits"]
        self.assertEqual((hit["rule"], hit["start"], hit["end"], hit["state"]), ("trial", 0, 8, "shadow"))

    def test_hits_name_the_bytes_that_matched(self):
        body = before("你好 darn 坏蛋")
        self.post(body)
        hits = self.stored(body)["hits"]
        raw = "你好 darn 坏蛋".encode()
        self.assertEqual([(h["rule"], h["list"], h["term"], raw[h["start"]:h["end"]].decode()) for h in hits],
                         [("coarse", "coarse-words", "darn", "darn"), ("coarse", "coarse-words", "坏蛋", "坏蛋")])

    def test_a_mask_leaves_other_elements_byte_for_byte(self):
        custom = (b'{ "MsgContent" : {"Desc":"" , "Data":"{\\"a\\":[1,2]}\\n\\u4f60\\/", "Unknown": 1.50,"Ext":""},'
                  b' "MsgType":"TIMCustomElem", "Later": [null] }')
        face = b'{"MsgType":"TIMFaceElem","MsgContent":{"Index":6,"Data":"abc\\u0000\\u0001xyz"}}'
        body = (b'{"CallbackCommand":"Group.CallbackBeforeSendMsg","GroupId":"room-9","Type":"Live",'
                b'"From_Account":"v","Operator_Account":"v","Random":77,"MsgBody":[%s, %s,'
                b'{"MsgContent":{"Text":"darn"},"MsgType":"TIMTextElem"}],"EventTime":"1764000000123"}' % (custom, face))
        reply = self.post(body)
        self.assertIn(custom + b", " + face, reply.bytes)
        self.assertEqual(reply.json["MsgBody"][2], text_element("****"))
        self.assertEqual(reply.code, 0)
        row = self.stored(body)
        self.assertEqual(row["verdict"], "mask")
        self.assertNotIn("\x00", row["text"])
        self.assertIn("abc\ufffd\x01xyz", row["text"])

    def test_odd_bodies_have_a_valid_verdict_too(self):
        def body(text, more=b""):
            return (b'{"CallbackCommand":"Group.CallbackBeforeSendMsg","GroupId":"room-odd","From_Account":"v",'
                    b'"Random":"4294967295","MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"%s"}}]%s}'
                    % (text, more))
        relay = {"Title": "darn", "MsgNum": 1, "CompatibleText": "c", "AbstractList": ["x"]}
        nested = relay | {"Title": "t", "MsgList": [{"MsgBody": [text_element("darn")]}]}
        cases = [  # name, body, code, parts of the reply
            ("escapes", body(b"d\\u0061rn \\n\\u4f60\\ud83d\\ude00"), 0, ["**** \\n你😀"]),
            ("a lone surrogate", body(b"darn \\ud800!"), 0, ["**** \ufffd!"]),
            ("a key twice: what is delivered is not certain", body(b"darn", b',"GroupId":"other"'), 1, []),
            ("both rewritten", body(b"darn", b',"CloudCustomData":"darn"'), 0,
             ['"Text":"****"', '"CloudCustomData":"****"']),
            ("no MsgBody", b'{"CallbackCommand":"Group.CallbackBeforeSendMsg","GroupId":7}', 0, []),
            ("a relay's title", before(elements=[{"MsgType": "TIMRelayElem", "MsgContent": relay}]), 0,
             ['"Title":"****"']),
            ("inside a relay, which cannot be rewritten",
             before(elements=[{"MsgType": "TIMRelayElem", "MsgContent": nested}]), 1, []),
            ("a file's name", before(elements=[{"MsgType": "TIMFileElem", "MsgContent": {"FileName": "darn.txt"}}]), 0,
             ['"FileName":"****.txt"']),
        ]
        for name, sent, code, parts in cases:
            with self.subTest(name):
                reply = self.post(sent)
                self.assertEqual(reply.code, code)
                for part in parts:
                    self.assertIn(part, reply.bytes.decode())
                self.stored(sent)

    def test_text_inside_custom_and_face_elements_is_seen(self):
        elements = [{"MsgType": "TIMCustomElem", "MsgContent": {"Data": "casino night", "Desc": "", "Ext": ""}}]
        self.assertEqual(self.post(before(elements=elements)).code, 1)
        elements = [{"MsgType": "TIMFaceElem", "MsgContent": {"Index": 1, "Data": "casino night"}}]
        self.assertEqual(self.post(before(elements=elements)).code, 1)

    def test_cloud_custom_data_keeps_its_four_states(self):
        given = json.dumps({"lvl": 3})
        seen = {}
        for name, member in {"given": given, "text": "not json", "empty": ""}.items():
            body = before("hello", CloudCustomData=member)
            self.assertEqual(self.post(body).bytes, answer())
            seen[name] = self.stored(body)
        missing = before("hello")
        null = dict(missing) | {"CloudCustomData": None}
        self.assertEqual(self.post(missing).bytes, answer())
        self.assertEqual(self.post(null).bytes, answer())
        seen["missing"], seen["null"] = self.stored(missing), self.stored(null)
        self.assertEqual([seen[k]["cloud_custom_data"] for k in ("given", "text", "empty")], [given, "not json", ""])
        self.assertEqual(seen["given"]["cloud_custom_data_json"], {"lvl": 3})
        self.assertIsNone(seen["text"]["cloud_custom_data_json"])
        self.assertIsNone(seen["missing"]["cloud_custom_data"])
        self.assertIsNone(seen["null"]["cloud_custom_data"])

    def test_cloud_custom_data_is_judged_and_rewritten(self):
        body = before("hello", CloudCustomData='{"nick":"darn 13800138000"}')
        reply = self.post(body)
        self.assertEqual(reply.json["CloudCustomData"], '{"nick":"**** ###########"}')
        self.assertNotIn("MsgBody", reply.json)
        self.assertEqual({h["field"] for h in self.stored(body)["hits"]}, {"cloud_custom_data"})

    def test_after_exception_recall_and_others(self):
        sent = before("oh darn it", group="room-views")
        self.post(sent)
        delivered = after(sent | {"MsgBody": [text_element("oh **** it")]})
        self.assertEqual(self.post(delivered).bytes, answer())
        row = self.stored(delivered)
        self.assertEqual((row["command"], row["msg_seq"]), ("after", delivered["MsgSeq"]))
        (message,) = self.database.rows("SELECT * FROM moderation.message WHERE group_id = 'room-views'")
        self.assertEqual(message["verdict"], "mask")
        self.assertEqual(message["msg_seq"], delivered["MsgSeq"])

        exception = before("x", CallbackCommand=EXCEPTION, ErrorCode=10023, ErrorInfo="frequency control")
        recall = {"CallbackCommand": RECALL, "Operator_Account": "admin", "Type": "Live", "GroupId": "room-7",
                  "MsgSeqList": [{"MsgSeq": 130}, {"MsgSeq": 131, "MsgId": "x-1"}], "TopicId": "", "EventTime": "1764000000123"}
        other = {"CallbackCommand": "Live.CallbackAfterDestroyRoom", "RoomId": "r", "EventTime": 1764000000123,
                 "RoomInfo": {"Owner_Account": 12345678901234567890}}
        for body, command in ((exception, "exception"), (recall, "recall"), (other, "other")):
            with self.subTest(command=command):
                self.assertEqual(self.post(body).bytes, answer())
                self.assertEqual(self.stored(body)["command"], command)

    def test_a_duplicate_after_is_one_row_and_counted(self):
        counted = "chatsluice_loader_duplicates_total"
        start = self.service.metrics()[counted]
        delivered = after(before("twice", group="room-twice"))
        for _ in range(3):
            self.assertEqual(self.post(delivered).bytes, answer())
        self.stored(delivered)
        self.assertEqual(self.service.metrics()[counted], start + 2)
        # The same message, told a little differently: another EventTime, none, numbers as strings, no MsgSeq.
        for number, (first, second) in enumerate([
                ({}, {"EventTime": delivered["EventTime"] + 1500}), ({"EventTime": None}, {"EventTime": None}),
                ({}, {"EventTime": str(delivered["EventTime"]), "MsgSeq": str(delivered["MsgSeq"])}),
                ({"MsgSeq": 0}, {"MsgSeq": 0})]):
            room = f"room-twice-{number}"
            for change in (first, second):
                told = delivered | {"GroupId": room} | change
                self.post({k: v for k, v in told.items() if v is not None})
                self.service.wait_loaded()
            self.assertEqual(self.database.value(f"SELECT count(*) FROM chatsluice.event WHERE group_id = '{room}'"), 1)
        # A Before one sent twice is two attempts of the sender: both are judged and kept.
        body = before("twice", group="room-twice")
        self.post(body)
        self.post(body)
        self.service.wait_loaded()
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.event WHERE group_id = 'room-twice' "
                                             "AND command = 'before'"), 2)

    def test_refusals(self):
        body = before("hello")
        token = self.service.config["apps"][0]["token"]
        cases = [  # status, what is wrong
            (403, {"token": "another-token"}), (403, {"age_s": 120}), (403, {"age_s": -120}), (403, {"Sign": None}),
            (403, {"RequestTime": None}), (403, {"Sign": "0" * 63}), (403, {"SdkAppid": 1400000002}),
            (403, {"SdkAppid": None}), (404, {"path": "/other"}), (405, {"method": "PUT"}), (405, {"method": "GET"}),
        ]
        before_refusals = self.service.metrics()
        for status, wrong in cases:
            with self.subTest(wrong=wrong):
                reply = self.webhooks.post(body, **wrong)
                self.assertEqual(reply.status, status, reply.bytes)
                self.assertEqual(reply.json["ActionStatus"], "FAIL")
                self.assertTrue(reply.json["ErrorInfo"])
                self.assertNotIn(token, reply.bytes.decode())
        refusals = self.service.metrics()
        for reason in ("signature", "sdkappid", "path", "method"):
            key = f'chatsluice_refused_total{{reason="{reason}"}}'
            self.assertGreater(refusals[key], before_refusals[key])
        self.assertEqual(self.post(body).bytes, answer())
        request = self.webhooks.query(BEFORE, token).replace("SdkAppid", "sdkappid").replace("Sign=", "SIGN=")
        self.webhooks.connection.request("POST", f"/webhook?{request}", encode(before("names in any case")))
        self.assertEqual(self.webhooks.connection.getresponse().read(), answer())

    def test_a_signature_is_good_for_any_body_and_for_a_minute(self):
        """What it does not cover: whoever has seen one request can send another one, or the same again, with it. Each is
        judged and kept as what it is, one more message; when the minute is over it is worth nothing."""
        query = dict(p.split("=") for p in self.webhooks.query(BEFORE, self.webhooks.token, age_s=50).split("&"))
        seen = {"Sign": query["Sign"], "RequestTime": query["RequestTime"]}
        first = before("hello", group="replayed")
        other = before("buy buy buy", group="replayed")
        for body, expected in ((first, answer()), (first, answer()), (other, answer(2))):
            self.assertEqual(self.post(body, **seen).bytes, expected)
        old = dict(p.split("=") for p in self.webhooks.query(BEFORE, self.webhooks.token, age_s=65).split("&"))
        self.assertEqual(self.webhooks.post(first, Sign=old["Sign"], RequestTime=old["RequestTime"]).status, 403)
        self.service.wait_loaded()
        kept = self.database.rows("SELECT text, verdict FROM chatsluice.event WHERE group_id = 'replayed' ORDER BY spool_seq")
        self.assertEqual(kept, [{"text": "hello", "verdict": "allow"}] * 2 + [{"text": "buy buy buy", "verdict": "discard"}])

    def test_whatever_is_sent_is_data_to_postgresql(self):
        """Words of SQL, of COPY, of psql and of format strings, in every place that a client fills."""
        hostile = ("'; DROP TABLE chatsluice.event; --", '"; SELECT pg_sleep(9)', "$$; $1 $tag$", "\\.", "\\N", "a\tb\nc\\d",
                   "\\! id", "%s%n{0}", "E'\\x00'", "{1,2}", "(1,NULL)", "::text", "\u2028", "null")
        for text in hostile:
            self.assertEqual(self.post(before(text, group=f"sql {text}", sender=f"from {text}", MsgId=f"id {text}",
                                              CloudCustomData=f"data {text}")).bytes, answer())
        self.service.wait_loaded()
        kept = self.database.rows("SELECT text, group_id, from_account, msg_id, cloud_custom_data FROM chatsluice.event "
                                  "WHERE group_id LIKE 'sql %' ORDER BY spool_seq")
        self.assertEqual(kept, [{"text": text, "group_id": f"sql {text}", "from_account": f"from {text}",
                                 "msg_id": f"id {text}", "cloud_custom_data": f"data {text}"} for text in hostile])
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.dead_letter"), 0)

    def test_an_unreadable_body_is_refused_and_kept(self):
        for body in (b"{", b"[]", b'{"CallbackCommand":"Group.CallbackBeforeSendMsg",}', b"\xff", b""):
            with self.subTest(body=body):
                reply = self.webhooks.post(body)
                self.assertEqual(reply.status, 200, "any other status would let the message through")
                self.assertEqual(reply.code, 1)
                self.assertIn("body", reply.json["ErrorInfo"])
                reply = self.webhooks.post(body, command=AFTER)
                self.assertEqual((reply.status, reply.json["ActionStatus"]), (400, "FAIL"))
        self.service.wait_loaded()
        kept = self.database.rows("SELECT command, fault FROM chatsluice.event WHERE raw = '\\xff' ORDER BY spool_seq")
        self.assertEqual([row["command"] for row in kept], ["before", "after"])
        self.assertTrue(all(row["fault"] for row in kept))

    def test_a_signature_in_upper_case_and_of_the_published_vector(self):
        self.assertEqual(sign("xxxxyyyy", "1669872112"),
                         "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061")
        query = dict(p.split("=") for p in self.webhooks.query(BEFORE, self.webhooks.token).split("&"))
        self.assertEqual(self.post(before("hello"), Sign=query["Sign"].upper(),
                                   RequestTime=query["RequestTime"]).bytes, answer())


if __name__ == "__main__":
    unittest.main()
