"""bench.py search: how long moderators wait on so many events, and what the indexes of the day that is being written cost.

The machine may be busy with other things: beside what a clock on the wall says stands the processor time of the server's
process, which is what the same query takes on a machine of one's own.
"""
import statistics
import subprocess
import time

import harness
from database import Database

TRAFFIC = harness.ROOT / "tests/bench/events.sql"
EVENTS_A_MESSAGE = 1.97
CALLS = 20
DAYS = 9  # that are over, and today

# Each with the number of the call in it, so that no two calls ask the same.
QUERIES = [
    ("search: room, newest 50", "SELECT * FROM moderation.search(room => 'room-{k}')"),
    ("room, a view of two hours", "SELECT * FROM moderation.message WHERE group_id = 'room-{k}' AND sent_at >= now() - interval "
     "'2 hours' ORDER BY sent_at DESC LIMIT 50"),
    ("room, two hours, stopped or rewritten", "SELECT * FROM moderation.message WHERE group_id = 'room-{k}' AND sent_at >= now() - "
     "interval '2 hours' AND verdict NOT IN ('allow', 'flag') ORDER BY sent_at DESC LIMIT 50"),
    ("room, ledger of an hour", "SELECT outcome, count(*) FROM moderation.delivery WHERE room_id = 'room-{k}' AND sent_at >= now() - "
     "interval '1 hour' GROUP BY 1"),
    ("all rooms, rejected but delivered, an hour", "SELECT * FROM moderation.delivery WHERE sent_at >= now() - interval '{k} minutes' - "
     "interval '1 hour' AND verdict IN ('reject', 'discard') AND outcome = 'rejected but delivered'"),
    ("all rooms, delivered unasked, 10 minutes", "SELECT * FROM moderation.delivery WHERE sent_at BETWEEN now() - interval '{k} minutes' - "
     "interval '10 minutes' AND now() - interval '{k} minutes' AND outcome = 'delivered unasked'"),
    ("search: acted on, newest", "SELECT * FROM moderation.search(verdict => 'mask,replace,reject,discard', until => now() - "
     "interval '{k} hours')"),
    ("search: verdict and room", "SELECT * FROM moderation.search(verdict => 'reject', room => 'room-{k}')"),
    ("search: a common word", "SELECT * FROM moderation.search(text => 'shipping', until => now() - interval '{k} hours')"),
    ("search: a common Chinese word", "SELECT * FROM moderation.search(text => '直播间', until => now() - interval '{k} hours')"),
    ("search: a common short one", "SELECT * FROM moderation.search(text => '下单', until => now() - interval '{k} hours')"),
    ("search: a word once in days that are over", "SELECT * FROM moderation.search(text => 'needle{needle}', until => "
     "date_trunc('day', now(), 'UTC'))"),
    ("search: a number, some times in 10 days", "SELECT * FROM moderation.search(text => '{digits}')"),
    ("search: a word once, today too", "SELECT * FROM moderation.search(text => 'needle{needle}')"),
    ("search: a rare short one, days that are over", "SELECT * FROM moderation.search(text => '{rare}', until => "
     "date_trunc('day', now(), 'UTC'))"),
    ("search: two Latin letters", "SELECT * FROM moderation.search(text => 'zq', since => now() - interval '1 hour')"),
    ("search: word in a room", "SELECT * FROM moderation.search(text => 'needle{needle}', room => 'room-{k}')"),
    ("search: sender", "SELECT * FROM moderation.search(account => 'viewer_{k}')"),
    ("search: sender who said little", "SELECT * FROM moderation.search(account => 'viewer_1999{k}')"),
    ("search: sender in a room", "SELECT * FROM moderation.search(account => 'offender_{k}', room => 'room-1')"),
    ("search: rule", "SELECT * FROM moderation.search(rule => 'rule-{k2}', until => now() - interval '{k} hours')"),
    ("search: term", "SELECT * FROM moderation.search(term => 'badword{term}')"),
    ("search: term that never hit", "SELECT * FROM moderation.search(term => 'none{k}')"),
    ("search: CloudCustomData", "SELECT * FROM moderation.search(custom_data => '$.lvl', custom_value => '{k}')"),
    ("search: CloudCustomData that none has", "SELECT * FROM moderation.search(custom_data => '$.lvl', custom_value => '9{k}9', "
     "until => date_trunc('day', now(), 'UTC'))"),
    ("search: MsgSeq of a room", "SELECT * FROM moderation.search(room => 'room-{k}', msg_seq => {number})"),
    ("search: MsgId", "SELECT * FROM moderation.search(msg_id => '{msg_id}')"),
    ("search: event id", "SELECT * FROM moderation.search(event_id => md5('after{number}')::uuid)"),
    ("find_event, no room, days that are over", "SELECT event_id FROM chatsluice.find_event(md5('before{number}')::uuid, NULL)"),
    ("find_event, no room, today", "SELECT event_id FROM chatsluice.find_event(md5('before{last}')::uuid, NULL)"),
]
PROCESSOR = "SELECT split_part(s, ' ', 14)::int + split_part(s, ' ', 15)::int AS cpu FROM pg_read_file('/proc/self/stat', 0, 2000) s"


