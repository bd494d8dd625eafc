"""The power goes at any moment: everything acknowledged before is there, byte for byte and in order, nothing is invented.

A spool at work (power_cut_writer: threads that append, one that reads and releases, segments that come and go) runs
under a recorder (power_cut_recorder, LD_PRELOAD) that takes every change of its directory, every sync and every
acknowledgement, in order. It lives three times, killed with -9 the first time. The replayer (power_cut_replay) cuts the trace at its boundaries, and for each makes the
directory as the disk may hold it: unsynced changes there or not, in 512-byte blocks. src/spool opens each, and must hand
out what was acknowledged, take new records under new numbers, and find all of it again at the next opening. From some of
these directories the writer starts again, recorded too: so the power also goes during and after a recovery.

    tests/fault/power_cut.py                    some hundreds of cuts, as in the suite
    tests/fault/power_cut.py --long [--seed N]  every boundary of 14 traces, some 100,000 cuts, ten minutes
Prints one JSON line; status 1: a promise was broken (the seed, the cut and its directory are named), or the run is void.
"""
import argparse
import collections
import json

from tool_campaign import SCALE, TOOLS, Broken, finish, tool, workshop

RECORDER = {
    "LD_PRELOAD": str(TOOLS / "power_cut_recorder.so"),
    "ASAN_OPTIONS": "verify_asan_link_order=0",  # the recorder comes first, and passes everything on
}


class Plan:
    """How much: records a trace, cuts a boundary, every how many boundaries, restarts from how many cuts, how deep."""
    def __init__(self, long):
        self.seeds = 2 if long else 1
        self.records = 420 if long else 120
        self.variants = 6 if long else 4
        self.every = 1 if long else max(1, int(6 / SCALE))
        self.restarts = 2
        self.rounds = 3 if long else 2
        self.least_points = 10000 if long else int(200 * SCALE)


def record(folder, seed, round, records, ledger=None):
    """A trace of the writer in folder/spool."""
    words = [TOOLS / "power_cut_writer", folder / "spool", seed, round, records] + ([ledger] if ledger else [])
    tool(*words, environment=RECORDER | {"POWER_CUT_DIRECTORY": str(folder / "spool"),
                                         "POWER_CUT_TRACE": str(folder / "trace")})


def replay(folder, seed, plan, restarts):
    """Cuts the trace; its figures. Leaves folder/torn/N and N.ledger to go on from."""
    for name in ("work", "torn"):
        (folder / name).mkdir()
    return json.loads(tool(TOOLS / "power_cut_replay", folder / "trace", folder / "spool", folder / "work", seed,
                           plan.variants, plan.every, folder / "torn", restarts))


def run(folder, seed, plan, round, totals, ledger=None):
    """One generation: a recording from folder/spool as it is, its cuts, and the next generation from some of them."""
    record(folder, seed, round, plan.records, ledger)
    figures = replay(folder, seed, plan, plan.restarts if round < plan.rounds else 0)
    for name, value in figures.items():
        totals[name] = max(totals[name], value) if name == "most_unsynced" else totals[name] + value
    totals["traces"] += 1
    if round == plan.rounds:
        return
    for start in sorted((folder / "torn").glob("*.ledger")):
        child = folder / f"from-{start.stem}"
        child.mkdir()
        start.with_suffix("").rename(child / "spool")
        run(child, seed * 10 + int(start.stem) + 1, plan, round + 1, totals, start)


def main():
    parser = argparse.ArgumentParser(description="cuts the power of a spool at any moment")
    parser.add_argument("--long", action="store_true", help="every boundary, some 100,000 cuts")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    plan = Plan(options.long)
    totals = collections.Counter()
    with workshop("power-cut") as folder:
        for seed in range(options.seed, options.seed + plan.seeds):
            (folder / str(seed) / "spool").mkdir(parents=True)
            run(folder / str(seed), seed, plan, 1, totals)
        if totals["points"] < plan.least_points or (options.long and totals["ranges_reported"] == 0):
            raise Broken(f"void: {dict(totals)}")
    return {"campaign": "power_cut", "seed": options.seed} | totals | {"lost": 0, "invented": 0}


finish(main)
