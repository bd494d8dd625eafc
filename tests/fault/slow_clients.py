"""slow_clients.py - slow, idle, hostile and too many clients, against an instance itself and behind config/haproxy.cfg.

Direct: what the service promises alone. Its connections and descriptors stay bounded, it never spins, whoever finds no
place is told so, and when the attack is over it serves as before. Behind HAProxy: every good client is answered, and no
slow one ever reaches an instance. Odd framing: the reply is the one that stands in the table, nothing is smuggled.

    python3 tests/fault/slow_clients.py --long

is the long form: 1,000 connections (200 in the short one) for 30 seconds an attack (3), and good clients behind HAProxy
have to be answered within 100 ms (99 of 100), which the short form only prints. Attackers come from 127.0.0.1, good
clients from 127.0.0.9. One JSON line of figures ends it; the status is 1 when a promise was broken.
"""
import contextlib
import csv
import gzip
import os
import re
import resource
import select
import socket
import subprocess
import threading
import time
import unittest
from pathlib import Path

import live_campaign
from live_campaign import figure, is_long, size

from chat import BEFORE, Webhooks, before, encode
from database import Cluster
from front import Front
from harness import CHATSLUICE, EndToEnd, Folder, clean_environment, scaled, wait_for
from service import Service

THREADS = 128
WAITING_ROOM = 64  # HTTP_WAITING_ROOM; and one connection may be in the hands of the accept loop
SPIN = 0.7  # of a core: what serving and refusing here takes is far below, an accept loop that spins takes all of one
GOOD_CLIENTS = 8
PAUSE_S = 0.02


def percentile(values, share):
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1) if ordered else None


