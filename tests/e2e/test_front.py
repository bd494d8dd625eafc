"""config/haproxy.cfg: TLS from end to end, webhooks through it, an instance that goes is not missed, slow clients never
reach an instance."""
import contextlib
import http.server
import ssl
import threading
import unittest
import warnings

from chat import BEFORE, before
from database import Cluster
from harness import EndToEnd, add_cleanup, scaled, wait_for
from front import Front
from service import Service


class Mirror:
    """Stands where an instance is expected and keeps what the proxy sent."""
    def __init__(self, owner):
        requests = self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                requests.append((self.requestline, dict(self.headers), body))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
            do_GET = do_POST = answer

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        add_cleanup(owner, self.server.shutdown)
        self.name = "mirror"
        self.webhook_port = self.operations_port = self.server.server_address[1]


class FrontTest(EndToEnd):
    def instances(self, count, **sections):
        sections = {"webhook": {"threads": 128}} | sections
        services = [Service(self, name=f"serve-{i + 1}", **sections).fix_ports().start() for i in range(count)]
        return services

    def answered(self, services):
        return [service.metrics()['chatsluice_webhooks_total{command="before"}'] for service in services]

    def wait_ready(self, front):
        """Until the proxy's health checks have found somebody."""
        def ready():
            with front.webhooks() as webhooks:
                return webhooks.post(before("ready?")).status == 200
        wait_for(ready, "an instance behind HAProxy")

    # TLS and what passes -------------------------------------------------------------------------------------------

    def test_webhooks_pass_and_connections_are_kept(self):
        database = Cluster(self).create_database()
        service = Service(self, database, name="serve-1", webhook={"threads": 128}).start()
        front = Front(self, [service])
        self.wait_ready(front)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(front.webhooks()) for _ in range(10)]
            for _ in range(scaled(10, 3)):
                for webhooks in clients:
                    reply = webhooks.post(before("through TLS", group="room-tls"))
                    self.assertEqual((reply.status, reply.code), (200, 0))
            self.assertEqual(webhooks.connection.sock.version(), "TLSv1.3")
            # Ten clients one after the other need one connection to the instance, or a few.
            self.assertLess(service.metrics()["chatsluice_connections"], 5)
            big = before("x" * 200_000, group="room-tls")  # longer than the proxy's buffer
            self.assertEqual(webhooks.post(big).status, 200)
            self.assertEqual(webhooks.post(before("bad token"), token="no").status, 403)
        service.wait_loaded()
        self.assertEqual(database.value("SELECT count(*) FROM chatsluice.event WHERE group_id = 'room-tls'"),
                         10 * scaled(10, 3) + 1)
        self.assertNotRegex(front.log(), r"(?i)sign|requesttime", "signatures are not logged")
        self.assertRegex(front.log(), r"POST /webhook")

    def test_old_protocols_and_strangers_are_refused(self):
        front = Front(self, self.instances(1))
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        for context in (old, ssl.create_default_context()):  # an old protocol; a client that does not know the certificate
            with front.connect(handshake=False) as raw, self.assertRaises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(raw, server_hostname="localhost")
        with front.connect() as accepted:
            self.assertEqual(accepted.version(), "TLSv1.3")

    def test_what_does_not_belong_is_refused_at_the_edge(self):
        services = self.instances(1)
        front = Front(self, services)
        self.wait_ready(front)
        cases = [
            (404, {"path": "/"}), (404, {"path": "/metrics"}), (405, {"method": "PUT"}), (414, {"extra": "x" * 3000}),
            (431, {"headers": {"X-Long": "x" * 9000}}), (400, {"headers": {f"X-{i}": "1" for i in range(70)}}),
        ]
        before_all = services[0].metrics()
        for status, wrong in cases:
            with self.subTest(status), front.webhooks() as webhooks:
                self.assertEqual(webhooks.post(before("x"), **wrong).status, status)
        with front.connect() as raw:  # refused before it has come whole
            raw.sendall(b"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1100000\r\n\r\n" + b"x" * 70_000)
            self.assertRegex(raw.recv(65536), b"^HTTP/1.1 413 ")
        after_all = services[0].metrics()
        for key in after_all:
            if key.startswith(("chatsluice_refused", "chatsluice_webhooks")):
                self.assertEqual(after_all[key], before_all[key], f"{key}: it reached the instance")

    def test_the_instance_sees_http_1_1_whole_and_no_addresses(self):
        mirror = Mirror(self)
        front = Front(self, [mirror])
        forged = {"X-Forwarded-For": "1.2.3.4", "X-Real-IP": "1.2.3.4", "Forwarded": "for=1.2.3.4"}
        with front.webhooks() as webhooks:
            wait_for(lambda: webhooks.post(before("x"), headers=forged).status == 200, "the mirror to be found alive")
        line, headers, body = [request for request in mirror.requests if not request[0].startswith("GET")][-1]
        self.assertRegex(line, r"^POST /webhook\?\S+ HTTP/1\.1$")
        self.assertFalse({h.lower() for h in headers} & {h.lower() for h in forged})
        self.assertIn(BEFORE.encode(), body)
        checks = [line for line, _, _ in mirror.requests if line.startswith("GET")]
        self.assertEqual(set(checks), {"GET /readyz HTTP/1.1"})

    # Several instances ----------------------------------------------------------------------------------------------

    def test_an_instance_that_goes_is_not_missed(self):
        services = self.instances(2)
        front = Front(self, services)
        self.wait_ready(front)
        statuses, stop = [], threading.Event()

        def post_until_stopped():
            with front.webhooks() as webhooks:
                while not stop.is_set():
                    statuses.append(webhooks.post(before("still there?")).status)
        posters = [threading.Thread(target=post_until_stopped) for _ in range(4)]
        for poster in posters:
            poster.start()
        try:
            for service, end, lost in ((services[0], Service.terminate, 0), (services[1], Service.kill, len(posters))):
                start = self.answered(services)
                wait_for(lambda: all(now > was for now, was in zip(self.answered(services), start)),
                         "both instances to be given work", 60)
                already = len(statuses)
                end(service)
                other = services[1 - services.index(service)]
                count = self.answered([other])[0]
                wait_for(lambda: self.answered([other])[0] > count + scaled(100, 20), "the other to take all of it", 60)
                service.start()
                # Killed, it takes along what it was answering, at most one request of each poster.
                failed = [status for status in statuses[already:] if status != 200]
                self.assertLessEqual(len(failed), lost, failed)
        finally:
            stop.set()
            for poster in posters:
                poster.join(30)
        self.assertGreater(statuses.count(200), scaled(200, 40))

    # Slow clients ---------------------------------------------------------------------------------------------------

    def test_slow_clients_are_held_off(self):
        services = self.instances(1)
        front = Front(self, services)
        self.wait_ready(front)
        with front.webhooks() as good, contextlib.ExitStack() as stack:
            head = (f"POST /webhook?{good.query(BEFORE, good.token)} HTTP/1.1\r\nHost: localhost\r\n"
                    "Content-Type: application/json\r\nContent-Length: 5000\r\n")
            slow = [stack.enter_context(front.connect(source="127.0.0.2")) for _ in range(scaled(100, 30))]
            for _ in range(20):  # not even a handshake
                stack.enter_context(front.connect(source="127.0.0.2", handshake=False))
            for i, connection in enumerate(slow):
                connection.sendall((head if i % 2 else head + "\r\n{").encode())  # head or body that does not end
            for _ in range(scaled(50, 20)):
                self.assertEqual(good.post(before("between them")).status, 200)
                self.assertLess(services[0].metrics()["chatsluice_connections"], 10, "slow clients reached the instance")
            for connection in slow:
                self.assertRegex(read_all(connection), b"^HTTP/1.1 408 ")
            self.assertEqual(good.post(before("afterwards")).status, 200)
            self.assertEqual(services[0].metrics()['chatsluice_refused_total{reason="slow_body"}'], 0)


def read_all(connection):
    data = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := connection.recv(65536):
            data += piece
    return data


if __name__ == "__main__":
    unittest.main()
