"""tool_campaign.py - what campaigns of C tools share: where the tools are, a fast place to work in, figures at the end."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CHATSLUICE_BUILD", ROOT / "build")).resolve()
TOOLS = BUILD / "fault"
SCALE = float(os.environ.get("CHATSLUICE_TEST_SCALE", "1"))


class Broken(Exception):
    """A promise was broken, or the run proves nothing; the words say which."""


def tool(*command, environment=None, allowed=(0,)):
    """Runs a program to its end; standard output. Its standard error is shown when the status is not an allowed one."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace",
                          env=os.environ | (environment or {}))
    if done.returncode not in allowed:
        raise Broken(f"{' '.join(str(c) for c in command)} ended with {done.returncode}:\n{done.stderr[-6000:]}")
    return done.stdout


@contextlib.contextmanager
def workshop(name):
    """A folder in memory where there is one: thousands of syncs. It stays when something was broken."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix=f"chatsluice-{name}-", dir=parent))
    try:
        yield folder
    except Broken:
        print(f"kept: {folder}", file=sys.stderr)
        raise
    shutil.rmtree(folder)


def finish(campaign):
    """Runs it and ends the program: one JSON line of figures and 0, or what was broken and 1."""
    try:
        figures = campaign()
    except Broken as broken:
        print(broken, file=sys.stderr)
        sys.exit(1)
    print(json.dumps(figures))
