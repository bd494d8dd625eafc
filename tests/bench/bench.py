#!/usr/bin/env python3
"""What the service costs, as ratios measured side by side on one machine.

    tests/bench/bench.py [--rounds 5] [--seconds 6] [throughput] [rate] [backlog] [outage] [loader] [reload] [corrections]
                         [search] [--events 1000000] [--database URL]

throughput  requests/s of 64 connections flat out, rounds interleaved:
              bare     a civetweb handler that reads the body and returns 60 bytes
              away     serve: signature, 10,000 terms, durable spool, PostgreSQL away
              loading  the same with PostgreSQL loading on the same cores
rate        latency at 5,000 requests/s, from the scheduled time, PostgreSQL loading
backlog     60 s flat out, PostgreSQL loading: where the backlog lives, and RSS over time
outage      2,000 requests/s for three minutes, PostgreSQL stopped during the second: answers, p99 of each, rows
loader      the loader's rate against a raw binary COPY of the same rows, batches of 1,000, rounds interleaved
reload      latency at 1,000 requests/s with 100,000 terms and 500 expressions, left alone and while new revisions of them
            are published one after the other; how long a changed revision takes to be in force
corrections two instances: from the Before webhook that asks for one to the corrected message, 50 a second for 20 s a
            round; the rate with a backlog
search      every search a moderator may make on so many events (--events 10000000 takes 20 GB and an hour, of which most goes
            into filling; --database: one that is filled), and what the indexes cost the loading
Without a word: all of them. More of the parts alone: build/bench/bench_spool, build/bench/bench_judge.
"""
import argparse
import json
import os
import statistics
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402
import search as searches  # noqa: E402
from database import Cluster, Database  # noqa: E402
from live import Live  # noqa: E402
from service import Service  # noqa: E402
from sim import Load, assert_exactly_once  # noqa: E402

CONNECTIONS = 64
TERMS = 10_000
RATE = 5_000


