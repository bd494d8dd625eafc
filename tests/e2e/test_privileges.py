"""What the service is allowed to do, and what nobody is allowed to do to it: the systemd unit, its system calls, core
dumps, other processes of the same account."""
import os
import re
import resource
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

from chat import Webhooks, after, before
from database import Cluster
from harness import CHATSLUICE, ROOT, EndToEnd, Folder, clean_environment, run, run_ok, wait_for
from service import Service

UNIT = ROOT / "config/chatsluice.service"
SANITIZED = CHATSLUICE.parent.name != "build"


def unit_settings():
    """The directives of [Service], each with the list of its values."""
    settings, section = {}, None
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif section == "Service" and line and line[0] not in "#;":
            key, _, value = line.partition("=")
            settings.setdefault(key, []).append(value)
    return settings


def group_of_calls(name):
    """The system calls of one of systemd's groups, those it includes too."""
    calls = set()
    for line in run_ok("systemd-analyze", "syscall-filter", "--no-pager", name).splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            calls |= group_of_calls(word)
        elif word and not word.startswith("#"):
            calls.add(word)
    return calls


class Unit(EndToEnd):
    def test_it_says_what_hardens(self):
        """Holds without systemd as well; what each does is in systemd.exec(5)."""
        settings = unit_settings()
        wanted = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
                  "PrivateDevices": "yes", "CapabilityBoundingSet": "", "LimitCORE": "0", "UMask": "0077",
                  "MemoryDenyWriteExecute": "yes", "StateDirectory": "chatsluice", "StateDirectoryMode": "0700",
                  "User": "chatsluice", "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX"}
        self.assertEqual({key: settings.get(key, [None])[0] for key in wanted}, wanted)
        self.assertEqual(settings["SystemCallFilter"][0], "@system-service")
        self.assertGreaterEqual(int(settings["LimitNOFILE"][0]), 4096 + 512, "webhook.threads at its most")
        self.assertNotIn("Environment", settings, "no place for secrets")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_systemd_takes_it_and_rates_it(self):
        unit = Folder(self).path / "chatsluice.service"
        text, count = re.subn(r"/usr/bin/chatsluice", str(CHATSLUICE), UNIT.read_text())
        self.assertEqual(count, 1)
        unit.write_text(text)
        verified = run("systemd-analyze", "verify", unit)
        self.assertEqual((verified.returncode, verified.stdout + verified.stderr), (0, ""))
        rated = run("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit)
        self.assertEqual(rated.returncode, 0, rated.stdout)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    @unittest.skipIf(SANITIZED, "a sanitizer makes calls of its own")
    def test_its_system_calls_are_allowed(self):
        """A life of the service under strace: start, webhooks, database, reload, end. Each call is in the filter."""
        allowed = set()
        for line in unit_settings()["SystemCallFilter"]:
            for name in line.lstrip("~").split():
                allowed = allowed - group_of_calls(name) if line.startswith("~") else allowed | group_of_calls(name)
        database = Cluster(self).create_database()
        service = Service(self, database)
        trace = service.folder / "calls"
        service.spawn("strace", "-f", "-qq", "-o", trace, CHATSLUICE, "serve", "--config", service.config_path)
        serving = service.wait_event("serving", 60)
        service.webhook_port = int(serving["listen"].rsplit(":", 1)[1])
        service.operations_port = int(serving["operations"].rsplit(":", 1)[1])
        with Webhooks(service) as webhooks:
            sent = before("x")
            for body in (sent, after(sent), after(sent)):
                self.assertEqual(webhooks.post(body).status, 200)
        service.wait_loaded()
        os.kill(int(serving["pid"]), signal.SIGHUP)
        service.wait_event("configuration taken over")
        os.kill(int(serving["pid"]), signal.SIGTERM)
        self.assertEqual(service.wait(), 0)
        made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.M))
        self.assertIn("fdatasync", made, "it did its work")
        self.assertEqual(made - allowed, set())


class Process(EndToEnd):
    def test_it_runs_without_root_and_says_when_it_is(self):
        service = Service(self).start()
        warned = "running as root" in service.log()
        self.assertEqual(warned, os.geteuid() == 0)
        service.terminate()

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another")
    def test_an_ordinary_account_is_enough(self):
        service = Service(self)
        os.chown(service.folder, 65534, 65534)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
                               "--bounding-set=-all", str(CHATSLUICE), "check", "--config", str(service.config_path)],
                              capture_output=True, encoding="utf-8", env=clean_environment(), timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        service.spawn("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
                      "--bounding-set=-all", CHATSLUICE, "serve", "--config", service.config_path)
        serving = service.wait_event("serving")
        service.webhook_port = int(serving["listen"].rsplit(":", 1)[1])
        with Webhooks(service) as webhooks:
            self.assertEqual(webhooks.post(before("x")).status, 200)
        self.assertNotIn("running as root", service.log())
        self.assertEqual(service.spool.stat().st_uid, 65534)
        service.terminate()

    def dumps_core(self, *command, ready):
        """Whether the kernel dumped the process's memory when it crashed, as its parent is told."""
        folder = Folder(self).path
        unlimited = resource.getrlimit(resource.RLIMIT_CORE)[1]
        log = open(folder / "log", "wb")
        pid = os.fork()
        if pid == 0:
            os.chdir(folder)
            resource.setrlimit(resource.RLIMIT_CORE, (unlimited, unlimited))
            os.dup2(log.fileno(), 2)
            os.execvpe(str(command[0]), [str(word) for word in command], clean_environment())
        log.close()
        try:
            wait_for(lambda: ready in (folder / "log").read_text() if ready else time.sleep(0.2) or True, "it to start")
        finally:
            os.kill(pid, signal.SIGSEGV)
            _, status = os.waitpid(pid, 0)
        self.assertTrue(os.WIFSIGNALED(status))
        return os.WCOREDUMP(status)

    @unittest.skipIf(SANITIZED, "dumps are the sanitizer's business")
    def test_a_crash_leaves_no_core(self):
        service = Service(self)
        if not self.dumps_core("sleep", "60", ready=None):
            self.skipTest("nothing dumps core on this machine")
        self.assertFalse(self.dumps_core(CHATSLUICE, "serve", "--config", service.config_path, ready='"serving"'))

    @unittest.skipIf(SANITIZED, "the leak checker has to look into the process")
    @unittest.skipUnless(os.geteuid() == 0, "only root can become another")
    def test_others_of_its_account_cannot_look_into_it(self):
        service = Service(self)
        os.chown(service.folder, 65534, 65534)
        account = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        service.spawn(*account, CHATSLUICE, "serve", "--config", service.config_path,
                      environment=clean_environment(CHATSLUICE_APPS_1_TOKEN="PLANTED-IN-THE-ENVIRONMENT"))
        service.wait_event("serving")
        pid = service.popen.pid
        self.assertIn(b"PLANTED", Path(f"/proc/{pid}/environ").read_bytes(), "it is there, for root")
        for name in ("environ", "mem", "maps", "fd"):
            done = run(*account, "ls" if name == "fd" else "head", *([] if name == "fd" else ["-c", "1"]),
                       f"/proc/{pid}/{name}")
            self.assertNotEqual(done.returncode, 0, f"{name} can be read")
        service.terminate()


if __name__ == "__main__":
    unittest.main()
