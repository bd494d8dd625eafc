"""What people decide by SQL: the queue, claims, decisions, terms and rules; and that a rule never undoes it."""
import json
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from database import Cluster
from harness import EndToEnd, run
from people import People, login

TEXT = '{"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"so bad"}}]}'


class Review(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)
        cls.template = cls.cluster.create_database()
        People(cls.template, "alice", "bob")

    def setUp(self):
        self.database = self.cluster.copy(self.template)
        self.alice, self.bob = (login(self.database, name) for name in ("alice", "bob"))
        self.seq = 0

    def event(self, verdict="flag", command="before", room="room", sender="ann", random=None, age="0", follow_ups=None,
              apart="0"):
        """A stored webhook; its id. random: several of the same number are one message."""
        self.seq += 1
        asked = json.dumps(follow_ups) if follow_ups else ""
        return self.database.execute(
            "INSERT INTO chatsluice.event (event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id, command, "
            "from_account, random, msg_seq, text, verdict, rule, duplicate_keys, raw, follow_ups) VALUES ("
            f"now() - interval '{age}' + interval '{apart}', now() - interval '{age}', 1400000001, {self.seq}, "
            f"gen_random_uuid(), gen_random_uuid(), '{room}', '{command}', '{sender}', {random or 1000 + self.seq}, "
            f"{self.seq if command == 'after' else 'NULL'}, 'so bad', nullif('{verdict or ''}', ''), 'the-rule', false, "
            f"convert_to('{TEXT}', 'UTF8'), nullif('{asked}', '')::jsonb) RETURNING event_id").strip()

    def follow(self, event):
        """What the loader does for an event with follow-ups."""
        self.database.execute("SELECT chatsluice.outbox_follow(e, '{1400000001}', '2 minutes') FROM chatsluice.event e "
                              f"WHERE event_id = '{event}'")

    def claimed_by_sender(self, *actions):
        """What an instance would send now: the sender of these actions asks for its due rows, again and again, for what is
        done to a member waits for what was asked before."""
        for action in actions * 3:
            self.database.execute(f"SELECT chatsluice.outbox_claim('test', 1400000001, '{action}', 'send_text_msg', true, "
                                  "100, '1 minute', 100)")
        return sorted(row["action"] for row in self.database.rows(
            "SELECT action FROM chatsluice.outbox WHERE state = 'sending' AND cause = 'rule'"))

    def withdrawn(self):
        return {row["action"]: row["reason"] for row in self.database.rows(
            "SELECT action, reason FROM chatsluice.outbox WHERE state = 'cancelled' AND cause = 'rule'")}

    def queue(self, who=None):
        return (who or self.alice).rows("SELECT kind, state, claimed_by, assigned_to, event_id, sender_decided, sender_upheld "
                                        "FROM moderation.review_queue ORDER BY sent_at")

    def refused(self, who, sql, words):
        done = run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", who.url, "-c", sql)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, words)

    def actions(self):
        return [(row["who"], row["action"], row["why"]) for row in self.database.rows(
            "SELECT who, action, why FROM moderation.action ORDER BY at, action")]

    # The queue and claims

    def test_a_flagged_message_waits_until_one_of_two_decides(self):
        old, new = self.event(age="2 hours"), self.event(age="1 hour")
        self.event(verdict="reject")
        self.event(verdict=None, command="after")
        self.assertEqual([(q["kind"], q["state"], q["event_id"]) for q in self.queue()],
                         [("flagged", "waiting", old), ("flagged", "waiting", new)])
        self.alice.execute(f"SELECT moderation.claim('{old}', 'looks odd')")
        self.refused(self.bob, f"SELECT moderation.claim('{old}')", "claimed by alice until")
        self.refused(self.bob, f"SELECT moderation.uphold('{old}')", "claimed by alice until")
        self.refused(self.bob, f"SELECT moderation.release('{old}')", "claimed by alice until")
        self.refused(self.bob, f"SELECT moderation.release('{new}')", "is not claimed by you")
        self.assertEqual([(q["state"], q["claimed_by"]) for q in self.queue(self.bob)],
                         [("claimed", "alice"), ("waiting", None)])
        self.alice.execute(f"SELECT moderation.release('{old}')")
        self.bob.execute(f"SELECT moderation.claim('{old}')")
        self.bob.execute(f"SELECT moderation.uphold('{old}', 'rude')")
        self.assertEqual([q["event_id"] for q in self.queue()], [new])
        self.assertEqual([(q["sender_decided"], q["sender_upheld"]) for q in self.queue()], [(1, 1)])
        self.refused(self.alice, f"SELECT moderation.claim('{old}')", "was decided by bob at .*: uphold")
        self.refused(self.alice, f"SELECT moderation.approve('{old}')", "was decided by bob at .*: uphold")
        self.alice.execute(f"SELECT moderation.approve('{old}', 'no, a quotation', again => true)")
        self.assertEqual(self.database.rows("SELECT decision, decided_by, overturned, outbox_id, why FROM moderation.review"),
                         [{"decision": "approve", "decided_by": "alice", "overturned": True, "outbox_id": None,
                           "why": "no, a quotation"}])
        self.assertEqual(self.actions(), [
            ("alice", "claim", "looks odd"), ("alice", "release", None), ("bob", "claim", None), ("bob", "uphold", "rude"),
            ("alice", "approve", "no, a quotation")])
        (activity,) = self.alice.rows("SELECT moderator, decisions, approved, overturned, actions, actions_by_kind, "
                                      "median_time_to_decision > '1 hour' AS slow FROM moderation.moderator_activity WHERE "
                                      "moderator = 'alice' AND day = (now() AT TIME ZONE 'UTC')::date")
        self.assertEqual(activity, {"moderator": "alice", "decisions": 1, "approved": 1, "overturned": 1, "actions": 3,
                                    "actions_by_kind": {"claim": 1, "release": 1, "approve": 1}, "slow": True})

    def test_a_claim_runs_out(self):
        event = self.event()
        self.alice.execute(f"SELECT moderation.claim('{event}', keep => '1 hour')")
        self.database.execute("UPDATE chatsluice.review SET claimed_until = now()")
        self.assertEqual([(q["state"], q["claimed_by"]) for q in self.queue()], [("waiting", None)])
        self.bob.execute(f"SELECT moderation.claim('{event}')")
        self.refused(self.alice, f"SELECT moderation.approve('{event}')", "claimed by bob")
        for keep in ("'0'", "'9 hours'", "NULL"):
            self.refused(self.bob, f"SELECT moderation.claim('{event}', keep => {keep})", "is not possible")

    def test_the_next_ones_are_nobody_elses(self):
        """Many at once: nobody waits, nobody gets what another one has."""
        events = [self.event(age=f"{40 - i} minutes") for i in range(40)]
        askers = [self.alice, self.bob] * 4
        claim = "SELECT count(*) AS n, (SELECT pg_sleep(0.05)) FROM moderation.claim_next(5, oldest => {})"
        with ThreadPoolExecutor(len(askers)) as pool:
            list(pool.map(lambda a: a[1].execute(claim.format(a[0] % 2 == 0)), enumerate(askers)))
        claimed = self.database.rows("SELECT event_id FROM chatsluice.review WHERE claimed_until > now()")
        self.assertEqual(sorted(c["event_id"] for c in claimed), sorted(events))
        self.assertEqual(self.database.value("SELECT count(*) FROM chatsluice.moderator_action WHERE action = 'claim'"), 40)
        self.assertEqual(self.alice.rows("SELECT event_id FROM moderation.claim_next()"), [])
        self.refused(self.alice, "SELECT moderation.claim_next(101)", "between 1 and 100")

    def test_the_next_one_does_not_wait_for_whoever_decides(self):
        first, second = self.event(age="2 minutes"), self.event(age="1 minute")
        with Open(self.alice) as alice:
            alice.say(f"SELECT moderation.uphold('{first}');")
            self.assertEqual([r["event_id"] for r in self.bob.rows("SELECT event_id FROM moderation.claim_next(2)")], [second])
            self.refused(self.bob, f"SET lock_timeout = 0; SELECT moderation.claim('{first}')", "lock timeout")

    def test_what_is_assigned_comes_first_and_is_for_nobody_else(self):
        events = [self.event(age=f"{9 - i} minutes") for i in range(3)]
        stopped = self.event(verdict="reject", age="1 hour")
        self.refused(self.alice, f"SELECT moderation.assign('{stopped}', 'nobody-we-know')", "there is no moderator")
        self.alice.execute(f"SELECT moderation.assign('{stopped}', 'bob', 'you know this room')")
        self.alice.execute(f"SELECT moderation.assign('{events[2]}', 'bob')")
        self.assertIn(("assigned", "bob"), [(q["kind"], q["assigned_to"]) for q in self.queue()])
        self.refused(self.alice, f"SELECT moderation.claim('{stopped}')", "assigned to bob")
        taken = [r["event_id"] for r in self.alice.rows("SELECT event_id FROM moderation.claim_next(5)")]
        self.assertEqual(taken, events[:2])
        taken = [r["event_id"] for r in self.bob.rows("SELECT event_id FROM moderation.claim_next(1)")]
        self.assertEqual(taken, [stopped])
        self.alice.execute(f"SELECT moderation.assign('{stopped}', NULL)")
        self.assertNotIn(stopped, [q["event_id"] for q in self.queue()])

    def test_one_snapshot_for_all_is_refused(self):
        event = self.event()
        self.refused(self.alice, f"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT moderation.claim('{event}')",
                     "cannot be asked for in a repeatable read transaction")

    def test_the_queue_is_found_by_its_index(self):
        self.database.execute(
            "SELECT chatsluice.ensure_partitions((now() AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date); "
            "INSERT INTO chatsluice.event (event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id, command, "
            "from_account, verdict, duplicate_keys, raw) SELECT now() - i * interval '1 ms', now(), 1, i, gen_random_uuid(), "
            "gen_random_uuid(), 'room-' || i % 100, 'before', 'ann', CASE WHEN i % 100 = 0 THEN 'flag' ELSE 'allow' END, false, "
            "'' FROM generate_series(1, 20000) i")
        self.database.execute("ANALYZE chatsluice.event")
        for query, index in (
                ("SELECT * FROM moderation.review_queue ORDER BY sent_at LIMIT 20", "event_time_idx"),
                ("SELECT * FROM moderation.review_queue WHERE sent_at > now() - interval '1 hour'", "event_time_idx"),
                ("SELECT * FROM moderation.moderator_activity WHERE day = current_date", "_day")):
            plan = self.database.execute(f"SET enable_seqscan = {'off' if index == '_day' else 'on'}; EXPLAIN {query}")
            self.assertNotRegex(plan, "Seq Scan on event_2")
            self.assertIn(index, plan)
        self.assertEqual(self.alice.value("SELECT count(*) FROM moderation.review_queue"), 200)

    # Decisions

    def test_decisions_send_and_are_written_down(self):
        stopped, reworded, masked, passed = (self.event(verdict=v) for v in ("reject", "discard", "mask", "allow"))
        sent = self.alice.execute(f"SELECT moderation.approve('{stopped}', 'harmless')").strip()
        self.assertEqual(self.bob.execute(f"SELECT moderation.approve('{stopped}')").strip(), sent, "the same once more")
        corrected = self.alice.execute(f"SELECT moderation.correct('{reworded}', 'so good', 'spelling')").strip()
        self.alice.execute(f"SELECT moderation.approve('{masked}', 'too eager')")
        self.refused(self.alice, f"SELECT moderation.approve('{passed}')", "was not stopped")
        self.refused(self.alice, f"SELECT moderation.correct('{passed}', '')", "there is no text to send")
        self.alice.execute(f"SELECT moderation.uphold('{passed}')")
        rows = {r["event_id"]: (r["decision"], r["decided_by"], r["overturned"], r["outbox_id"]) for r in self.database.rows(
            "SELECT event_id, decision, decided_by, overturned, outbox_id FROM moderation.review")}
        self.assertEqual(rows, {stopped: ("approve", "alice", True, sent), reworded: ("correct", "alice", False, corrected),
                                masked: ("approve", "alice", True, None), passed: ("uphold", "alice", False, None)})
        self.assertEqual([(r["outbox_id"], r["text"], r["asked_by"]) for r in self.database.rows(
            "SELECT outbox_id, text, asked_by FROM chatsluice.outbox ORDER BY asked_at")],
            [(sent, "so bad", "alice"), (corrected, "so good", "alice")])
        # By its After webhook, a message is the same one.
        before = self.event(random=77)
        after = self.event(verdict=None, command="after", random=77)
        self.alice.execute(f"SELECT moderation.uphold('{after}')")
        self.assertEqual(self.database.value("SELECT event_id FROM moderation.review WHERE decided_at = "
                                             "(SELECT max(decided_at) FROM moderation.review)"), before)

    def test_labels(self):
        event = self.event()
        self.alice.execute(f"SELECT moderation.annotate('{event}', 'benign', 'a song')")
        self.alice.execute(f"SELECT moderation.annotate('{event}', 'benign', 'a song')")
        self.bob.execute(f"SELECT moderation.annotate('{event}', 'spam')")
        self.alice.execute(f"SELECT moderation.annotate('{event}', 'benign', 'an old song')")
        self.assertEqual([(r["label"], r["note"], r["who"]) for r in self.alice.rows(
            "SELECT label, note, who FROM moderation.label ORDER BY label")],
            [("benign", "an old song", "alice"), ("spam", None, "bob")])
        self.assertEqual([a[:2] for a in self.actions()], [("alice", "annotate"), ("bob", "annotate"), ("alice", "annotate")])
        for label in ("'Benign'", "''", "NULL", "'x;'", "repeat('x', 65)"):
            self.refused(self.alice, f"SELECT moderation.annotate('{event}', {label})", "a label is")

    # The last word

    def test_an_approval_withdraws_what_rules_have_asked_for(self):
        event = self.event(verdict="discard", follow_ups=["mute 10m"])
        self.follow(event)
        self.alice.execute(f"SELECT moderation.approve('{event}')")
        self.assertEqual(self.withdrawn(), {"mute": "withdrawn: a person approved the message"})
        self.assertEqual(self.claimed_by_sender("mute"), [])

    def test_an_approval_holds_against_what_is_loaded_later(self):
        """The After webhook of a message approved meanwhile, and the second attempt of its client."""
        event = self.event(verdict="flag", random=5)
        self.alice.execute(f"SELECT moderation.approve('{event}')")
        self.follow(self.event(verdict=None, command="after", random=5, follow_ups=["recall", "mute 10m"]))
        self.follow(self.event(verdict="discard", random=5, follow_ups=["mute 10m"], apart="3 seconds"))
        self.assertEqual(self.claimed_by_sender("recall", "mute"), [])
        self.assertEqual(self.withdrawn(), dict.fromkeys(("recall", "mute"), "withdrawn: a person approved the message"))
        # Another message of the same person is another matter.
        self.follow(self.event(verdict="discard", random=6, follow_ups=["mute 10m"]))
        self.assertEqual(self.claimed_by_sender("mute"), ["mute"])

    def test_the_claim_itself_looks_for_decisions(self):
        """Nothing withdrew the row: it was not there yet for whoever decided. The claim looks for itself."""
        event = self.event(verdict="discard", follow_ups=["mute 10m"])
        self.follow(event)
        self.database.execute(
            "INSERT INTO chatsluice.review (room_id, event_time, event_id, sdkappid, account, received_at, state, decision, "
            "decided_by, decided_at, overturned) SELECT group_id, event_time, event_id, sdkappid, from_account, received_at, "
            f"'decided', 'approve', 'x', now(), true FROM chatsluice.event WHERE event_id = '{event}'; "
            "INSERT INTO chatsluice.moderator_action (room_id, who, action) VALUES ('room', 'x', 'approve')")
        self.assertEqual(self.claimed_by_sender("mute"), [])

    def test_a_retry_is_not_made_after_an_approval(self):
        """The mute is on its way when the person decides; when the platform refuses it for now, that was its last try."""
        event = self.event(verdict="discard", follow_ups=["mute 10m"])
        self.follow(event)
        self.assertEqual(self.claimed_by_sender("mute"), ["mute"])
        self.alice.execute(f"SELECT moderation.approve('{event}')")
        (row,) = self.database.rows("SELECT room_id, outbox_id, attempts FROM chatsluice.outbox WHERE cause = 'rule'")
        answer = [{"room": row["room_id"], "id": row["outbox_id"], "attempt": row["attempts"], "event": "busy"}]
        self.database.execute(f"SELECT chatsluice.outbox_answered('{json.dumps(answer)}')")
        self.assertEqual(self.claimed_by_sender("mute"), [])

    def test_a_correction_by_a_person_is_the_only_one(self):
        first, second = self.event(verdict="flag", random=5), self.event(verdict="flag", random=6)
        self.event(verdict=None, command="after", random=6)
        self.alice.execute(f"SELECT moderation.correct('{first}', 'better')")
        self.alice.execute(f"SELECT moderation.resend('{second}', 'better', recall => false)")
        for random in (5, 6):
            event = self.event(verdict=None, command="after", random=random, follow_ups=["recall", "resend", "mute 10m"])
            self.database.execute(f"UPDATE chatsluice.event SET rewritten = 'else' WHERE event_id = '{event}'")
            self.follow(event)
        self.database.execute("UPDATE chatsluice.outbox SET state = 'queued' WHERE state = 'held' AND cause = 'rule'")
        self.assertEqual(self.claimed_by_sender("send_text"), [])
        self.assertEqual(self.withdrawn()["send_text"], "withdrawn: a person corrected the message")

    def test_what_a_person_cancelled_stays_so(self):
        event = self.event(verdict="discard", random=5, follow_ups=["mute 10m"])
        self.follow(event)
        self.alice.execute("SELECT moderation.cancel(outbox_id, 'too hard') FROM moderation.correction")
        self.follow(self.event(verdict="discard", random=5, follow_ups=["mute 10m"], apart="2 seconds"))
        self.assertEqual(self.claimed_by_sender("mute"), [])
        self.assertIn("a person cancelled it for this message", self.database.execute("SELECT reason FROM chatsluice.outbox"))

    def test_a_persons_word_about_a_sender_is_the_last(self):
        """A mute for what was said before a person unmuted is not sent; nor one that would end a person's sooner."""
        event = self.event(verdict="discard", sender="ann", follow_ups=["mute 10m"], age="30 seconds")
        self.alice.execute("SELECT moderation.unmute('room', 'ann')")
        self.follow(event)
        self.alice.execute("SELECT moderation.mute('room', 'ben', '1 day')")
        self.follow(self.event(verdict="discard", sender="ben", follow_ups=["mute 10m"]))
        self.database.execute("UPDATE chatsluice.outbox SET state = 'done' WHERE cause = 'person'")
        self.assertEqual(self.claimed_by_sender("mute"), [])
        self.assertEqual(sorted(r["reason"] for r in self.database.rows(
            "SELECT reason FROM chatsluice.outbox WHERE state = 'cancelled'")),
            ["withdrawn: a person has muted the sender for longer", "withdrawn: a person has unmuted the sender since"])
        # What the sender says after that is a new matter, and so is a longer mute.
        self.follow(self.event(verdict="discard", sender="ann", follow_ups=["mute 10m"]))
        self.follow(self.event(verdict="discard", sender="ben", follow_ups=["mute 2d"]))
        self.assertEqual(self.claimed_by_sender("mute"), ["mute", "mute"])

    # Terms and rules

    def test_terms_and_rules_carry_their_author(self):
        self.database.execute("INSERT INTO chatsluice.term_list (name) VALUES ('words'); "
                              "INSERT INTO chatsluice.rule (name, definition) VALUES ('r', '{}')")
        tell = lambda sql: self.alice.execute(f"SELECT moderation.{sql}").strip()  # noqa: E731
        self.assertEqual(tell("add_term('words', 'Darn ', why => 'a raid')"), "added")
        self.assertEqual(tell("add_term('words', 'Darn ')"), "unchanged")
        self.assertEqual(tell("add_term('words', 'Darn ', now() + interval '2 hours')"), "shortened")
        self.assertEqual(tell("add_term('words', 'Darn ', now() + interval '3 hours')"), "extended")
        self.assertEqual(tell("add_term('words', 'Darn ', 'infinity')"), "kept for good")
        self.assertEqual(self.bob.execute("SELECT moderation.add_term('words', 'Darn ', now() + interval '1 hour')").strip(),
                         "shortened")
        self.assertEqual(self.alice.rows("SELECT list, term, author FROM moderation.term"),
                         [{"list": "words", "term": "Darn ", "author": "bob"}])
        for call, words in (("add_term('wrods', 'x')", "there is no term list wrods"), ("add_term('words', '')", "is empty"),
                            ("add_term('words', E' \\n')", "is empty"), ("add_term('words', NULL)", "is empty"),
                            ("add_term(NULL, 'x')", "there is no term list"), ("add_term('words', repeat('哈', 171))", "513 bytes"),
                            ("add_term('words', 'x', now())", "is over"), ("add_term('words', 'x', '-infinity')", "is over"),
                            ("remove_term('words', 'x')", "list words has no term x"),
                            ("remove_term('wrods', 'x')", "there is no term list"), ("shadow_rule('q')", "there is no rule q"),
                            ("enable_rule(NULL)", "there is no rule")):
            self.refused(self.alice, f"SELECT moderation.{call}", words)
        tell("remove_term('words', 'Darn ', 'over')")
        self.refused(self.alice, "SELECT moderation.remove_term('words', 'Darn ')", "has no term Darn")
        self.assertEqual([tell(f"{f}_rule('r', 'why')") for f in ("shadow", "shadow", "disable", "enable")],
                         ["enforce", "shadow", "shadow", "off"])
        self.assertEqual(self.alice.rows("SELECT rule, mode, author FROM moderation.rule"),
                         [{"rule": "r", "mode": "enforce", "author": "alice"}])
        self.assertEqual([a["detail"] for a in self.alice.rows(
            "SELECT detail FROM moderation.action WHERE action LIKE '%rule' ORDER BY at")],
            ["r: was enforce", "r: was shadow", "r: was off"])
        self.assertEqual(self.actions()[0], ("alice", "add_term", "a raid"))

    def test_what_cannot_be_published_is_refused_at_once(self):
        for call, words in (("publish('')", "a note is wanted"), ("publish(NULL)", "a note is wanted"),
                            ("publish('x', keep => '0')", "for a day at most"), ("publish('x', '{NULL}')", "names term lists"),
                            ("rollback('x', 7)", "there is no rule revision 7")):
            self.refused(self.alice, f"SELECT moderation.{call}", words)
        noticed = run("psql", "-X", "-q", self.alice.url, "-c", "SELECT moderation.publish('x')")
        self.assertIn("no running instance carries out publications", noticed.stderr)
        self.assertEqual(self.alice.rows("SELECT state, outcome, asked_by FROM moderation.publication"), [
            {"state": "waiting", "outcome": "no running instance carries out publications (rules.publish_requests)",
             "asked_by": "alice"}])
        self.database.execute("INSERT INTO chatsluice.publication_request (kind, asked_by, expires_at, note) SELECT 'publish', "
                              "'x', now() + interval '1 hour', 'x' FROM generate_series(1, 19)")
        self.refused(self.alice, "SELECT moderation.publish('x')", "20 publications wait already")


class Open:
    """A psql with a transaction that stays open."""
    def __init__(self, who):
        self.who = who

    def __enter__(self):
        self.psql = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", self.who.url], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
        self.say("BEGIN;")
        return self

    def say(self, sql):
        """Returns once it is done."""
        self.psql.stdin.write(f"{sql}\nSELECT 'done';\n")
        self.psql.stdin.flush()
        for line in self.psql.stdout:
            if line.strip() == "done":
                return

    def __exit__(self, *_):
        self.psql.communicate("ROLLBACK;\n", timeout=20)


if __name__ == "__main__":
    unittest.main()
