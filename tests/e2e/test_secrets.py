"""Planted secrets and message text must not turn up where they do not belong: logs at level debug, error texts, probes,
metrics, argv, other processes. What is planted is looked for as it is and in every form it might take on its way."""
import base64
import hashlib
import json
import re
import threading
import unittest
from pathlib import Path
from urllib.parse import quote

from chat import AFTER, BEFORE, Webhooks, after, before, text_element
from database import Cluster
from harness import CHATSLUICE, SDKAPPID, EndToEnd, clean_environment, run, wait_for
from service import Service

RULES = Path(__file__).with_name("rules.yaml")

SECRETS = {
    "token": "PlantedToken+1/k9Q7", "previous token": "PlantedEarlier_2&x", "database password": "PlantedPassword#3 z",
    "secret key": hashlib.sha256(b"planted").hexdigest(), "token of the environment": "PlantedEnvironment=4",
}
MESSAGES = {
    "text": "planted text darn 'quoted' 5", "text of an unreadable body": "planted unreadable six",
    "CloudCustomData": "planted custom data seven", "text of a custom element": "planted element eight",
    "text of a poison record": "planted poison nine", "number": "13800138000",
}


def forms(planted):
    """The thing itself, quoted and encoded."""
    raw = planted.encode()
    encoded = {planted, quote(planted), quote(planted, safe=""), json.dumps(planted)[1:-1], raw.hex(),
               planted.replace("'", "''")}
    for shift in range(3):  # base64 of a text that holds it
        encoded.add(base64.b64encode(b"x" * shift + raw)[4 if shift else 0:-4].decode())
    return {form for form in encoded if len(form) > 6}


class Collected:
    """What was put out, by where; and the search in it."""
    def __init__(self, test):
        self.test, self.outputs = test, {}
        self.signatures = set()

    def add(self, where, output):
        self.outputs[where] = self.outputs.get(where, "") + output

    def run(self, where, done):
        self.add(where, done.stdout + done.stderr)
        return done

    def assert_nothing_planted(self, planted):
        searched = 0
        for where, output in self.outputs.items():
            for name, value in planted.items():
                for form in forms(value):
                    searched += 1
                    self.test.assertNotIn(form, output, f"{name} in {where}")
            for signature in self.signatures:
                self.test.assertNotIn(signature, output, f"a signature in {where}")
        self.test.assertGreater(searched, 50)


class Neighbours:
    """Looks at every process there is, again and again: arguments of all, and whose children there are."""
    def __init__(self, collected):
        self.collected, self.children, self.stopping = collected, {}, threading.Event()
        self.pids = set()
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(30)

    def work(self):
        seen = set()
        while not self.stopping.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    arguments = (process / "cmdline").read_bytes().decode(errors="replace")
                    parent = int(re.search(r"^PPid:\s+(\d+)", (process / "status").read_text(), re.M)[1])
                except (OSError, TypeError):
                    continue
                if parent in self.pids:
                    self.children[int(process.name)] = arguments
                if arguments not in seen and "chatsluice" in arguments.split("\0")[0]:
                    seen.add(arguments)
                    self.collected.add("argv", arguments + "\n")


