"""Tamper evidence with the real programs: what the service stored and signed is verified, then each way of changing it
behind its back is tried, and has to be found and named."""
import contextlib
import json
import re
import unittest

from chat import Webhooks, after, before
from database import Cluster
from harness import ROOT, EndToEnd, Folder, run, run_ok, wait_for
from service import Service

RULES = """
rules:
  - rule: bad
    when: before
    match: { regex: 'bad' }
    action: mask
"""
# As it stands in the README.
CHECK = re.search(r"```sh\n(set -eu\nsha\(\).*?)```", (ROOT / "README.md").read_text(), re.S)[1]


class Audit(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.database = Cluster(cls).create_database()
        cls.folder = Folder(cls).path
        cls.key = cls.folder / "audit.pem"
        cls.public = cls.folder / "public.pem"
        run_ok("openssl", "genpkey", "-algorithm", "ed25519", "-out", cls.key)
        run_ok("openssl", "pkey", "-in", cls.key, "-pubout", "-out", cls.public)
        cls.service = Service(cls, cls.database, audit={"key_file": str(cls.key), "checkpoint_interval": "200ms"})
        cls.service.start()
        cls.service.publish(RULES)
        with Webhooks(cls.service) as webhooks:
            for part in range(3):
                for i in range(40):
                    sent = before(f"so bad {part} {i}", group=f"room-{i % 3}", sender=f"viewer_{i % 7}",
                                  CloudCustomData='{"b":1,"a":[1.50,1e2],"\\u00e9":null}')
                    webhooks.post(sent)
                    told = after(sent)
                    webhooks.post(told)
                webhooks.post(told)  # delivered twice
                cls.service.wait_loaded()
                block = cls.database.value("SELECT chain_block FROM chatsluice.spool_position")
                wait_for(lambda: cls.database.value("SELECT max(block) FROM chatsluice.checkpoint") == block, "a checkpoint")
        cls.service.terminate()
        cls.file = cls.service.spool / "checkpoints"
        cls.tables = ["chatsluice.event", "chatsluice.chain_block", "chatsluice.checkpoint", "chatsluice.spool_position"]

    def verify(self, *options, checkpoints=True):
        kept = ("--checkpoints", self.file) if checkpoints else ()
        ended = self.service.cli("audit", "verify", "--public-key", self.public, "--json", *kept, *options)
        self.assertIn(ended.returncode, (0, 1), ended.stderr)
        report = json.loads(ended.stdout)
        self.assertEqual(ended.returncode, 0 if report["clean"] else 1)
        return report

    @contextlib.contextmanager
    def tampered(self, *statements):
        """What the statements do to the tables, and everything as it was afterwards."""
        copies = {t: "copy_of_" + t.removeprefix("chatsluice.").replace(".", "_") for t in self.tables}
        self.database.execute("BEGIN; " + "; ".join(f"CREATE TABLE {copy} AS TABLE {t}" for t, copy in copies.items())
                              + "; " + "; ".join(statements) + "; COMMIT")
        try:
            yield
        finally:
            self.database.execute("BEGIN; " + "; ".join(f"DELETE FROM {t}; INSERT INTO {t} SELECT * FROM {copy}; "
                                                        f"DROP TABLE {copy}" for t, copy in copies.items()) + "; COMMIT")

    def assert_found(self, statements, *expected, checkpoints=True):
        """expected: what, and the numbers, in order; the first is the first that is named."""
        with self.tampered(*statements):
            report = self.verify(checkpoints=checkpoints)
        found = [(f["what"], f["seq"]) for f in report["findings"]]
        self.assertEqual(found, list(expected), report["findings"])
        return report["findings"]

    def row(self, seq):
        (row,) = self.database.rows(f"SELECT event_id, group_id FROM chatsluice.event WHERE spool_seq = {seq}")
        return row

    def test_what_was_loaded_is_clean(self):
        report = self.verify()
        self.assertEqual(report["findings"], [])
        self.assertTrue(report["clean"])
        self.assertEqual((report["rows"], report["duplicates"], report["spools"]), (240, 3, 1))
        self.assertGreaterEqual(report["checkpoints"], 6, "of the table and the file")
        self.assertEqual(report["checkpoints_checked"] * 2, report["checkpoints"])
        text = self.service.cli_ok("audit", "verify")
        self.assertIn("nothing was changed, removed or inserted", text)

    def test_checkpoints_are_what_openssl_takes(self):
        for line in self.file.read_text().splitlines():
            text, signature = line.split(" signature=")
            (self.folder / "text").write_text(text)
            run_ok("sh", "-c", f"printf %s '{signature}' | openssl base64 -d -A > '{self.folder}/signature'")
            run_ok("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", self.public, "-rawin", "-in", self.folder / "text",
                   "-sigfile", self.folder / "signature")

    CHANGES = (
        "raw = set_byte(raw, 20, get_byte(raw, 20) # 1)", "verdict = 'allow'", "decided_by = 'deadline'",
        "hits = jsonb_set(hits, '{0,rule}', '\"worse\"')", "hits = NULL", "text = text || ' '", "rewritten = NULL",
        "received_at = received_at + interval '1 microsecond'", "rule = 'other'", "rule_revision = rule_revision + 1",
        "from_account = 'somebody'", "client_ip = NULL", "salt = set_byte(salt, 0, get_byte(salt, 0) # 128)", "salt = NULL",
        "command = 'other'", "erased_at = now()", "personal_digest = sha256('x')", "follow_ups = '[\"resend\"]'",
        "platform = 'x'", "cloud_custom_data_json = '{\"b\":2}'", "cloud_custom_data_json = NULL",
        "event_id = gen_random_uuid()", "group_id = 'elsewhere'")

    def test_changed_rows(self):
        """Each change to a row of its own; all are found, the first first, and the row is named."""
        seqs = [21 + 2 * i for i in range(len(self.CHANGES))]
        rows = {r["spool_seq"]: r for r in self.database.rows("SELECT spool_seq, event_id, group_id FROM chatsluice.event")}
        findings = self.assert_found([f"UPDATE chatsluice.event SET {change} WHERE spool_seq = {seq} AND rule = 'bad'"
                                      for change, seq in zip(self.CHANGES, seqs)], *(("changed", seq) for seq in seqs))
        for finding in findings[:-2]:
            row = rows[finding["seq"]]
            self.assertEqual((finding["event_id"], finding["room"]), (row["event_id"], row["group_id"]))

    def test_a_deleted_row(self):
        (finding,) = self.assert_found(["DELETE FROM chatsluice.event WHERE spool_seq = 33"], ("missing", 33))
        self.assertGreater(finding["block"], 0)

    def test_a_swapped_pair(self):
        one, other = self.row(15), self.row(101)
        findings = self.assert_found(
            ["UPDATE chatsluice.event SET spool_seq = CASE spool_seq WHEN 15 THEN 101 ELSE 15 END "
             "WHERE spool_seq IN (15, 101)"], ("order swapped", 15), ("order swapped", 101))
        self.assertEqual([f["event_id"] for f in findings], [one["event_id"], other["event_id"]])
        self.assertIn("spool_seq is now 101", findings[0]["detail"])

    def test_an_inserted_row(self):
        copy = ("CREATE TEMPORARY TABLE one AS SELECT * FROM chatsluice.event WHERE spool_seq = 50 LIMIT 1; "
                "UPDATE one SET event_id = gen_random_uuid(){}; INSERT INTO chatsluice.event SELECT * FROM one; "
                "DROP TABLE one")
        changes = ("", ", spool_seq = 100000", ", spool_seq = 0", ", spool_seq = 0, salt = NULL",
                   ", spool_id = 'ffffffff-ffff-4fff-bfff-ffffffffffff'")
        findings = self.assert_found([copy.format(change) for change in changes],
                                     *(("inserted", seq) for seq in (50, 100000, 0, 0, 50)))
        self.assertTrue(all(f["event_id"] for f in findings))

    def test_an_altered_block(self):
        changes = ("leaves = set_byte(leaves, 40, get_byte(leaves, 40) # 1)", "loaded_at = loaded_at - interval '1 s'",
                   "previous_hash = sha256(hash)", "leaves_digest = sha256('x')", "hash = sha256(hash)")
        blocks = self.database.value("SELECT max(block) FROM chatsluice.chain_block")
        for at in range(0, len(changes), blocks):
            now = changes[at:at + blocks]
            with self.tampered(*(f"UPDATE chatsluice.chain_block SET {change} WHERE block = {i + 1}"
                                 for i, change in enumerate(now))):
                found = {f["block"] for f in self.verify()["findings"] if f["what"] == "block altered"}
            self.assertLessEqual(set(range(1, len(now) + 1)), found)

    def test_a_removed_block(self):
        with self.tampered("DELETE FROM chatsluice.event WHERE spool_seq BETWEEN (SELECT first_seq FROM "
                           "chatsluice.chain_block WHERE block = 2) AND (SELECT last_seq FROM chatsluice.chain_block WHERE "
                           "block = 2)", "DELETE FROM chatsluice.chain_block WHERE block = 2"):
            report = self.verify()
        self.assertEqual([(f["what"], f["block"]) for f in report["findings"]], [("chain cut", 3)])

    TRUNCATE = ("DELETE FROM chatsluice.event WHERE spool_seq > (SELECT last_seq FROM chatsluice.chain_block WHERE block = "
                "(SELECT min(block) FROM chatsluice.checkpoint))",
                "DELETE FROM chatsluice.chain_block WHERE block > (SELECT min(block) FROM chatsluice.checkpoint)",
                "UPDATE chatsluice.spool_position p SET (seq, chain_block, chain_hash) = (SELECT last_seq, block, hash FROM "
                "chatsluice.chain_block ORDER BY block DESC LIMIT 1)")

    def test_a_truncated_chain(self):
        findings = self.assert_found(self.TRUNCATE[:2], ("chain cut", 0), ("chain cut", 0), checkpoints=False)
        (finding,) = self.assert_found(self.TRUNCATE, ("chain cut", 0), checkpoints=False)
        forget = (*self.TRUNCATE, "DELETE FROM chatsluice.checkpoint WHERE number > 1")
        self.assert_found(forget, checkpoints=False)
        (finding,) = self.assert_found(forget, ("chain cut", 0))
        self.assertIn("the chain ends at block", finding["detail"])
        everything = [f"DELETE FROM chatsluice.{t}" for t in ("event", "chain_block", "checkpoint", "spool_position")]
        self.assert_found(everything, ("chain cut", 0))

    def test_a_rewritten_history(self):
        """Everything made anew by someone with all rights on the database, but without the key."""
        rewrite = ["UPDATE chatsluice.chain_block SET leaves = set_byte(leaves, 40, get_byte(leaves, 40) # 1) "
                   "WHERE block = 1", "UPDATE chatsluice.chain_block SET leaves_digest = sha256(leaves)"]
        with self.tampered(*rewrite):
            report = self.verify()
        self.assertIn(("block altered", 1), [(f["what"], f["block"]) for f in report["findings"]])

    def test_a_forged_checkpoint(self):
        forge = "UPDATE chatsluice.checkpoint SET line = replace(line, 'last_seq=', 'last_seq=1') WHERE number = 2"
        (finding,) = self.assert_found([forge], ("checkpoint forged", 0))
        self.assertIn("checkpoint 2 has a signature that does not fit", finding["detail"])
        other = self.folder / "other.pem"
        run_ok("openssl", "genpkey", "-algorithm", "ed25519", "-out", other)
        run_ok("openssl", "pkey", "-in", other, "-pubout", "-out", f"{other}.public")
        ended = self.service.cli("audit", "verify", "--public-key", f"{other}.public", "--json")
        self.assertEqual({f["what"] for f in json.loads(ended.stdout)["findings"]}, {"checkpoint forged"})
        self.assert_found(["DELETE FROM chatsluice.checkpoint WHERE number = 2"], ("checkpoint missing", 0),
                          checkpoints=False)

    def test_erasing_a_person_keeps_the_chain(self):
        erase = "SELECT moderation.erase_sender('viewer_3', 'viewer_3 asks for it')"
        with self.tampered(erase):
            report = self.verify()
            self.assertEqual(report["findings"], [])
            self.assertEqual((report["rows"], report["erased"]), (240, 36))
            for table in ("event", "moderator_action", "erasure"):
                self.assertEqual(self.database.value(f"SELECT count(*) FROM chatsluice.{table} t WHERE t::text LIKE "
                                                     "'%viewer\\_3%'"), 0, table)
            self.assertEqual(self.database.value("SELECT count(DISTINCT from_account) FROM chatsluice.event WHERE erased_at "
                                                 "IS NOT NULL AND from_account LIKE 'erased-%' AND raw = ''"), 1)
            (action,) = self.database.rows("SELECT * FROM chatsluice.moderator_action WHERE action = 'erase_sender'")
            self.assertEqual((len(action["account"]), action["detail"]), (64, "36 events"))
            # What is left of an erased row is as safe as the others, and none is erased without a record.
            one = "(SELECT min(spool_seq) FROM chatsluice.event WHERE erased_at IS NOT NULL)"
            for change in ("personal_digest = sha256('x')", "text = 'planted'", "verdict = 'reject'",
                           "erased_at = erased_at + interval '1 microsecond'"):
                kept = self.database.execute(f"SELECT {change.split(' ')[0]} FROM chatsluice.event WHERE spool_seq = {one}")
                self.database.execute(f"UPDATE chatsluice.event SET {change} WHERE spool_seq = {one}")
                self.assertEqual([f["what"] for f in self.verify()["findings"]], ["changed"], change)
                value = f"'{kept.strip()}'" if kept.strip() else "NULL"
                self.database.execute(f"UPDATE chatsluice.event SET {change.split(' ')[0]} = {value} WHERE spool_seq = {one}")
            self.assertTrue(self.verify()["clean"])
            self.database.execute("UPDATE chatsluice.erasure SET events = 1")
            self.assertEqual([f["what"] for f in self.verify()["findings"]], ["block altered"])
        self.database.execute("TRUNCATE chatsluice.erasure; DELETE FROM chatsluice.moderator_action")

    def check(self, folder):
        return run("sh", "-c", f"cd '{folder}'\n{CHECK}")

    def test_an_export_is_checked_with_openssl_alone(self):
        room = self.folder / "room"
        self.service.cli_ok("audit", "export", "--room", "room-1", "--from", "1h", "--to-directory", room)
        (spool,) = room.iterdir()
        checked = self.check(spool)
        self.assertEqual((checked.returncode, checked.stdout.splitlines()[-1]), (0, "all fits"), checked.stderr)
        bodies = {json.loads(f.read_bytes())["GroupId"] for f in (spool / "events").glob("*.raw")}
        self.assertEqual(bodies, {"room-1"})
        self.assertEqual(len(list((spool / "events").glob("*.raw"))), self.database.value(
            "SELECT count(*) FROM chatsluice.event WHERE group_id = 'room-1'"))
        # One bit anywhere, and it does not fit.
        files = [*spool.glob("events/*"), *spool.glob("blocks/*"), spool / "checkpoint.txt", spool / "checkpoint.sig"]
        kinds = {f.suffix: f for f in files}
        self.assertLessEqual({".open", ".personal", ".salt", ".raw", ".header", ".digest", ".leaves", ".sig"}, set(kinds))
        for file in kinds.values():
            kept = file.read_bytes()
            file.write_bytes(bytes([*kept[:-1], kept[-1] ^ 1]))
            self.assertNotEqual(self.check(spool).returncode, 0, file)
            file.write_bytes(kept)
        self.assertEqual(self.check(spool).returncode, 0)
        # An erased event is proven, too.
        one = self.folder / "one"
        with self.tampered("SELECT moderation.erase_sender('viewer_2', 'asked')"):
            event = self.database.value("SELECT min(event_id::text) FROM chatsluice.event WHERE erased_at IS NOT NULL")
            self.service.cli_ok("audit", "export", "--event", event, "--to-directory", one)
        self.database.execute("TRUNCATE chatsluice.erasure; DELETE FROM chatsluice.moderator_action")
        (spool,) = one.iterdir()
        self.assertEqual(self.check(spool).returncode, 0)
        self.assertEqual(sorted(f.suffix for f in (spool / "events").iterdir()), [".digest", ".open"])
        # What was changed is not exported with a proof it has not.
        with self.tampered("UPDATE chatsluice.event SET text = 'x' WHERE spool_seq = 21"):
            ended = self.service.cli("audit", "export", "--room", self.row(21)["group_id"], "--to-directory",
                                     self.folder / "never")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("is not what was loaded", ended.stderr)

    def test_a_period(self):
        report = self.verify("--from", "1h")
        self.assertEqual((report["clean"], report["rows"]), (True, 240))
        report = self.verify("--to", "1h")
        self.assertEqual((report["clean"], report["rows"]), (True, 0))
        with self.tampered("DELETE FROM chatsluice.event WHERE spool_seq = 33"):
            self.assertFalse(self.verify("--from", "1h")["clean"])
            self.assertTrue(self.verify("--to", "1h")["clean"])


if __name__ == "__main__":
    unittest.main()
