"""Damaged spool files: no damaged record is delivered, all intact ones are, and what is lost is told by range.

The tool (corruption.c) fills a spool with records it knows byte by byte, then for each case flips bits, overwrites
stretches, cuts files short and removes them, and holds what src/spool gives against what it must: read as a directory,
opened, opened again, and every so often by `chatsluice spool verify`.

    tests/fault/corruption.py                    300 cases, as in the suite
    tests/fault/corruption.py --long [--seed N]  10,000 cases, a few minutes
Prints one JSON line; status 1: a promise was broken (the case and its directory are named), or the run is void.
"""
import argparse
import json

from tool_campaign import BUILD, SCALE, TOOLS, Broken, finish, tool, workshop


def main():
    parser = argparse.ArgumentParser(description="damages the files of a spool")
    parser.add_argument("--long", action="store_true", help="10,000 cases instead of 300")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    cases = 10000 if options.long else int(300 * SCALE)
    with workshop("corruption") as folder:
        output = tool(TOOLS / "corruption", folder, options.seed, cases, BUILD / "chatsluice", 20 if options.long else 25)
        figures = json.loads(output)
        if figures["reported_by_range"] == 0 or figures["verify_runs"] == 0:
            raise Broken(f"void: {figures}")
    return {"campaign": "corruption", "seed": options.seed} | figures


finish(main)
