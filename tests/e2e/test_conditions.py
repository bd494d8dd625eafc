"""Rules that ask more than words: real webhooks against rates, repetitions, links, shares, and words split over
messages."""
import json
import unittest

from chat import Webhooks, after, before
from database import Cluster
from harness import EndToEnd
from service import Service

RULES = json.dumps([
    {"rule": "fast", "match": {"rate": {"times": 5, "within": "1h", "by": "sender_in_room", "tighten": 2}},
     "action": "reject", "reject_code": 10122, "reject_text": "slow down", "then": ["mute 10m"]},
    {"rule": "crowd", "when": "before", "action": "discard",
     "match": {"rate": {"times": 30, "within": "1h", "by": "room"}}},
    {"rule": "again", "match": {"repeated": {"times": 3, "within": "60s", "by": "sender"}}, "action": "reject",
     "reject_code": 10123},
    {"rule": "links", "match": {"links": {"allow": ["example.com"]}}, "action": "reject", "reject_code": 10124},
    {"rule": "contact", "match": {"contact": "any"}, "action": "mask"},
    {"rule": "emoji", "match": {"share": {"of": "emoji", "percent": 60, "least": 5}}, "action": "reject",
     "reject_code": 10125},
    {"rule": "images", "match": {"all": [{"types": ["image"]},
                                         {"json": {"in": "cloud_custom_data", "path": "user.level", "less_than": 3}}]},
     "action": "reject", "reject_code": 10126},
    {"list": "split", "folding": ["case", "invisible", "separators", "split"], "terms": ["forbidden"]},
    {"rule": "split", "match": {"terms": "split"}, "action": "reject", "reject_code": 10127},
    {"rule": "flagged-after", "when": "after", "action": "flag",
     "match": {"rate": {"times": 2, "within": "1h", "by": "room"}}},
])


class Conditions(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)

    def setUp(self):
        self.database = self.cluster.create_database()
        self.service = Service(self, self.database).start()
        self.service.publish(RULES)
        self.webhooks = Webhooks(self.service)
        self.addCleanup(self.webhooks.connection.close)

    def codes(self, *texts, **members):
        """The code each text is answered with, one after the other."""
        return [self.webhooks.post(before(text, **members)).code for text in texts]

    def test_a_flooding_sender_is_muted(self):
        texts = [f"message number {word}" for word in "a b c d e f g h i j".split()]
        self.assertEqual(self.codes(*texts, sender="flood", group="r1"), [0] * 5 + [10122] * 5)
        self.assertEqual(self.codes("still here", sender="flood", group="r2"), [0], "another room")
        self.assertEqual(self.codes("good evening", sender="calm", group="r1"), [0], "another sender")
        self.service.wait_loaded()
        [event] = self.database.rows("SELECT hits, follow_ups FROM chatsluice.event WHERE from_account = 'flood' "
                                     "AND verdict = 'reject' ORDER BY received_at LIMIT 1")
        self.assertEqual([(h["rule"], h["list"], h["term"], h["start"], h["end"]) for h in event["hits"]],
                         [("fast", None, "rate 6 in 3600s by sender_in_room", 0, 0)])
        self.assertEqual(event["follow_ups"], ["mute 10m"])

    def test_a_room_is_counted_over_its_senders_and_after_events_are_not_counted(self):
        sent = [before(f"hello from number {n} here", sender=f"viewer-{n}", group="crowded") for n in range(32)]
        for message in sent:
            self.webhooks.post(message)
            self.webhooks.post(after(message))
        self.service.wait_loaded()
        count = "SELECT count(*) FROM chatsluice.event WHERE group_id = 'crowded' AND "
        self.assertEqual(self.database.value(count + "verdict = 'discard'"), 2)
        self.assertEqual(self.database.value(count + "command = 'after' AND verdict = 'flag'"), 30)

    def test_the_same_text_again(self):
        texts = ["Buy it now!", "BUY  IT now!", "b\u200buy it n ow!", "something else", "buy it now!"]
        rooms = [f"room-{n}" for n in range(len(texts))]  # apart, as the rate tightens with every rejection
        self.assertEqual([self.codes(text, sender="parrot", group=room)[0] for text, room in zip(texts, rooms)],
                         [0, 0, 10123, 0, 10123])

    def test_a_link_off_the_allow_list(self):
        texts = ["see https://www.example.com/a", "see evil-site[.]com", "http://example.com@evil-site.com/",
                 "v1.2.3 is out, e.g. here"]
        self.assertEqual([self.codes(text, sender=f"linker-{n}")[0] for n, text in enumerate(texts)],
                         [0, 10124, 10124, 0])

    def test_contact_data_is_masked(self):
        reply = self.webhooks.post(before("我的电话 一三八零零一三八零零零 哦", sender="caller")).json
        self.assertEqual(reply["MsgBody"][0]["MsgContent"]["Text"], "我的电话 *********** 哦")

    def test_a_share_of_emoji(self):
        self.assertEqual(self.codes("👨‍👩‍👧‍👦🎉🎉🎉🎉 yes", "🎉🎉🎉 well done", sender="emoji"), [10125, 0])

    def test_types_and_custom_data(self):
        image = [{"MsgType": "TIMImageElem", "MsgContent": {"UUID": "u", "ImageFormat": 1, "ImageInfoArray": []}}]
        for level, code in ((1, 10126), (3, 0)):
            data = json.dumps({"user": json.dumps({"level": level})})
            message = before(elements=image, sender="painter", CloudCustomData=data)
            self.assertEqual(self.webhooks.post(message).code, code)

    def test_a_word_split_over_messages(self):
        self.assertEqual(self.codes("for", "bid", "den", sender="splitter"), [0, 0, 10127])
        self.assertEqual(self.codes("for", "bid", sender="one") + self.codes("den", sender="other"), [0, 0, 0])

    def test_counts_survive_a_new_revision(self):
        self.assertEqual(self.codes("one", "two", "three", sender="steady", group="r9"), [0, 0, 0])
        self.service.publish(json.dumps(json.loads(RULES) + [
            {"rule": "more", "match": {"length": {"more_than": 1000}}, "action": "reject"}]))
        self.assertEqual(self.codes("four", "five", "six", sender="steady", group="r9"), [0, 0, 10122])


if __name__ == "__main__":
    unittest.main()
