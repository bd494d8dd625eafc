"""What operators rely on: probes, metrics, reload, an orderly end, one owner of a spool, secrets that stay secret."""
import json
import unittest
from pathlib import Path

from chat import Webhooks, before
from database import Cluster
from harness import CHATSLUICE, SDKAPPID, TOKEN, EndToEnd, run, scaled, wait_for
from service import Service
from sim import Load, assert_exactly_once

RULES = Path(__file__).with_name("rules.yaml")


class Operations(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls)

    def posted(self, service, token=TOKEN, text="hello"):
        """The status of one webhook."""
        with Webhooks(service, token) as webhooks:
            return webhooks.post(before(text)).status

    # Probes and metrics -------------------------------------------------------------------------------------------

    def test_probes_answer_with_and_without_a_database(self):
        away = Service(self, name="no-database").start()
        here = Service(self, self.cluster.create_database()).start()
        for service in (away, here):
            with self.subTest(service.name):
                self.assertEqual(service.get("/healthz")[0], 200)
                self.assertEqual(service.get("/readyz")[0], 200, "a missing database is not unready")
                status, text = service.get("/version")
                self.assertEqual(status, 200)
                self.assertIn(run(CHATSLUICE, "--version").stdout.split()[-1], text)
                self.assertEqual(service.get("/nothing")[0], 404)
                self.assertEqual(service.get("/metrics", "POST")[0], 405)
                self.assertEqual(service.get("/webhook")[0], 404, "webhooks have an address of their own")

    def test_metrics_count_what_happened(self):
        service = Service(self, self.cluster.create_database()).start()
        service.publish(RULES)
        start = service.metrics()
        with Webhooks(service) as webhooks:
            for text in ("fine", "fine", "oh darn it", "casino night", "buy buy buy"):
                webhooks.post(before(text))
            webhooks.post(before("x"), token="wrong")
        service.wait_loaded()
        end = service.metrics()
        grown = {key: end[key] - start[key] for key in end if end[key] != start.get(key)}
        expected = {
            'chatsluice_webhooks_total{command="before"}': 5, 'chatsluice_verdicts_total{verdict="allow"}': 2,
            'chatsluice_verdicts_total{verdict="mask"}': 1, 'chatsluice_verdicts_total{verdict="reject"}': 1,
            'chatsluice_verdicts_total{verdict="discard"}': 1, 'chatsluice_refused_total{reason="signature"}': 1,
            "chatsluice_spool_appended_total": 5, "chatsluice_loader_rows_total": 5,
            'chatsluice_webhook_seconds_count{command="before"}': 5,
        }
        self.assertEqual({key: grown.get(key, 0) for key in expected}, expected)
        self.assertEqual(end["chatsluice_database_up"], 1)
        self.assertGreater(end["chatsluice_rule_revision"], 0)
        top = 'chatsluice_webhook_seconds_bucket{command="before",le="2"}'
        self.assertIn(top, end, "the platform's own limit is a bucket")

    # Reload -------------------------------------------------------------------------------------------------------

    def test_tokens_rotate_without_a_restart(self):
        service = Service(self).start()
        self.assertEqual(self.posted(service), 200)
        self.assertEqual(self.posted(service, "new-token"), 403)
        (app,) = service.config["apps"]
        app |= {"token": "new-token", "previous_token": TOKEN}
        service.write_config()
        service.reload()
        wait_for(lambda: self.posted(service, "new-token") == 200, "the new token to be accepted")
        self.assertEqual(self.posted(service, TOKEN), 200, "the previous one is still good")
        self.assertEqual(self.posted(service, "neither"), 403)
        del app["previous_token"]
        service.write_config()
        service.reload()
        wait_for(lambda: self.posted(service, TOKEN) == 403, "the previous token to be refused")
        self.assertEqual(self.posted(service, "new-token"), 200)

    def test_a_bad_configuration_is_named_and_not_taken(self):
        service = Service(self).start()
        good = service.config_path.read_text()
        service.config_path.write_text("webhook:\n  listen: 127.0.0.1:0\n  deadlin: 1s\nspool:\n"
                                       "  max_bytes: much\napps:\n  - sdkappid: 1\n")
        service.reload()
        for place in (f"{service.config_path}:3:3", f"{service.config_path}:5:14"):
            wait_for(lambda: place in service.log(), f"a log line that names {place}")
        self.assertIn("deadline", service.log(), "a suggestion")
        self.assertEqual(self.posted(service), 200, "the old configuration still holds")
        service.config_path.write_text(good.replace(TOKEN, "later-token"))
        service.reload()
        wait_for(lambda: self.posted(service, "later-token") == 200, "a good configuration to be taken again")

    def test_what_needs_a_restart_is_said(self):
        service = Service(self).start()
        service.config["webhook"]["threads"] = 31
        service.write_config()
        service.reload()
        wait_for(lambda: "webhook.threads" in service.log(), "the log to name webhook.threads")
        self.assertEqual(self.posted(service), 200)

    # The end ------------------------------------------------------------------------------------------------------

    def test_no_reply_is_lost_when_it_is_asked_to_end(self):
        """Every webhook that was recorded has been answered, and every one answered is recorded: the ledger and the
        table hold the same keys. What comes after the end meets a closed port, and is in neither."""
        database = self.cluster.create_database()
        service = Service(self, database).fix_ports().start()
        load = Load(self, service, rate=scaled(1000, 200), connections=12)
        for _ in range(3):
            wait_for(lambda: service.metrics()["chatsluice_spool_appended_total"] > scaled(300, 50), "traffic", 60)
            service.terminate()
            service.start()
        summary = load.finish()
        self.assertEqual(summary["refused"], 0, summary)
        service.wait_loaded()
        assert_exactly_once(self, load, database, nothing_else=True)
        service.terminate()

    def test_a_spool_has_one_owner(self):
        first = Service(self, name="first").start()
        second = Service(self, name="second", spool_directory=first.spool)
        second.spawn(CHATSLUICE, "serve", "--config", second.config_path)
        self.assertEqual(second.wait(), 1)
        self.assertIn(str(first.popen.pid), second.log())
        self.assertIn(str(first.spool), second.log())
        self.assertEqual(self.posted(first), 200)
        first.terminate()
        second.start()
        self.assertEqual(self.posted(second), 200)

    def test_a_port_that_is_taken_is_named(self):
        first = Service(self, name="first").start()
        second = Service(self, name="second", webhook={"listen": f"127.0.0.1:{first.webhook_port}"})
        second.spawn(CHATSLUICE, "serve", "--config", second.config_path)
        self.assertEqual(second.wait(), 1)
        self.assertIn(f"127.0.0.1:{first.webhook_port}", second.log())

    # Secrets ------------------------------------------------------------------------------------------------------

    def test_secrets_and_message_text_stay_where_they_belong(self):
        token, password, text, number = "PLANTED-TOKEN-1", "PLANTED-PASSWORD-2", "PLANTED-TEXT darn 3", "13800138000"
        database = self.cluster.create_database()
        database.url = database.url.replace("user=postgres", f"user=postgres&password={password}")
        for log in ({"format": "json"}, {"format": "logfmt"}):
            service = Service(self, database, name=f"serve-{log['format']}", log={"level": "debug", "format": "json"},
                              apps=[{"sdkappid": SDKAPPID, "token": token}]).start()
            service.publish(RULES)
            service.config["log"] |= log
            service.write_config()
            service.reload()
            with Webhooks(service, token) as webhooks:
                for body in (before(f"{text} {number}"), before(text, CloudCustomData=text), b'{"bad": "' + text.encode()):
                    webhooks.post(body)
                webhooks.post(before(text), token=token + "x")
                webhooks.post(before(text), age_s=200)
                sign = dict(p.split("=") for p in webhooks.query("x", token).split("&"))["Sign"]
            service.wait_loaded()
            self.cluster.stop("immediate")
            wait_for(lambda: service.metrics()["chatsluice_database_up"] == 0, "the loss to be noticed")
            seen = {"argv": Path(f"/proc/{service.popen.pid}/cmdline").read_text()}
            for path in ("/metrics", "/readyz", "/healthz", "/version"):
                seen[path] = service.get(path)[1]
            check = service.cli("check")
            migrate = service.cli("migrate")  # cannot reach the database, and has to say so without its password
            self.assertEqual(migrate.returncode, 1)
            seen |= {"check": check.stdout + check.stderr, "migrate": migrate.stdout + migrate.stderr}
            self.cluster.start()
            service.terminate()
            seen["log"] = service.log()
            for where, output in seen.items():
                for planted in ("PLANTED", number, sign):
                    self.assertNotIn(planted, output, f"{planted} in {where}")

    def test_log_lines_are_logfmt_or_json(self):
        plain = Service(self, name="logfmt", log={"format": "json", "level": "info"}).start()
        for line in plain.log().splitlines():
            self.assertLessEqual({"time", "level", "msg"}, json.loads(line).keys())
        plain.config["log"]["format"] = "logfmt"
        plain.write_config()
        plain.reload()
        wait_for(lambda: "time=20" in plain.log(), "a logfmt line")
        self.assertRegex(plain.log().splitlines()[-1], r"^time=\S+Z level=\w+ msg=")


if __name__ == "__main__":
    unittest.main()
