"""service.py - `chatsluice serve` with a configuration of its own, and its subcommands with the same one."""
import http.client
import json
import re
import signal
from pathlib import Path

import prometheus
from harness import CHATSLUICE, SDKAPPID, TOKEN, Folder, Process, free_port, run, wait_for


class Service(Process):
    """`chatsluice serve` with a configuration of its own: {section: {key: value}} over what every test needs."""
    environment = None  # to run in; None: clean_environment()

    def __init__(self, owner, database=None, /, name="serve", spool_directory=None, **sections):
        super().__init__(owner, name, Folder(owner).path)
        self.spool = spool_directory or self.folder / "spool"
        self.config_path = self.folder / "chatsluice.yaml"
        self.config = {
            "webhook": {"listen": "127.0.0.1:0", "threads": 24},
            "operations": {"listen": "127.0.0.1:0"},
            "apps": [{"sdkappid": SDKAPPID, "token": TOKEN}],
            "spool": {"directory": str(self.spool), "max_bytes": "1GiB", "segment_bytes": "4MiB"},
            "database": {"url": database.url} if database else {},
            "rules": {"poll_interval": "100ms"},
            "log": {"format": "json"},
        }
        for section, values in sections.items():
            if isinstance(values, dict):
                self.config[section] = self.config.get(section, {}) | values
            else:
                self.config[section] = values
        self.write_config()

    def write_config(self):
        # JSON is YAML too, and Python's own.
        wanted = {section: values for section, values in self.config.items() if values}
        self.config_path.write_text(json.dumps(wanted, indent=2, ensure_ascii=False) + "\n")

    def start(self):
        """Starts it and waits until it serves; returns self."""
        self.spawn(CHATSLUICE, "serve", "--config", self.config_path, environment=self.environment)
        serving = self.wait_event("serving")
        self.webhook_port = int(serving["listen"].rsplit(":", 1)[1])
        self.operations_port = int(serving["operations"].rsplit(":", 1)[1])
        return self

    def fix_ports(self):
        """From the next start on, always the same two ports."""
        for section in ("webhook", "operations"):
            self.config[section]["listen"] = f"127.0.0.1:{free_port()}"
        self.write_config()
        return self

    @property
    def webhook_url(self):
        return f"http://127.0.0.1:{self.webhook_port}{self.config['webhook'].get('path', '/webhook')}"

    def reload(self):
        self.signal(signal.SIGHUP)

    def get(self, path, method="GET"):
        """Status and body of an operations path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.operations_port, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metrics(self):
        """Every sample of /metrics as {'name{label="value"}': number}, after a strict look at the format."""
        return prometheus.fetch(self.operations_port)

    def cli(self, *arguments, **options):
        """A subcommand of chatsluice with this service's configuration."""
        words = [a for a in arguments]
        return run(CHATSLUICE, *words, "--config", self.config_path, **options)

    def cli_ok(self, *arguments, **options):
        done = self.cli(*arguments, **options)
        if done.returncode != 0:
            raise AssertionError(f"chatsluice {' '.join(map(str, arguments))} ended with {done.returncode}:\n"
                                 f"{done.stdout}{done.stderr}")
        return done.stdout

    def wait_loaded(self, seconds=60.0):
        """Until everything durable in the spool is in PostgreSQL."""
        wait_for(lambda: self.metrics()["chatsluice_spool_records"] == 0, "the spool to be loaded", seconds)

    def publish(self, rules, note="test", seconds=10):
        """Makes a rule file (a path or YAML text) all there is, publishes whatever the gate thinks of such a jump, and
        waits until this service runs it."""
        path = rules
        if not isinstance(rules, Path):
            path = self.folder / "rules-to-import.yaml"
            path.write_text(rules)
        self.cli_ok("rules", "import", "--prune", path)
        # "published revision N", or, when nothing has changed, "revision N stays in force"
        done = self.cli_ok("rules", "publish", "--note", note, "--allow-shrink", "--allow-changes", "--wait", "0")
        revision = int(re.search(r"revision (\d+)", done)[1])
        wait_for(lambda: self.metrics()["chatsluice_rule_revision"] == revision, f"revision {revision} to be in force",
                 seconds)
        return revision
