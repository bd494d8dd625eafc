"""harness.py - what every end-to-end test stands on: the programs as built, a private PostgreSQL, and an orderly end.

Processes and folders belong to the test (or class) that made them and are gone when it ends, whatever happened. Nothing
sleeps and hopes: `wait_for` polls a condition until a deadline. A sanitizer's report in any log fails the test, and a
failing test shows the end of the logs. CHATSLUICE_BUILD names the build folder to test, CHATSLUICE_TEST_SCALE (for the
slow builds) shrinks the amount of traffic.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CHATSLUICE_BUILD", ROOT / "build")).resolve()
CHATSLUICE = BUILD / "chatsluice"
CHATSIM = BUILD / "chatsim"
SCALE = float(os.environ.get("CHATSLUICE_TEST_SCALE", "1"))

SDKAPPID = 1400000001
TOKEN = "live-hook-token-01"

LOGFMT_FIELD = re.compile(r'([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*"|\S*)')
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:")


def scaled(amount, least=1):
    return max(least, int(amount * SCALE))


def wait_for(condition, what, seconds=30.0):
    """The first true value of condition(); fails the test after that time, saying what was awaited."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.02)


def clean_environment(**extra):
    """Ours without CHATSLUICE_*, which would configure the programs behind the test's back."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CHATSLUICE_")}
    environment["LC_ALL"] = "C.UTF-8"
    return environment | extra


# libfaketime; it does not get on with sanitizers, so None in their builds as well as where it is not installed.
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None) if SCALE == 1 else None


def clock_environment(path):
    """An environment whose wall clock is off by what the file says, now and whenever it changes: "-2d", "+3600s", "+0"."""
    return clean_environment(LD_PRELOAD=str(FAKETIME), FAKETIME_TIMESTAMP_FILE=str(path), FAKETIME_NO_CACHE="1",
                             FAKETIME_DONT_FAKE_MONOTONIC="1")


def run(*command, stdin=None, environment=None, timeout=60):
    """Runs a program to its end; output as text. The caller looks at returncode."""
    return subprocess.run([str(c) for c in command], input=stdin, capture_output=True, encoding="utf-8",
                          env=environment or clean_environment(), timeout=timeout)


def run_ok(*command, **options):
    """The same for a program that has to succeed; its standard output."""
    done = run(*command, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} {command[1]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


_claims = {}  # of ports that are not bound yet, perhaps: what keeps other tests of this machine from giving them too


def free_port():
    """A port, another one each time, for a server that has to come back on the same one. Below the range the kernel gives to clients: there a
    client that keeps trying to connect to its dead server would one day be given that very port, and talk to itself."""
    for port in range(20000 + os.getpid() % 12000, 32768):
        claim, probe = socket.socket(socket.AF_UNIX), socket.socket()
        try:
            claim.bind(f"\0chatsluice-test-port-{port}")  # a name without a file, gone with this process
            probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        finally:
            probe.close()
        _claims[port] = claim
        return port
    raise AssertionError("no free port below 32768")


class EndToEnd(unittest.TestCase):
    """A test that shows the logs of its processes, and of its class's, when it fails."""
    maxDiff = None
    processes = []  # of the whole module, in order, running or ended

    def run(self, result=None):
        def bad():
            return len(result.failures) + len(result.errors)
        earlier, bad_before = set(EndToEnd.processes), bad()
        result = super().run(result)
        if bad() > bad_before:
            for process in EndToEnd.processes:
                if process not in earlier or process.running():
                    process.show_log()
        return result


class Owner(contextlib.ExitStack):
    """Stands where a test is expected as an owner, for programs that are none: what must be undone at the end."""
    def addCleanup(self, action):  # noqa: N802 (unittest's name)
        self.callback(action)


class Folder:
    """A temporary folder, as pathlib.Path in .path."""
    def __init__(self, owner):
        self.path = Path(tempfile.mkdtemp(prefix="chatsluice-e2e-"))
        self.path.chmod(0o755)  # PostgreSQL runs as another user when we are root, and has to get through
        add_cleanup(owner, lambda: shutil.rmtree(self.path, ignore_errors=True))


def add_cleanup(owner, action):
    """owner: a test, or a test class for what lives as long as the class."""
    (owner.addClassCleanup if isinstance(owner, type) else owner.addCleanup)(action)


def read_log_line(line):
    """One line of log, JSON or logfmt, as an object; empty for a line still being written or of somebody else."""
    if line.startswith("{"):
        return json.loads(line) if line.endswith("}") else {}
    fields = LOGFMT_FIELD.findall(line)
    return {key: json.loads(value) if value.startswith('"') else value for key, value in fields}


class Process:
    """One program with its log (standard error) in a file."""
    def __init__(self, owner, name, folder):
        self.name = name
        self.folder = folder
        self.log_path = folder / f"{name}.log"
        self.popen = None
        self.ended_log = ""
        EndToEnd.processes.append(self)
        add_cleanup(owner, self.dispose)

    def spawn(self, *command, environment=None):
        assert not self.running(), f"{self.name} is already running"
        with open(self.log_path, "ab") as log, open(self.log_path.with_suffix(".out"), "wb") as output:
            self.start_offset = log.tell()
            self.popen = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=output,
                                          stderr=log, cwd=self.folder, env=environment or clean_environment())

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def log(self):
        """All of the log, over restarts."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else self.ended_log

    def log_since_start(self):
        return self.log_path.read_bytes()[self.start_offset:].decode(errors="replace")

    def events(self, phrase=None, since_start=True):
        """The log's lines with this phrase, as objects."""
        lines = (self.log_since_start() if since_start else self.log()).splitlines()
        return [e for e in map(read_log_line, lines) if phrase is None or e.get("msg") == phrase]

    def wait_event(self, phrase, seconds=30.0):
        def look():
            found = self.events(phrase)
            if not found and not self.running():
                raise AssertionError(f"{self.name} ended with {self.popen.returncode} before \"{phrase}\":\n"
                                     f"{self.log_since_start()[-2000:]}")
            return found
        return wait_for(look, f"{self.name} to log \"{phrase}\"", seconds)[0]

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, seconds=60.0):
        return self.popen.wait(seconds)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.wait()

    def terminate(self, seconds=60.0):
        """SIGTERM; a service has to end with status 0."""
        self.signal(signal.SIGTERM)
        status = self.wait(seconds)
        if status != 0:
            raise AssertionError(f"{self.name} ended with {status} after SIGTERM")

    def output(self):
        return self.log_path.with_suffix(".out").read_text(errors="replace")

    def dispose(self):
        if self.running():
            self.signal(signal.SIGTERM)
            try:
                self.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self.ended_log = self.log()
        report = SANITIZER_REPORT.search(self.ended_log)
        if report:
            raise AssertionError(f"{self.name}: {report.group()}\n{self.ended_log[report.start():][:6000]}")

    def show_log(self):
        lines = self.log().splitlines()[-100:]
        if lines:
            print(f"--- the end of the log of {self.name}", *lines, "---", sep="\n", file=sys.stderr)