class SecretsTest(EndToEnd):
    def setUp(self):
        self.collected = Collected(self)

    def service_with_secrets(self, database, **sections):
        """All of them given as files or in the configuration, and one in the environment."""
        service = Service(self, database, log={"level": "debug", "format": "json"}, **sections)
        for name in ("token", "previous token", "secret key"):
            (service.folder / name.replace(" ", "-")).write_text(SECRETS[name] + "\n")
        service.config["apps"] = [{
            "sdkappid": SDKAPPID, "token_file": str(service.folder / "token"), "admin": "administrator",
            "previous_token_file": str(service.folder / "previous-token"), "rest_api": "http://127.0.0.1:1",
            "secret_key_file": str(service.folder / "secret-key")}]
        if database:
            password = quote(SECRETS["database password"], safe="")
            service.config["database"]["url"] = database.url.replace("user=postgres", f"user=postgres&password={password}")
        service.write_config()
        return service

    def traffic(self, service):
        with Webhooks(service, SECRETS["token"]) as webhooks:
            def post(*arguments, **options):
                reply = webhooks.post(*arguments, **options)
                if reply.status != 200:  # what an answer repeats is the sender's own, but a refusal repeats nothing
                    self.collected.add("refusals", reply.bytes.decode())
                query = webhooks.query(BEFORE, options.get("token") or SECRETS["token"])
                self.collected.signatures.add(re.search("Sign=([0-9a-f]+)", query)[1])
                return reply.status
            element = {"MsgType": "TIMCustomElem", "MsgContent": {"Data": MESSAGES["text of a custom element"], "Desc": "",
                                                                  "Ext": "", "Sound": ""}}
            sent = before(f"{MESSAGES['text']} {MESSAGES['number']}", CloudCustomData=MESSAGES["CloudCustomData"])
            unreadable = b'{"MsgBody": [{"' + MESSAGES["text of an unreadable body"].encode()
            self.assertEqual(post(sent), 200)
            self.assertEqual(post(sent, token=SECRETS["previous token"]), 200)
            self.assertEqual(post(before(elements=[text_element("x"), element])), 200)
            self.assertEqual(post(after(sent)), 200)
            self.assertEqual(post(before(MESSAGES["text of a poison record"])), 200)
            for body in (unreadable, b'"' + unreadable, unreadable + b"\xff", unreadable + b'":\x00}'):
                self.assertEqual(post(body), 200)
                self.assertEqual(post(body, command=AFTER), 400)
            for wrong in ({"token": SECRETS["token"] + "x"}, {"age_s": 300}, {"Sign": SECRETS["token"]},
                          {"Sign": None}, {"RequestTime": SECRETS["token"]}, {"SdkAppid": SECRETS["token"]}):
                self.assertEqual(post(sent, **wrong), 403)
            self.assertEqual(post(sent, path="/" + quote(MESSAGES["text"])), 404)
            self.assertEqual(post(sent, CallbackCommand=MESSAGES["text"]), 200)  # the URL names another command

    def test_serving(self):
        database = Cluster(self).create_database()
        database.execute("ALTER TABLE chatsluice.event ADD CONSTRAINT poison CHECK (text NOT LIKE '%poison%')")
        service = self.service_with_secrets(database)
        environment = clean_environment(CHATSLUICE_APPS_2_SDKAPPID="1400000002",
                                        CHATSLUICE_APPS_2_TOKEN=SECRETS["token of the environment"])
        with Neighbours(self.collected) as neighbours:
            service.spawn(CHATSLUICE, "serve", "--config", service.config_path, environment=environment)
            neighbours.pids.add(service.popen.pid)
            serving = service.wait_event("serving")
            service.webhook_port = int(serving["listen"].rsplit(":", 1)[1])
            service.operations_port = int(serving["operations"].rsplit(":", 1)[1])
            service.publish(RULES)
            self.traffic(service)
            service.wait_loaded()
            wait_for(lambda: service.metrics()["chatsluice_loader_dead_letters_total"] > 0, "the poison to be parked")
            service.config["log"]["format"] = "logfmt"
            service.write_config()
            service.reload()
            wait_for(lambda: "configuration taken over" in service.log(), "the reload")
            self.traffic(service)
            good = service.config_path.read_text()
            for fault in (f"tokn: {SECRETS['token']}", "token: [" + json.dumps(SECRETS["token"]) + "]",
                          f"sdkappid: {SECRETS['token']}"):
                service.config_path.write_text(f"apps:\n  - {fault}\n")
                service.reload()
                wait_for(lambda: service.log().count("configuration refused") > 0, "the fault to be named")
            service.config_path.write_text(good)
            for command in (["check"], ["rules", "list"], ["rules", "history"], ["spool", "status"], ["spool", "verify"]):
                self.collected.run(" ".join(command), service.cli(*command))
            database.execute("ALTER TABLE chatsluice.event RENAME TO event_away")  # the database refuses everything
            self.traffic(service)
            wait_for(lambda: service.metrics()["chatsluice_loader_failures_total"] > 0, "the refusal to be felt")
            database.execute("ALTER TABLE chatsluice.event_away RENAME TO event")
            service.wait_loaded()
            for path in ("/metrics", "/readyz", "/healthz", "/version", "/nothing"):
                self.collected.add(path, service.get(path)[1])
            service.terminate()
        children = [arguments for arguments in neighbours.children.values()  # the leak checker forks as it looks through
                    if not ("address" in CHATSLUICE.parent.name and arguments.startswith(str(CHATSLUICE)))]
        self.assertEqual(children, [], "the service starts no other program")
        self.collected.add("log", service.log() + service.output())
        self.collected.add("reasons of dead letters", database.execute("SELECT error FROM chatsluice.dead_letter"))
        self.assertIn("argv", self.collected.outputs)
        for phrase in ("parked", "unreadable", "not authenticated", "configuration refused", "debug"):
            self.assertIn(phrase, self.collected.outputs["log"] + '"level":"debug"', "the log was written")
        self.collected.assert_nothing_planted(SECRETS | MESSAGES)

    def test_faults_of_the_configuration(self):
        """Every command that reads it names what is wrong, and repeats no secret."""
        service = self.service_with_secrets(None)
        password = SECRETS["database password"]
        url = f"postgresql://user:{quote(password, safe='')}@127.0.0.1"
        faulty = {
            "unknown key": {"apps": [{"sdkappid": 1, "tokn": SECRETS["token"]}]},
            "a list": {"apps": [{"sdkappid": 1, "token": [SECRETS["token"]]}]},
            "a mapping": {"apps": [{"sdkappid": 1, "token": {SECRETS["token"]: 1}}]},
            "in another key": {"apps": [{"sdkappid": SECRETS["token"], "token": SECRETS["token"]}]},
            "token as its file": {"apps": [{"sdkappid": 1, "token_file": SECRETS["token"]}]},
            "too long": {"apps": [{"sdkappid": 1, "token": SECRETS["token"] * 1000}]},
            "twice": {"apps": [{"sdkappid": 1, "token": SECRETS["token"], "token_file": str(service.folder / "token")}]},
            "key of the API": {"apps": [{"sdkappid": 1, "token": "t", "secret_key": SECRETS["secret key"] * 50}]},
            "a port": {"database": {"url": f"{url}:99999/x"}}, "nobody there": {"database": {"url": f"{url}:1/x"}},
            "an option": {"database": {"url": f"{url}/x?conect_timeout=1"}},
            "words": {"database": {"url": f"host=127.0.0.1 port=1 password='{password}' nonsense=1"}},
            "unquoted": {"database": {"url": f"host=127.0.0.1 port=1 password={password}"}},
            "two hosts": {"database": {"url": f"postgresql://u:{quote(password, safe='')}@127.0.0.1:1,127.0.0.1:2/x"}},
        }
        good = dict(service.config)
        for name, fault in faulty.items():
            with self.subTest(name):
                service.config = good | fault
                service.write_config()
                refused = 0
                for command in (["check"], ["migrate"], ["rules", "list"], ["rules", "publish", "--note", "x"]):
                    done = self.collected.run(f"{command[0]} with {name}", service.cli(*command))
                    refused += done.returncode != 0
                self.assertGreater(refused, 0)
        for broken in (f"apps:\n  - token: \"{SECRETS['token']}\n", f"apps: [{{token: {SECRETS['token']}\n",
                       f"{SECRETS['token']}\n", f"apps:\n\t- token: {SECRETS['token']}\n"):
            service.config_path.write_text(broken)
            self.assertNotEqual(self.collected.run("check of broken YAML", service.cli("check")).returncode, 0)
        service.config = good
        service.write_config()
        for variable in ("CHATSLUICE_APPS_1_TOKN", "CHATSLUICE_APPS_9_TOKEN", "CHATSLUICE_DATABASE_URL",
                         "CHATSLUICE_APPS_1_TOKEN_FILE", "CHATSLUICE_WEBHOOK_TOKEN"):
            value = url + ":1/x" if variable.endswith("URL") else SECRETS["token"]
            self.collected.run(f"check with {variable}", service.cli(
                "check", environment=clean_environment(**{variable: value})))
        for words in (["check", "--token", SECRETS["token"]], ["serve", "--token=" + SECRETS["token"]]):
            self.assertEqual(run(CHATSLUICE, *words).returncode, 2, "no secret is taken from the command line")
        self.collected.assert_nothing_planted({name: value for name, value in SECRETS.items()})

    def test_the_database_refuses_the_login(self):
        """By its own words, as a wrong password would be."""
        cluster = Cluster(self)
        database = cluster.create_database()
        service = self.service_with_secrets(database)
        service.config["database"]["url"] = service.config["database"]["url"].replace("user=postgres", "user=nobody_here")
        service.write_config()
        service.start()
        wait_for(lambda: "nobody_here" in service.log(), "the refusal in the log")
        for command in (["migrate"], ["rules", "list"]):
            done = self.collected.run(command[0], service.cli(*command))
            self.assertEqual(done.returncode, 1)
        service.terminate()
        self.collected.add("log", service.log())
        self.collected.assert_nothing_planted(SECRETS)

    def test_what_lies_on_the_disk_is_for_its_owner(self):
        service = self.service_with_secrets(None).start()
        with Webhooks(service, SECRETS["token"]) as webhooks:
            webhooks.post(before(MESSAGES["text"]))
        service.terminate()
        for path in [service.spool, *service.spool.rglob("*")]:
            self.assertEqual(path.stat().st_mode & 0o077, 0, f"{path} is open to others")


if __name__ == "__main__":
    unittest.main()
