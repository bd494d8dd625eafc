"""Deterministic simulation: one seed drives clock, faults and interleaving of the whole service (world.h tells of what).

    tests/simulation/simulation.py                        as in the suite: thousands of seeds, some of them twice, and
                                                          every planted bug, which must be found
    tests/simulation/simulation.py --seeds N [--from S] [--world spool|loader|outbox] [--jobs J]
    tests/simulation/simulation.py --seeds 1 --from S --trace          what happened in seed S, line by line
    tests/simulation/simulation.py --seeds N --plant BUG [--trace]     with a known bug in the service
Prints one JSON line of figures; status 1: a promise was broken, or a seed did not take the same way twice.
"""
import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CHATSLUICE_BUILD", ROOT / "build")).resolve()
SIMULATION = BUILD / "tests/simulation"
SCALE = float(os.environ.get("CHATSLUICE_TEST_SCALE", "1"))
# A crash of the server is none of the machine; and what works beside the statements would not be in the seed's order.
SERVER = "-c fsync=off -c full_page_writes=off -c autovacuum=off -c jit=off -c max_connections=100 -c max_wal_size=2GB"
# Each is found within so many seeds of its world.
PLANTED = {"early-ack": ("spool", 200), "no-folder-sync": ("spool", 100), "lost-wakeup": ("spool", 100),
           "two-transactions": ("loader", 60), "early-release": ("loader", 60), "repeat": ("outbox", 60),
           "give-up": ("outbox", 60), "rate": ("outbox", 60)}


class Broken(Exception):
    pass


@contextlib.contextmanager
def workshop():
    """A folder in memory where there is one, with a PostgreSQL in it."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="chatsluice-simulation-", dir=parent))
    folder.chmod(0o755)  # PostgreSQL runs as another user when we are root
    environment = os.environ | {"CHATSLUICE_POSTGRES_OPTIONS": SERVER}
    postgres = [str(ROOT / "scripts/postgres")]
    try:
        url = subprocess.run([*postgres, "start", folder / "pg"], env=environment, check=True, text=True,
                             stdout=subprocess.PIPE).stdout.strip()
        yield folder, url
    finally:
        subprocess.run([*postgres, "stop", folder / "pg", "immediate"], check=False)
        shutil.rmtree(folder, ignore_errors=True)


class Worker:
    """A folder and a database of its own."""
    def __init__(self, folder, url, number):
        self.folder = folder / f"worker{number}"
        self.folder.mkdir(mode=0o755)
        name = f"simulation_{number}"
        subprocess.run(["psql", "-X", "-q", url, "-c", f"CREATE DATABASE {name}"], check=True)
        self.url = url.replace("postgresql:///postgres?", f"postgresql:///{name}?")
        self.run("--prepare")

    def run(self, *arguments, output=subprocess.PIPE):
        """Status, the last line of its output as JSON if it is that, and its standard error."""
        environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}  # killed processes of the simulation do leak
        done = subprocess.run([SIMULATION, "--database", self.url, *map(str, arguments)], cwd=self.folder, text=True,
                              errors="replace", env=environment, stdout=output, stderr=subprocess.PIPE)
        if done.returncode not in (0, 1):
            raise Broken(f"simulation {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stderr}")
        lines = (done.stdout or "").splitlines()
        return done.returncode, json.loads(lines[-1]) if lines else {}, done.stderr


def add(total, figures):
    """Counts add up; what says what was run stays the first one's; a rate is made anew."""
    for key, value in figures.items():
        if key in ("campaign", "from", "hash"):
            total.setdefault(key, value)
        elif key == "seconds":
            total[key] = max(total.get(key, 0), value)
        elif key != "seeds_per_second":
            total[key] = total.get(key, 0) + value
    total["seeds_per_second"] = round(total["seeds"] / max(total["seconds"], 0.1), 1)


def simulate(folder, url, first, seeds, jobs, arguments):
    """The seeds in equal parts, one part a job."""
    workers = [Worker(folder, url, i) for i in range(jobs)]
    share = -(-seeds // jobs)
    parts = [(w, first + i * share, min(share, seeds - i * share)) for i, w in enumerate(workers)]
    total = {}
    with ThreadPoolExecutor(jobs) as pool:
        runs = [pool.submit(w.run, "--from", start, "--seeds", n, *arguments) for w, start, n in parts if n > 0]
        for run in runs:
            _, figures, words = run.result()
            sys.stderr.write(words)
            add(total, figures)
    return total


def find_planted(worker):
    """Seeds needed for each bug."""
    found = {}
    for bug, (world, most) in PLANTED.items():
        status, figures, _ = worker.run("--plant", bug, "--world", world, "--from", 1, "--seeds", most,
                                        "--until-broken")
        if status == 0:
            raise Broken(f"void: the planted bug {bug} was not found within {most} seeds")
        found[bug] = figures["seeds"]
    return found


def suite(folder, url):
    worker = Worker(folder, url, 0)
    seeds = int(2048 * SCALE * SCALE)
    status, total, words = worker.run("--from", 1, "--seeds", seeds)
    if status == 0:
        status, _, words = worker.run("--from", 100000, "--seeds", int(64 * SCALE), "--twice")
    if status != 0:
        raise Broken(f"{words}\nto see what happened: tests/simulation/simulation.py --seeds 1 --from SEED --trace")
    if SCALE == 1:  # once is proof enough
        total["planted_found_after"] = find_planted(worker)
    for count in ("acknowledged", "commits", "database_faults", "calls", "corrections"):
        if total[count] == 0:
            raise Broken(f"void: {total}")
    return total


def main():
    parser = argparse.ArgumentParser(description="deterministic simulation of the service")
    parser.add_argument("--seeds", type=int, help="how many, instead of what the suite runs")
    parser.add_argument("--from", type=int, default=1, dest="first", metavar="S", help="the first seed")
    parser.add_argument("--world", choices=("spool", "loader", "outbox"), help="instead of the one each seed draws")
    parser.add_argument("--plant", choices=PLANTED, metavar="BUG", help=f"put a bug in: {', '.join(PLANTED)}")
    parser.add_argument("--trace", action="store_true", help="print what happens")
    parser.add_argument("--twice", action="store_true", help="each seed twice, the traces must be equal")
    parser.add_argument("--jobs", type=int, default=1, help="so many at a time")
    options = parser.parse_args()
    arguments = [a for name in ("trace", "twice") if getattr(options, name) for a in [f"--{name}"]]
    for name in ("world", "plant"):
        if getattr(options, name):
            arguments += [f"--{name}", getattr(options, name)]
    with workshop() as (folder, url):
        if options.seeds is None:
            total = suite(folder, url)
        elif options.trace:
            status, _, words = Worker(folder, url, 0).run("--from", options.first, "--seeds", options.seeds,
                                                          *arguments, output=None)
            sys.stderr.write(words)
            return status
        else:
            total = simulate(folder, url, options.first, options.seeds, options.jobs, arguments)
    print(json.dumps(total))
    return 1 if total["broken"] or total["differing"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as broken:
        print(broken, file=sys.stderr)
        sys.exit(1)
