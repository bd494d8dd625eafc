"""Every call of a spool's life fails, once and for good: no crash, no leak, no false acknowledgement, words that tell.

The tool (spool_faults.c, with libfiu deciding in failing_calls.c) opens a spool with damage and a torn tail in it, reads,
appends, releases and closes, with one call failing: pread, pwrite (EIO, ENOSPC, half done, interrupted), fdatasync, fsync,
rename, unlink, ftruncate, open, mkdir, stat, flock, readdir, thread creation, malloc, calloc, realloc, strdup. Then the
directory must hold every record acknowledged.

    tests/fault/spool_faults.py                    every 8th call, as in the suite
    tests/fault/spool_faults.py --long [--seed N]  every call, a few minutes; in the address build leaks count too
Prints one JSON line; status 1: a promise was broken (the fault and its directory are named), or the run is void.
"""
import argparse
import json

from tool_campaign import SCALE, TOOLS, Broken, finish, tool, workshop


def main():
    parser = argparse.ArgumentParser(description="lets every call of a spool's life fail")
    parser.add_argument("--long", action="store_true", help="every call instead of every 8th")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with workshop("spool-faults") as folder:
        every = 1 if options.long else int(8 / SCALE)
        figures = json.loads(tool(TOOLS / "spool_faults", folder, options.seed, every))
        if figures["faults_hit"] == 0 or figures["refused"] == 0:
            raise Broken(f"void: {figures}")
    return {"campaign": "spool_faults", "seed": options.seed} | figures


finish(main)
