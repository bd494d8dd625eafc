"""campaign.py - what campaigns share: how long they are on the command line, their seed, their figures.

A campaign is a module of tests that reads its sizes from `size("name")`. Without arguments it runs in the short form,
scaled down in the slow builds. `--long` or `--NAME N` make it longer, `--seed N` repeats a run's choices; other
arguments (-k, names of tests) go to unittest. The last line of output is one JSON object with the figures of all tests
that ran; the status is 1 when a promise was broken.
"""
import argparse
import json
import random
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from harness import scaled  # noqa: E402

SIZES = {}
LONG = set()
FIGURES = {}
SEED = time.time_ns() % 2**32
CHOICES = random.Random(SEED)


def size(name):
    return SIZES[name]


def is_long():
    return bool(LONG)


def figure(**figures):
    """Adds to what is printed at the end."""
    FIGURES.update(figures)


def main(**forms):
    """forms: name=(short, long)."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="the long form of everything that runs")
    parser.add_argument("--seed", type=int, default=SEED)
    for name, (short, long) in forms.items():
        parser.add_argument(f"--{name}", type=int, help=f"{short} in the short form, {long} in the long one")
    wanted, others = parser.parse_known_args()
    for name, (short, long) in forms.items():
        given = vars(wanted)[name.replace("-", "_")]
        SIZES[name] = given if given is not None else long if wanted.long else scaled(short, 2)
    if wanted.long:
        LONG.add(True)
    CHOICES.seed(wanted.seed)
    start = time.monotonic()
    result = unittest.main(argv=[sys.argv[0], *others], exit=False).result
    figure(seed=wanted.seed, seconds=round(time.monotonic() - start, 1), tests=result.testsRun,
           broken=[str(test) for test, _ in result.failures + result.errors])
    print(json.dumps(FIGURES), flush=True)
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)