def fill(database, messages):
    """As the loader would, in the order of time; then what a timer does once a day is over."""
    run = ("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", database.url)
    database.migrate()
    database.execute(f"SELECT chatsluice.ensure_partitions((now() AT TIME ZONE 'UTC')::date - {DAYS}, "
                     "(now() AT TIME ZONE 'UTC')::date + 1)")
    harness.run_ok(*run, "-f", TRAFFIC)
    began = time.monotonic()
    step = min(messages, 100_000)
    for first in range(1, messages + 1, step):
        harness.run_ok(*run, "-c", f"SELECT bench.fill({first}, {min(first + step - 1, messages)}, {messages}, date_trunc('day', "
                       f"now(), 'UTC') - interval '{DAYS} days', interval '{DAYS} days' + (now() - date_trunc('day', now(), 'UTC')))",
                       timeout=3600)
    print(f"  filled in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    done = subprocess.run([harness.CHATSLUICE, "maintain"], capture_output=True, encoding="utf-8", timeout=7200,
                          env=harness.clean_environment(CHATSLUICE_DATABASE_URL=database.url,
                                                        PGOPTIONS="-c maintenance_work_mem=1GB"))
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    print(f"  chatsluice maintain: {time.monotonic() - began:.0f} s")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(database, query, messages):
    """Milliseconds of each call, processor milliseconds of one, rows of the last; the first call is not counted."""
    lines = ["\\timing on"]
    for k in range(1, CALLS + 2):
        # Messages of days that are over, and not the same part of them each time.
        number = 1 + messages * 8 // 10 * k // (CALLS + 2)
        needle = 11 + 100003 * (k * 7919 % max(1, messages * 9 // 10 // 100003))
        at = f"(SELECT msg_id FROM chatsluice.event WHERE event_id = md5('before{number}')::uuid)" if "{msg_id}" in query else ""
        values = {"k": k, "k2": f"{1 + k % 25:02}", "needle": needle, "digits": 10000 + 4001 * k, "number": number, "last":
                  messages - 10 * k, "term": 4 * k + 1, "rare": "微" + chr(19968 + 4 * k * 37),
                  "msg_id": database.execute(at).strip() if at else ""}
        if k == 2:
            lines += ["\\timing off", f"{PROCESSOR} \\gset a_", "\\timing on"]
        lines.append(query.format(**values) + ";")
    lines += ["\\timing off", f"{PROCESSOR} \\gset b_", "\\echo processor :a_cpu :b_cpu"]
    done = subprocess.run(["psql", "-X", "-q", "-A", "-v", "ON_ERROR_STOP=1", database.url], input="\n".join(lines),
                          capture_output=True, encoding="utf-8", timeout=900)
    if done.returncode:
        raise SystemExit(done.stderr)
    times = [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("Time: ")][1:]
    a, b = next(map(int, line.split()[1:]) for line in done.stdout.splitlines() if line.startswith("processor "))
    rows = [line for line in done.stdout.splitlines() if line.endswith(" row)") or line.endswith(" rows)")]
    return times, (b - a) * 10 / CALLS, rows[-1].strip("()") if rows else ""


def load_cost(database, rounds, rows=200_000):
    """The same rows by COPY into a table with the primary key alone and into one as a partition is made, block ranges
    summarised as autovacuum would, round by round."""
    print(f"  loading {rows} rows by COPY, {rounds} rounds: primary key alone, and with what every partition has")
    path = database.execute("SHOW data_directory").strip() + "/bench_rows"
    database.execute(f"COPY (SELECT * FROM chatsluice.event_{time.strftime('%Y%m%d', time.gmtime(time.time() - 86400))} "
                     f"LIMIT {rows}) TO '{path}' (FORMAT binary)")
    plain = "CREATE TABLE bench.plain (LIKE chatsluice.event, PRIMARY KEY (group_id, event_time, event_id))"
    full = "CREATE TABLE bench.full (LIKE chatsluice.event INCLUDING ALL)"
    summarise = ("SELECT brin_summarize_new_values(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a "
                 "ON a.oid = c.relam WHERE i.indrelid = 'bench.{0}'::regclass AND a.amname = 'brin'")
    ratios = {"wall": [], "processor": []}
    for _ in range(rounds):
        took = {}
        for name, create in (("plain", plain), ("full", full)):
            database.execute(f"DROP TABLE IF EXISTS bench.{name}; {create}; CHECKPOINT")
            script = (f"{PROCESSOR} \\gset a_\n\\timing on\nCOPY bench.{name} FROM '{path}' (FORMAT binary);\n"
                      f"{summarise.format(name)};\n\\timing off\n{PROCESSOR} \\gset b_\n\\echo processor :a_cpu :b_cpu")
            done = subprocess.run(["psql", "-X", "-q", "-A", "-v", "ON_ERROR_STOP=1", database.url], input=script,
                                  capture_output=True, encoding="utf-8", timeout=600, check=True)
            wall = sum(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("Time: "))
            a, b = next(map(int, line.split()[1:]) for line in done.stdout.splitlines() if line.startswith("processor "))
            took[name] = {"wall": wall, "processor": (b - a) * 10}
        for clock, found in ratios.items():
            found.append(took["plain"][clock] / took["full"][clock])
        print("    " + "   ".join(f"{n}: {rows / t['wall'] * 1000:.0f} rows/s, {t['processor'] * 1000 / rows:.1f} us of processor "
                                  "a row" for n, t in took.items()))
    database.execute(f"DROP TABLE bench.plain, bench.full; COPY (SELECT 1 WHERE false) TO '{path}'")
    for clock, found in ratios.items():
        print(f"    rate with all against the primary key alone, by {clock} time: {statistics.median(found):.2f} "
              f"({min(found):.2f} to {max(found):.2f})")


def search(database, messages, rounds, only):
    print(f"  {'':<46} {'p50':>8} {'p95':>8} {'processor':>10}   ms")
    for name, query in QUERIES:
        if only not in name:
            continue
        times, processor, rows = measure(database, query, messages)
        print(f"  {name:<46} {statistics.median(times):>8.1f} {percentile(times, 0.95):>8.1f} {processor:>10.1f}   {rows}",
              flush=True)
    if not only:
        load_cost(database, rounds)


def run(cluster, url, events, rounds, only):
    """url: a database filled by an earlier run; else one is made in the cluster. only: queries whose name has this."""
    if url:
        database = Database.__new__(Database)
        database.name, database.url = "given", url
    else:
        database = cluster().create_database(migrated=False)
    messages = int(events / EVENTS_A_MESSAGE)
    print(f"search: {events} events over {DAYS} days and today, {CALLS} calls of each query with different parameters")
    if not url:
        fill(database, messages)
    search(database, messages, rounds, only)
