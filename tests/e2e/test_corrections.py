"""Corrections the whole way: a webhook asks for one, the platform gets the call, the room sees the text, once."""
import time
import unittest

from chat import Webhooks, before
from database import Cluster
from harness import EndToEnd, wait_for
from live import Live

RULES = """
- rule: numbers
  when: before
  match: { regex: '\\b555 \\d{4}\\b' }
  action: discard
  then: [resend]
- rule: insult
  match: { any: [ { regex: 'idiot' } ] }
  action: discard
  then: [mute 10m]
- rule: everything-again
  when: before
  scope: { groups: ["loop-*"] }
  match: { regex: '.' }
  action: discard
  replace: "this text is taken from you again and again"
  then: [resend]
- rule: late
  when: after
  match: { regex: 'secret' }
  action: mask
  then: [recall, resend]
"""


class Corrections(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)

    def setUp(self):
        self.database = self.cluster.create_database()

    def start(self, *sim_options, **options):
        live = Live(self, self.database, *sim_options, outbox={"confirm_within": "2s", "timeout": "3s"}, **options)
        live.publish(RULES)
        for room in ("room-1", "loop-1"):
            live.sim.create_room(room)
        return live

    def blocked_event(self, live, text):
        live.service.wait_loaded()
        return self.database.value("SELECT event_id::text FROM chatsluice.event WHERE command = 'before' AND text = "
                                   f"'{text}' AND verdict IN ('reject', 'discard')")

    def test_a_discarded_message_comes_back_corrected(self):
        live = self.start()
        live.sim.send("room-1", "viewer_19", "call me 555 0199 now", CloudCustomData='{"lvl": 3, "b":[1]}')
        live.sim.send("room-1", "viewer_20", "or 555 0200", CloudCustomData="plain words")
        live.sim.send("room-1", "viewer_21", "or 555 0201")
        rows = live.wait_outbox(3)
        seen = {m["From_Account"]: m for m in live.sim.room("room-1")}
        self.assertEqual(sorted(live.texts()), ["call me ******** now", "or ********", "or ********"])
        # Whatever the sender had attached came back byte for byte, and nothing of ours.
        self.assertEqual(seen["viewer_19"]["CloudCustomData"], '{"lvl": 3, "b":[1]}')
        self.assertEqual(seen["viewer_20"]["CloudCustomData"], "plain words")
        self.assertEqual(seen["viewer_21"].get("CloudCustomData", ""), "")
        self.assertEqual({m["OptPlatform"] for m in seen.values()}, {"RESTAPI"})
        live.service.wait_loaded()
        for row in rows:
            self.assertEqual((row["attempts"], row["action"], row["asked_by"]), (1, "send_text", "numbers"))
            linked = self.database.rows(
                "SELECT e.verdict, e.decided_by, e.marker, o.text = e.text AS same FROM chatsluice.event e JOIN "
                "chatsluice.outbox o ON o.outbox_id = e.correction_id WHERE e.command = 'before' AND "
                f"e.correction_id = '{row['outbox_id']}'")
            self.assertEqual(linked, [{"verdict": "allow", "decided_by": "correction", "marker": "accepted",
                                       "same": True}])
        view = self.database.rows("SELECT * FROM moderation.correction WHERE room_id = 'room-1'")
        self.assertEqual(len(view), 3)
        self.assertEqual(live.service.metrics()['chatsluice_markers_total{use="accepted"}'], 3)
        live.service.terminate()

    def test_a_correction_never_asks_for_another(self):
        """The rule would discard its own correction, and ask for it once more, for ever."""
        live = self.start()
        for i in range(5):
            live.sim.send("loop-1", f"viewer_{i}", f"anything {i}")
        live.wait_outbox(5)
        live.service.wait_loaded()
        time.sleep(1)  # for a sixth to show, if there were one
        self.assertEqual(len(live.outbox()), 5)
        self.assertEqual(live.texts("loop-1"), ["this text is taken from you again and again"] * 5)

    def test_a_copied_marker_gains_nothing(self):
        """The Before webhooks are lost, so the platform delivers the marker along for all to see; a client copies it."""
        live = self.start("--fault", "before:lost")
        with Webhooks(live.service) as webhooks:
            self.assertEqual(webhooks.post(before("copy 555 0199", group="room-1", sender="viewer_1")).code, 2)
        row = live.wait_outbox(1)[0]
        shown = wait_for(lambda: live.sim.room("room-1"), "the correction in the room")[0]
        self.assertIn(row["outbox_id"], shown["CloudCustomData"])
        events = lambda: self.database.value("SELECT count(*) FROM chatsluice.event")  # noqa: E731
        with Webhooks(live.service) as webhooks:
            copied = {"group": "room-1", "sender": "viewer_1", "CloudCustomData": shown["CloudCustomData"]}
            # The very same message from a client is an ordinary one; as it is harmless it passes, marker and all.
            self.assertEqual(webhooks.post(before("copy ********", **copied)).json,
                             {"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": ""})
            # With another text, room or sender it proves nothing.
            self.assertEqual(webhooks.post(before("call 555 0199", **copied)).code, 2)
            self.assertEqual(webhooks.post(before("copy ********", **copied | {"group": "room-2"})).code, 0)
            self.assertEqual(webhooks.post(before("you idiot", **copied | {"sender": "viewer_2"})).code, 2)
        live.service.wait_loaded()
        markers = self.database.rows("SELECT marker, count(*) AS times FROM chatsluice.event WHERE command = 'before' AND "
                                     "marker IS NOT NULL GROUP BY 1 ORDER BY 1")
        self.assertEqual(markers, [{"marker": "copied", "times": 1}, {"marker": "forged", "times": 3}])
        self.assertGreater(events(), 5)

    def test_a_rule_after_delivery_recalls_and_corrects(self):
        live = self.start()
        sent = live.sim.send("room-1", "viewer_1", "the secret word")
        rows = live.wait_outbox(2)
        self.assertEqual([(r["action"], r["state"]) for r in rows], [("recall", "done"), ("send_text", "done")])
        self.assertEqual(rows[0]["msg_seq"], sent["MsgSeq"])
        self.assertIn("the ****** word", live.texts())

    def test_a_follow_up_mutes(self):
        live = self.start()
        live.sim.send("room-1", "viewer_1", "you idiot")
        row = live.wait_outbox(1)[0]
        self.assertEqual((row["action"], row["account"], row["seconds"]), ("mute", "viewer_1", 600))
        listed = live.sim.rest("live_engine_http_srv/get_muted_member_list", {"RoomId": "room-1"})
        self.assertEqual([m["Member_Account"] for m in listed["Response"]["MutedAccountList"]], ["viewer_1"])

    def test_a_mute_does_not_overtake_the_correction(self):
        """The platform refuses whatever a muted sender is to say."""
        live = self.start()
        live.publish(RULES.replace("then: [resend]", "then: [mute 10m, resend]", 1))
        for i in range(20):
            live.sim.create_room(f"quiet-{i}")
            live.sim.send(f"quiet-{i}", "viewer_1", f"call {i} 555 0199")
        rows = live.wait_outbox(40)
        self.assertEqual({row["state"] for row in rows}, {"done"})
        self.assertEqual([live.texts(f"quiet-{i}") for i in range(20)], [[f"call {i} ********"] for i in range(20)])

    def test_a_moderator_approves_and_corrects(self):
        live = self.start()
        live.sim.send("room-1", "viewer_1", "my idiot brother", CloudCustomData='{"a":1}')
        event = self.blocked_event(live, "my idiot brother")
        live.wait_outbox(1)  # the mute
        self.database.execute("SELECT moderation.unmute('room-1', 'viewer_1', why => 'a mistake')")
        live.wait_outbox(2)
        self.database.execute(f"SELECT moderation.approve('{event}', why => 'harmless')")
        live.wait_outbox(3)
        self.assertEqual(live.texts(), ["my idiot brother"])
        self.assertEqual(live.sim.room("room-1")[0]["CloudCustomData"], '{"a":1}')
        live.sim.send("room-1", "viewer_2", "your idiot brother")
        event = self.blocked_event(live, "your idiot brother")
        live.wait_outbox(4)
        self.database.execute("SELECT moderation.unmute('room-1', 'viewer_2', why => 'a mistake')")
        live.wait_outbox(5)
        done = live.service.cli_ok("resend", "--event", event, "--text-file", "-", "--wait", "10",
                                   stdin="your dear brother")
        self.assertIn("done", done)
        self.assertEqual(live.texts(), ["my idiot brother", "your dear brother"])
        people = self.database.rows("SELECT action, why FROM chatsluice.moderator_action ORDER BY at")
        self.assertEqual([p["why"] for p in people][:2], ["a mistake", "harmless"])

    def test_a_moderator_bans_and_lets_in_again(self):
        live = self.start()
        live.sim.send("room-1", "viewer_1", "hello")
        live.service.wait_loaded()
        event = self.database.value("SELECT event_id::text FROM chatsluice.event WHERE command = 'before'")
        self.database.execute(f"SELECT moderation.ban_sender('{event}', '2 hours', 'spam')")
        live.wait_outbox(1)
        banned = lambda: live.sim.rest("live_engine_http_srv/get_banned_member_list",  # noqa: E731
                                       {"RoomId": "room-1", "Offset": 0, "Limit": 10})["Response"]["BannedAccountList"]
        self.assertEqual([m["Member_Account"] for m in banned()], ["viewer_1"])
        self.database.execute("SELECT moderation.unban('room-1', 'viewer_1', 'enough')")
        live.wait_outbox(2)
        self.assertEqual(banned(), [])

    def test_two_instances_share_the_marker_key(self):
        """Asked for through one, sent by either, its webhooks answered by the other."""
        live = self.start(instances=2)
        with Webhooks(live.service) as webhooks:
            for i in range(10):
                webhooks.post(before(f"number {i} 555 0199", group="room-1", sender=f"viewer_{i}"))
        live.wait_outbox(10)
        self.assertEqual(sorted(live.texts()), [f"number {i} ********" for i in range(10)])
        for service in live.services:
            service.wait_loaded()
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.event WHERE marker = 'accepted' AND "
                                             "command = 'before'"), 10)

    def test_a_database_that_comes_back_sends_what_is_young(self):
        live = self.start()
        self.cluster.stop("immediate")
        try:
            with Webhooks(live.service) as webhooks:
                self.assertEqual(webhooks.post(before("call 555 0199", group="room-1")).code, 2)
        finally:
            self.cluster.start()
        live.wait_outbox(1, seconds=40)
        self.assertEqual(live.texts(), ["call ********"])


if __name__ == "__main__":
    unittest.main()