def made_up_terms(terms=TERMS):
    """A rule file of so many made-up words, half Latin, half Chinese, and an expression."""
    lines = ["- list: made-up", "  terms:"]
    for i in range(terms // 2):
        lines.append(f"    - zq{i:05d}word")
        lines.append("    - " + "".join(chr(0x4E00 + (i * 7 + k * 1301) % 20000) for k in range(3)) + f"{i % 10}")
    lines += ["- rule: made-up", "  match: { terms: made-up }", "  action: mask",
              "- rule: mobile", "  match: { regex: '\\b1[3-9]\\d{9}\\b' }", "  action: mask"]
    return "\n".join(lines) + "\n"


class Owner(harness.Owner):
    def assertEqual(self, a, b, message=""):  # noqa: N802
        if a != b:
            sys.exit(f"the ledger does not balance, the run is void: {a} {b} {message}")


class Usage:
    """What a process uses between two looks, from /proc."""
    def __init__(self, process):
        self.folder = Path("/proc") / str(process.popen.pid)
        self.cpu_at, self.at = self.cpu_s(), time.monotonic()

    def cpu_s(self):
        fields = (self.folder / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cores(self):
        return (self.cpu_s() - self.cpu_at) / (time.monotonic() - self.at)

    def rss_mib(self):
        line = next(s for s in (self.folder / "status").read_text().splitlines() if s.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


class Bare(harness.Process):
    """The handler the service is measured against."""
    def __init__(self, owner):
        super().__init__(owner, "bare", harness.Folder(owner).path)
        port = harness.free_port()
        self.webhook_url = f"http://127.0.0.1:{port}/webhook"
        self.spawn(harness.BUILD / "bench" / "bare_civetweb", port, CONNECTIONS + 16)


def load(owner, service, rate, seconds):
    """One run of the load generator; its summary, and what the server used meanwhile."""
    token = harness.Folder(owner).path / "token"
    token.write_text(harness.TOKEN)
    usage = Usage(service)
    out = harness.run_ok(harness.CHATSIM, "load", "--url", service.webhook_url, "--rate", rate, "--connections",
                         CONNECTIONS, "--seconds", seconds, "--sign-file", token, "--after-share", 0.4, "--json",
                         timeout=seconds + 60)
    summary = json.loads(out)
    if summary["void"] or summary["unsent"] or summary["refused"] or summary["failed"]:
        sys.exit(f"not every request was sent and answered, the run is void: {summary}")
    return {"per_s": summary["answered"] / seconds, "cores": usage.cores(), "rss_mib": usage.rss_mib(),
            **{k: summary["latency_ms"][k] for k in ("p50", "p99", "p999")}}


def show(name, runs):
    middle = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
    print(f"  {name:<8} {middle['per_s']:>8.0f}/s   p50 {middle['p50']:7.2f} ms   p99 {middle['p99']:7.2f} ms   "
          f"p99.9 {middle['p999']:7.2f} ms   {middle['cores']:.2f} cores   {middle['rss_mib']:.0f} MiB")
    return middle


def postgres(owner):
    """A durable PostgreSQL as it is after some time in use: a young one makes a new WAL file of 16 MiB every few seconds,
    zeros it and syncs it on the spool's own disk; later they are used again."""
    cluster = Cluster(owner, options="-c min_wal_size=1GB -c max_wal_size=4GB -c checkpoint_timeout=1h")
    database = Database(cluster, "postgres")
    database.execute("CREATE TABLE warm_up (n int)")
    for _ in range(64):
        database.execute("INSERT INTO warm_up VALUES (1); SELECT pg_switch_wal()")
    database.execute("CHECKPOINT")
    return cluster


def start_service(owner, database=None, name="loading", **sections):
    service = Service(owner, database, name=name, webhook={"threads": CONNECTIONS + 16}, **sections)
    service.database = database
    service.config["spool"] |= {"max_bytes": "16GiB", "segment_bytes": "32MiB"}
    service.write_config()
    return service.start()


def with_rules(owner, cluster):
    """A service that loads into PostgreSQL, with the ten thousand terms in force."""
    service = start_service(owner, cluster.create_database())
    service.publish(made_up_terms())
    return service


def without_database(owner, loading):
    """A second service with the same rules, from the first one's copy on disk, and no database."""
    service = start_service(owner, None, "away", rules={"cache_directory": str(loading.spool / "rules")})
    if service.metrics()["chatsluice_rule_revision"] == 0:
        sys.exit("the service without a database did not find the rules on disk")
    return service


def throughput(rounds, seconds):
    print(f"throughput: {CONNECTIONS} connections, {rounds} rounds of {seconds} s each, medians")
    with Owner() as owner:
        cluster = postgres(owner)
        loading = with_rules(owner, cluster)
        away = without_database(owner, loading)
        servers = {"bare": Bare(owner), "away": away, "loading": loading}
        runs = {name: [] for name in servers}
        for server in servers.values():
            load(owner, server, "max", 1)  # warms caches and connections up
        for _ in range(rounds):
            for name, server in servers.items():
                loading.wait_loaded(600)  # nobody else's round pays for this one's backlog
                runs[name].append(load(owner, server, "max", seconds))
        middles = {name: show(name, r) for name, r in runs.items()}
        for name in ("away", "loading"):
            ratios = sorted(x["per_s"] / b["per_s"] for x, b in zip(runs[name], runs["bare"]))
            print(f"  {name}/bare {statistics.median(ratios):.3f} (rounds {ratios[0]:.3f} to {ratios[-1]:.3f})")
        return middles


def rate(rounds, seconds):
    print(f"rate: {RATE} requests/s from the scheduled time, PostgreSQL loading, {rounds} rounds of {seconds} s")
    with Owner() as owner:
        service = with_rules(owner, postgres(owner))
        load(owner, service, RATE, 2)
        show("loading", [load(owner, service, RATE, seconds) for _ in range(rounds)])


def backlog(_rounds, _seconds):
    print("backlog: 60 s flat out, PostgreSQL loading")
    with Owner() as owner:
        service = with_rules(owner, postgres(owner))
        load(owner, service, "max", 3)
        usage = Usage(service)
        for step in range(6):
            one = load(owner, service, "max", 10)
            metrics = service.metrics()
            print(f"  {10 * (step + 1):>3} s   {one['per_s']:.0f}/s   {metrics['chatsluice_spool_records']:.0f} records, "
                  f"{metrics['chatsluice_spool_bytes'] / 2**20:.0f} MiB waiting on disk   RSS {usage.rss_mib():.1f} MiB")
        began = time.monotonic()
        waiting = service.metrics()["chatsluice_spool_records"]
        service.wait_loaded(900)
        print(f"  the backlog of {waiting:.0f} was loaded at {waiting / (time.monotonic() - began):.0f} rows/s")


def outage(_rounds, _seconds):
    print("outage: 2,000 requests/s for three minutes, PostgreSQL stopped and started during the second")
    with Owner() as owner:
        cluster = postgres(owner)
        service = with_rules(owner, cluster)
        ledgers = []
        for phase in ("before", "during", "after"):
            run = Load(owner, service, rate=2000, connections=CONNECTIONS, name=f"load-{phase}")
            time.sleep(2)
            if phase == "during":
                cluster.stop("immediate")
            time.sleep(54)
            if phase == "during":
                cluster.start()
            time.sleep(4)
            summary = run.finish()
            ledgers.append(run)
            latency = summary["latency_ms"]
            print(f"  {phase:<7} {summary['answered']} answered, {summary['refused']} refused, "
                  f"{summary['failed']} failed   p50 {latency['p50']:.2f} ms   p99 {latency['p99']:.2f} ms   "
                  f"p99.9 {latency['p999']:.2f} ms")
        service.wait_loaded(300)
        for run in ledgers:
            assert_exactly_once(owner, run, service.database)
        print("  every answered event is in the table exactly once")


def loader(_rounds, _seconds):
    print("loader: against a raw binary COPY of the same rows into the same table")
    with Owner() as owner:
        url = postgres(owner).url("postgres")
        print(harness.run_ok(harness.BUILD / "bench" / "bench_loader", url, timeout=600), end="")


def large_rules(edition):
    """100,000 terms and 500 expressions; editions differ by one term."""
    lines = [made_up_terms(100_000)]
    for i in range(500):
        lines.append(f"- rule: shape-{i:03d}\n  match: {{ regex: '\\bq{i:03d}[a-z]{{2,5}}\\d+\\b' }}\n  action: flag")
    lines.append(f"- list: edition\n  terms: [edition{edition}x]")
    lines.append("- rule: edition\n  match: { terms: edition }\n  action: flag")
    return "\n".join(lines) + "\n"


def reload(rounds, seconds):
    print(f"reload: 100,000 terms and 500 expressions, 1,000 requests/s, {rounds} rounds of {seconds} s each")
    with Owner() as owner:
        service = start_service(owner, postgres(owner).create_database())
        service.publish(large_rules(0), seconds=120)
        load(owner, service, 1000, 2)
        runs = {"alone": [], "reloads": []}
        reloads, took = 0, []
        for _ in range(rounds):
            runs["alone"].append(load(owner, service, 1000, seconds))
            running = Load(owner, service, rate=1000, connections=CONNECTIONS, name=f"load-{reloads}")
            usage, end = Usage(service), time.monotonic() + seconds
            while time.monotonic() < end:
                reloads += 1
                began = time.monotonic()
                service.publish(large_rules(reloads), seconds=120)
                took.append(time.monotonic() - began)
            summary = running.finish()
            if summary["failed"] or summary["refused"]:
                sys.exit(f"not every request was answered, the run is void: {summary}")
            runs["reloads"].append({"per_s": summary["answered"] / (time.monotonic() - end + seconds),
                                    "cores": usage.cores(), "rss_mib": usage.rss_mib(),
                                    **{k: summary["latency_ms"][k] for k in ("p50", "p99", "p999")}})
        for name, r in runs.items():
            show(name, r)
        print(f"  {reloads} revisions, each imported, published and in force after {statistics.median(took):.1f} s (median)")


CORRECTED = """
- rule: numbers
  match: { regex: '\\b555 \\d{4}\\b' }
  action: discard
  then: [resend]
"""


def two_instances(owner, cluster):
    live = Live(owner, cluster.create_database(), "--threads", 256, "--connections", 64, instances=2,
                outbox={"room_per_minute": 2400})
    live.publish(CORRECTED)
    for room in range(50):
        live.sim.create_room(f"room-{room}")
    return live


def say(live, number, until):
    """One client's thread: says something to be corrected at its times."""
    for i in range(number, 10**9, 10):
        at = until["began"] + i / 50
        if at >= until["end"]:
            return
        time.sleep(max(0, at - time.monotonic()))
        live.sim.send(f"room-{i % 50}", f"user-{i}", f"no {i} call 555 0199")


def corrections(rounds, _seconds):
    print("corrections: two instances, durable PostgreSQL, chatsim as the platform, all on this machine")
    with Owner() as owner:
        live = two_instances(owner, postgres(owner))
        for _ in range(rounds):
            live.database.execute("DELETE FROM chatsluice.outbox")
            until = {"began": time.monotonic() + 1, "end": time.monotonic() + 21}
            threads = [threading.Thread(target=say, args=(live, n, until)) for n in range(10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            live.wait_settled(60)
            row = live.database.rows(
                "SELECT count(*) AS n, percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY "
                "extract(epoch FROM delivered_at - asked_at) * 1000) AS ms FROM chatsluice.outbox WHERE state = 'done'")[0]
            p50, p99, most = row["ms"]
            print(f"  50 a second: {row['n']} corrections, from the Before webhook to the room   p50 {p50:.0f} ms   "
                  f"p99 {p99:.0f} ms   max {most:.0f} ms")
        live.database.execute("DELETE FROM chatsluice.outbox")
        live.sim.request("DELETE", "/sim/stats")
        live.ask_for_many(6000, 50)
        live.wait_settled(120)
        # Without the first second, in which all permits are fresh.
        row = live.database.rows("SELECT count(*) AS n, extract(epoch FROM max(sent_at) - min(sent_at)) AS s "
                                 "FROM chatsluice.outbox WHERE state = 'done' AND sent_at >= (SELECT min(sent_at) "
                                 "FROM chatsluice.outbox) + interval '1 second'")[0]
        calls = live.sim.request("GET", "/sim/stats").json["rest"]["send_text_msg"]
        print(f"  backlog: the last {row['n']} of 6000 corrections at {float(row['n']) / float(row['s']):.1f}/s, at most "
              f"{calls['max_in_a_second']} calls in any second")


def search(rounds, _seconds, arguments):
    with Owner() as owner:
        searches.run(lambda: Cluster(owner, options="-c shared_buffers=2GB -c max_wal_size=4GB -c fsync=off"),
                     arguments.database, arguments.events, rounds, arguments.queries)


def main():
    parts = {f.__name__: f for f in (throughput, rate, backlog, outage, loader, reload, corrections, search)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--events", type=int, default=1_000_000, help="of search")
    parser.add_argument("--database", help="of search: the URL of one that an earlier run has filled")
    parser.add_argument("--queries", default="", help="of search: only those whose name has this")
    parser.add_argument("parts", nargs="*", choices=[*parts, []], metavar="part")
    arguments = parser.parse_args()
    for name in arguments.parts or parts:
        parts[name](arguments.rounds, arguments.seconds, *([arguments] if name == "search" else []))


if __name__ == "__main__":
    main()