class Cpu:
    """Share of one core that a process takes from here on."""
    def __init__(self, process):
        self.pid = process.popen.pid
        self.start = (time.monotonic(), self.seconds())

    def seconds(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def share(self):
        return (self.seconds() - self.start[1]) / (time.monotonic() - self.start[0])


class GoodClients:
    """Some keep-alive connections that post at a leisurely pace, and time every answer."""
    def __init__(self, open_webhooks):
        self.open_webhooks = open_webhooks
        self.lock = threading.Lock()
        self.latencies_ms, self.statuses, self.broken = [], {}, 0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work) for _ in range(GOOD_CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    def work(self):
        with self.open_webhooks() as webhooks:
            webhooks.connection.source_address = ("127.0.0.9", 0)
            while not self.stopping.wait(PAUSE_S):
                start = time.monotonic()
                try:
                    status = webhooks.post(before("good", group="honest")).status
                except OSError:  # refused or cut: a new connection for the next one
                    webhooks.connection.close()
                    status = None
                except Exception:  # half an answer
                    webhooks.connection.close()
                    status = None
                with self.lock:
                    if status is None:
                        self.broken += 1
                    else:
                        self.statuses[status] = self.statuses.get(status, 0) + 1
                        if status == 200:
                            self.latencies_ms.append((time.monotonic() - start) * 1000)

    def figures(self):
        with self.lock:
            return {"answered": self.statuses.get(200, 0), "refused": self.statuses.get(503, 0), "broken": self.broken,
                    "p50_ms": percentile(self.latencies_ms, 0.5), "p99_ms": percentile(self.latencies_ms, 0.99),
                    "max_ms": percentile(self.latencies_ms, 1)}


class Attack:
    """slowhttptest, again and again until the time is over: it ends by itself once all its connections are closed."""
    KINDS = {"head": ["-H", "-i", "1"], "body": ["-B", "-i", "1", "-s", "8192"],
             "read": ["-X", "-w", "1", "-y", "2", "-n", "1", "-z", "1", "-k", "3"]}

    def __init__(self, owner, kind, url):
        self.folder, self.kind, self.url = Folder(owner).path, kind, url
        self.waves, self.most_connected = 0, 0
        self.end = time.monotonic() + size("seconds")
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(size("seconds") + 120)

    def work(self):
        while (left := self.end - time.monotonic()) > 1:
            subprocess.run(
                # nice: what an attack costs its makers is not to be taken from those it is aimed at.
                ["nice", "-n", "19", "slowhttptest", "-g", "-o", str(self.folder / "seen"), "-c", str(size("connections")), "-r", "500", "-l", str(int(left)), "-x", "24", "-p", "1",
                 "-t", "POST", "-u", self.url(), *self.KINDS[self.kind]], cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment(),
                timeout=size("seconds") + 100)
            with open(self.folder / "seen.csv", newline="") as seconds:
                self.most_connected = max([self.most_connected, *(int(row["Connected"]) for row in csv.DictReader(seconds))])
            self.waves += 1

    def going_on(self):
        return self.thread.is_alive()

    def figures(self):
        assert self.waves > 0, "slowhttptest did not run"
        return {"attack_waves": self.waves, "attackers_connected": self.most_connected}


def signed_url(scheme, port, webhooks):
    return f"{scheme}://127.0.0.1:{port}/webhook?{webhooks.query(BEFORE, webhooks.token)}"


def descriptors(service):
    """Their numbers. The service does not let others of its account look (privileges.h): only root may."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root can count another process's descriptors")
    return [int(name) for name in os.listdir(f"/proc/{service.popen.pid}/fd")]


def send_and_read(connection, data, expected, seconds=8):
    """Sends bytes, ends nothing, and reads until the other side closes; or is silent for so long, which is short once
    there are as many replies as expected."""
    connection.settimeout(seconds)
    received = b""
    with contextlib.suppress(OSError):
        connection.sendall(data)
    with contextlib.suppress(OSError):
        while piece := connection.recv(65536):
            received += piece
            connection.settimeout(0.3 if len(statuses_of(received)) >= expected else seconds)
    return received


def statuses_of(received):
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


class SlowClients(EndToEnd):
    def open_files(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))

    def setUp(self):
        self.open_files()

    def serve(self, database=None, **webhook):
        return Service(self, database, webhook={"threads": THREADS} | webhook).start()

    def assert_serves(self, service):
        """At once or as soon as it has noticed that the others are gone."""
        def served():
            with contextlib.suppress(OSError), Webhooks(service) as webhooks:
                return webhooks.post(before("afterwards")).status == 200
        wait_for(served, "a good client to be answered", 60)

    # Direct ---------------------------------------------------------------------------------------------------------

    def attack_directly(self, kind):
        service = self.serve()
        webhooks = Webhooks(service)
        cpu, files = Cpu(service), 0
        with GoodClients(lambda: Webhooks(service)) as good, \
                Attack(self, kind, lambda: signed_url("http", service.webhook_port, webhooks)) as attack:
            while attack.going_on():
                files = max(files, len(descriptors(service)))
                time.sleep(0.05)
            share = cpu.share()
        self.assert_serves(service)
        seen, metrics = good.figures(), service.metrics()
        figure(**{f"direct_{kind}": seen | attack.figures() | {
            "cpu": round(share, 3), "descriptors": files,
            "turned_away": metrics['chatsluice_refused_total{reason="connection"}']}})
        self.assertLess(share, SPIN, "of a core")
        self.assertLessEqual(files, THREADS + 2 * WAITING_ROOM + 64, "descriptors")
        self.assertGreater(seen["answered"], 0, "good clients had their turn")
        service.terminate()

    def test_slow_heads_directly(self):
        self.attack_directly("head")

    def test_slow_bodies_directly(self):
        self.attack_directly("body")

    def test_slow_readers_directly(self):
        self.attack_directly("read")

    def test_idle_connections_directly(self):
        """Each has been answered once and stays silent: those with a place keep it as long as nobody else needs it, and
        a good client always gets one."""
        service = self.serve()
        places, idle, refused = THREADS + WAITING_ROOM + 1, [], 0
        request = self.request(Webhooks(service), b"{}")
        cpu, start = Cpu(service), time.monotonic()
        with contextlib.ExitStack() as stack:
            for _ in range(max(size("connections"), places + 50)):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", service.webhook_port), 20))
                connection.sendall(request)
                idle.append(connection)
            told = time.monotonic()
            for connection in idle:  # every one is told something, whatever it is
                with contextlib.suppress(ConnectionError):
                    refused += statuses_of(connection.recv(65536))[:1] == [503]
            figure(idle_direct={"connections": len(idle), "refused": refused,
                                "last_told_ms": round((time.monotonic() - told) * 1000)})
            with GoodClients(lambda: Webhooks(service)) as good:
                time.sleep(size("seconds"))
            figure(idle_direct_good=good.figures() | {"cpu": round(cpu.share(), 3)})
            self.assertGreater(good.figures()["answered"], 0)
            self.assertLess(cpu.share(), SPIN, "of a core")
            self.assertGreater(time.monotonic() - start, size("seconds"))
        self.assert_serves(service)
        service.terminate()

    @staticmethod
    def request(webhooks, body, *headers, length=None):
        lines = [f"POST /webhook?{webhooks.query(BEFORE, webhooks.token)} HTTP/1.1", "Host: localhost",
                 "Content-Type: application/json", *headers]
        if length is not False:
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    # Behind HAProxy -------------------------------------------------------------------------------------------------

    def behind(self, database=None):
        services = [Service(self, database, name=f"serve-{i + 1}", webhook={"threads": THREADS}).fix_ports().start()
                    for i in range(2)]
        front = Front(self, services)

        def ready():
            with front.webhooks() as webhooks:
                return webhooks.post(before("ready?")).status == 200
        wait_for(ready, "an instance behind HAProxy")
        return services, front

    def good_clients_of(self, name, front, during, **more):
        """They are all answered, whatever `during` does meanwhile."""
        with GoodClients(front.webhooks) as good:
            more |= during() or {}
        seen = good.figures()
        figure(**{name: seen | more})
        self.assertGreater(seen["answered"], 0)
        self.assertEqual((seen["refused"], seen["broken"], len(good.statuses)), (0, 0, 1), good.statuses)
        if is_long():
            self.assertLess(seen["p99_ms"], 100, "the promise of the long form")

    def test_slow_clients_behind_haproxy(self):
        services, front = self.behind()

        def nothing():
            time.sleep(min(5, size("seconds")))
        self.good_clients_of("behind_nothing", front, nothing)
        for kind in ("head", "body", "read"):
            def attacked():
                webhooks, most = front.webhooks(), 0
                with Attack(self, kind, lambda: signed_url("https", front.port, webhooks)) as attack:
                    while attack.going_on():
                        most = max(most, *(s.metrics()["chatsluice_connections"] for s in services))
                        time.sleep(0.1)
                return attack.figures() | {"most_connections_of_an_instance": most}
            with self.subTest(kind):
                self.good_clients_of(f"behind_{kind}", front, attacked)
        for service in services:
            metrics = service.metrics()
            for reason in ("slow_body", "framing", "connection"):
                self.assertEqual(metrics[f'chatsluice_refused_total{{reason="{reason}"}}'], 0,
                                 f"{reason}: a slow client reached an instance")

    def test_idle_connections_behind_haproxy(self):
        services, front = self.behind()
        body = b"{}"
        with contextlib.ExitStack() as stack:
            idle = []

            def fill():
                for i in range(size("connections")):
                    connection = stack.enter_context(front.connect(source=f"127.0.0.{20 + i % 4}"))
                    connection.sendall(self.request(front.webhooks(), body))
                    self.assertEqual(statuses_of(connection.recv(65536)), [200])
                    idle.append(connection)
                time.sleep(size("seconds"))
                connections = [s.metrics()["chatsluice_connections"] for s in services]
                for connection in idle[::10]:  # kept, and of use
                    connection.sendall(self.request(front.webhooks(), body))
                    self.assertEqual(statuses_of(connection.recv(65536)), [200])
                return {"idle": len(idle), "connections_of_instances": sum(connections)}
            self.good_clients_of("behind_idle", front, fill)

    # Odd requests ---------------------------------------------------------------------------------------------------

    def odd_requests(self, webhooks):
        """Bytes, and the statuses of a direct connection; what is after the first request must not become a second."""
        good = encode(before("honest", group="honest"))
        second = self.request(webhooks, encode(before("smuggled", group="smuggled")))
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(good), good)
        r = self.request

        def raw(text, body=good):
            return r(webhooks, b"", length=False).replace(b"\r\n\r\n", b"\r\n" + text + b"\r\n\r\n") + body
        length = b"Content-Length: %d" % len(good)
        return {
            "both framings": (raw(length + b"\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + second), [400]),
            "both, other order": (raw(b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n" + second), [400]),
            "two lengths": (raw(b"Content-Length: 0\r\n" + length, second), [400]),
            "the same length twice": (raw(length + b"\r\n" + length), [400]),
            "length 4zz": (raw(b"Content-Length: 4zz", b"{}{}" + second), [400]),
            "length +4": (raw(b"Content-Length: +4", b"{}{}" + second), [400]),
            "length -1": (raw(b"Content-Length: -1", second), [400]),
            "length 0x4": (raw(b"Content-Length: 0x4", b"{}{}" + second), [400]),
            "length list": (raw(b"Content-Length: 4, 4", b"{}{}" + second), [400]),
            "huge length": (raw(b"Content-Length: 99999999999999999999", second), [400]),
            "blank before the colon": (raw(b"Content-Length : 0", second), [400]),
            "folded length": (raw(b"X-A: b\r\n Content-Length: 0", second), [400]),
            "bare line feed": (raw(b"X-A: b\nContent-Length: 0", second), [400]),
            "late length": (raw(b"\r\n".join(b"X-%d: 1" % i for i in range(70)) + b"\r\nContent-Length: 0", second), [400]),
            "encoding gzip, chunked": (raw(b"Transfer-Encoding: gzip, chunked", chunked), [400]),
            "encoding xchunked": (raw(b"Transfer-Encoding: xchunked", chunked), [400]),
            "encoding twice": (raw(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", chunked), [400]),
            "chunk extension": (raw(b"Transfer-Encoding: chunked", b"2;a=b\r\n{}\r\n0\r\n\r\n" + second), [400]),
            "chunk of no size": (raw(b"Transfer-Encoding: chunked", b"zz\r\n" + second), [400]),
            "HTTP/1.0 chunked": (raw(b"Transfer-Encoding: chunked", chunked).replace(b"HTTP/1.1", b"HTTP/1.0", 1), [400]),
            "two hosts": (raw(b"Host: other\r\n" + length), [400]),
            "HTTP/2.0": (raw(length).replace(b"HTTP/1.1", b"HTTP/2.0", 1), [505]),
            "blank lines before": (b"\r\n\r\n" + r(webhooks, good) + second, [400]),
            "a head of 20 kB": (raw(b"X-A: " + b"x" * 20000), [400]),
            "a NUL in the head": (raw(b"X-A: \0\r\n" + length), [400]),
            "oversize": (raw(b"Content-Length: 1048577", b"x" * 100000), [413]),
            "oversize, chunked": (raw(b"Transfer-Encoding: chunked", b"110000\r\n" + b"x" * 0x110000), [413]),
            "stalled": (raw(b"Content-Length: 100", b"{"), [408]),
            "stalled chunk": (raw(b"Transfer-Encoding: chunked", b"10\r\n{"), [408]),
            "no length": (raw(b"X-A: b", b""), [200]),  # an empty body: unreadable, and rejected
            "compressed": (r(webhooks, gzip.compress(good), "Content-Encoding: gzip"), [200]),
            "a good one": (r(webhooks, good), [200]),
            "chunked": (raw(b"Transfer-Encoding: chunked", chunked), [200]),
            "expects 100": (raw(b"Expect: 100-continue\r\n" + length), [100, 200]),
            "pipelined": (r(webhooks, good) * 5, [200] * 5),
        }

    def requests_of(self, service):
        """How many requests an instance has seen, whatever became of them."""
        return sum(value for key, value in service.metrics().items()
                   if key.startswith(("chatsluice_webhooks_total", "chatsluice_refused_total"))
                   and 'reason="unreadable"' not in key)  # counted as a webhook as well

    def test_odd_requests_directly(self):
        database = Cluster(self).create_database()
        service = self.serve(database)
        webhooks = Webhooks(service)

        def connect():
            return socket.create_connection(("127.0.0.1", service.webhook_port), 20)
        names = list(self.odd_requests(webhooks))
        for name in names:
            data, statuses = self.odd_requests(webhooks)[name]
            with self.subTest(name), connect() as connection:
                seen = statuses_of(send_and_read(connection, data, len(statuses)))
                # A thread's first request may have blank lines before it; its body is then not what it should be.
                self.assertIn(seen, [statuses] + [[200, 400]] * (name == "blank lines before"))
        with connect() as connection:  # gone in the middle of its body
            connection.sendall(self.request(webhooks, b"{", length=500))
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(statuses_of(send_and_read(connection, b"", 1)), [400])
        service.wait_loaded()
        stored = {row["group_id"]: row["count"] for row in database.rows(
            "SELECT group_id, count(*) FROM chatsluice.event GROUP BY 1")}
        figure(odd_requests=len(names), odd_stored=stored)
        self.assertNotIn("smuggled", stored)
        self.assertEqual(stored.get("honest"), 8, "a good one, chunked, 100-continue, five pipelined")
        self.assert_serves(service)

    def test_odd_requests_behind_haproxy(self):
        """HAProxy answers or mends some of them by itself, a list of equal lengths or a folded line. What must not be is
        that it and the instance see another number of requests: that would be smuggling."""
        services, front = self.behind()
        webhooks = front.webhooks()
        good = front.webhooks()

        def passed_on():
            return len(re.findall(r" instances/serve-\d ", front.log()))
        wait_for(lambda: passed_on() == sum(map(self.requests_of, services)), "the first requests to be counted")
        for name in list(self.odd_requests(webhooks)):
            data, statuses = self.odd_requests(webhooks)[name]
            with self.subTest(name), front.connect() as connection:
                seen = statuses_of(send_and_read(connection, data, len(statuses), seconds=3))
                if statuses[-1] == 200:
                    self.assertEqual(seen, statuses)
                self.assertEqual(good.post(before("between")).code, 0, "its own answer, and no other's")
            with self.subTest(name):
                wait_for(lambda: passed_on() == sum(map(self.requests_of, services)),
                         f"as many requests of the instances as HAProxy has passed on, after {name}", 10)
        good.connection.close()
        figure(odd_passed_on=passed_on())

    # Descriptors ----------------------------------------------------------------------------------------------------

    def test_a_start_with_too_few_descriptors_says_so(self):
        service = Service(self, webhook={"threads": THREADS})
        done = subprocess.run(["prlimit", "--nofile=200:200", str(CHATSLUICE), "serve", "--config",
                               str(service.config_path)], capture_output=True, encoding="utf-8", timeout=60,
                              env=clean_environment())
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"webhook\.threads is 128.*LimitNOFILE")

    def test_descriptors_run_out(self):
        """The limit is taken away from the running service: it refuses, does not spin, keeps what it has, recovers."""
        service = self.serve()
        soft, hard = resource.prlimit(service.popen.pid, resource.RLIMIT_NOFILE)
        with contextlib.ExitStack() as stack:
            kept = stack.enter_context(Webhooks(service))
            self.assertEqual(kept.post(before("x")).status, 200)
            highest = max(descriptors(service))
            resource.prlimit(service.popen.pid, resource.RLIMIT_NOFILE, (highest + 3, hard))
            cpu = Cpu(service)
            crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", service.webhook_port), 20))
                     for _ in range(scaled(100, 30))]
            told = 0
            end = time.monotonic() + size("seconds")
            while time.monotonic() < end or told == 0:
                self.assertEqual(kept.post(before("x")).status, 200)
                self.assertLess(time.monotonic(), end + 30, "nobody was told anything")
                for connection in select.select(crowd, [], [], 0.05)[0]:
                    with contextlib.suppress(ConnectionError):
                        told += statuses_of(connection.recv(65536)) == [503]
                    crowd.remove(connection)
            share = cpu.share()
            resource.prlimit(service.popen.pid, resource.RLIMIT_NOFILE, (soft, hard))
        figure(shortage={"refused": told, "cpu": round(share, 3)})
        self.assertGreater(told, 20)
        self.assertLess(share, SPIN, "of a core")
        self.assert_serves(service)
        service.terminate()


if __name__ == "__main__":
    live_campaign.main(connections=(200, 1000), seconds=(3, 30))
