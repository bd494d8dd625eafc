"""front.py - HAProxy with config/haproxy.cfg in front of instances, with a certificate made for the occasion."""
import csv
import os
import re
import socket
import ssl

from chat import Webhooks
from harness import ROOT, Folder, Process, free_port, run_ok, wait_for

CONFIG = ROOT / "config/haproxy.cfg"


class Front(Process):
    """Serves https://127.0.0.1:port until the owner's end, and the same over plain HTTP at `webhook_url`, for clients that
    speak no TLS. The shipped file, with nothing else changed but what an operator has to change, what needs root when we
    are not, and a socket to ask it what it thinks. The instances need ports of their own (fix_ports) if they restart."""
    def __init__(self, owner, services, name="haproxy"):
        super().__init__(owner, name, Folder(owner).path)
        self.port, plain_port = free_port(), free_port()
        self.webhook_url = f"http://127.0.0.1:{plain_port}/webhook"
        certificate, key, both = (self.folder / n for n in ("certificate.pem", "key.pem", "chatsluice.pem"))
        run_ok("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2,
               "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext",
               "subjectAltName=DNS:localhost,IP:127.0.0.1")
        both.write_text(certificate.read_text() + key.read_text())
        self.tls = ssl.create_default_context(cafile=certificate)
        text = CONFIG.read_text()
        for found, wanted in (
                (r"log /dev/log local0",
                 f"log stderr format raw local0\n    stats socket {self.folder}/admin mode 600 level admin"),
                (r"bind :443 ssl crt /etc/haproxy/chatsluice\.pem",
                 f"bind 127.0.0.1:{plain_port}\n    bind 127.0.0.1:{self.port} ssl crt {both}"),
                (r"    server one .*\n    server two .*\n", "".join(
                    f"    server {service.name} 127.0.0.1:{service.webhook_port} port {service.operations_port}\n"
                    for service in services))):
            text, count = re.subn(found, wanted, text)
            assert count == 1, f"{found} is {count} times in {CONFIG}"
        if os.geteuid() != 0:
            text = re.sub(r"    (chroot|user|group) .*\n", "", text)
        config = self.folder / "haproxy.cfg"
        config.write_text(text)
        run_ok("haproxy", "-c", "-f", config)
        self.spawn("haproxy", "-db", "-f", config)
        wait_for(self.listens, "HAProxy to listen")

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def states(self):
        """{name of the instance: UP, DOWN, UP 1/2...}, as HAProxy sees it."""
        with socket.socket(socket.AF_UNIX) as admin:
            try:
                admin.connect(str(self.folder / "admin"))
            except OSError:
                return {}  # not there yet
            admin.sendall(b"show stat\n")
            text = b"".join(iter(lambda: admin.recv(65536), b"")).decode()
        return {row["svname"]: row["status"] for row in csv.DictReader(text.lstrip("# ").splitlines())
                if row["pxname"] == "instances"}

    def wait_up(self, *services):
        wait_for(lambda: all(self.states().get(s.name) == "UP" for s in services), "HAProxy to take the instances for up")

    def connect(self, source="127.0.0.1", timeout=20, handshake=True):
        """A TLS connection, or with handshake False only TCP; loopback has many source addresses."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout, (source, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(raw, server_hostname="localhost") if handshake else raw

    def webhooks(self, **options):
        return SecureWebhooks(self, **options)


class SecureWebhooks(Webhooks):
    """One keep-alive connection over TLS."""
    def __init__(self, front, **options):
        front.webhook_port = front.port
        super().__init__(front, **options)
        connect = self.connection.connect

        def connect_tls():
            connect()
            self.connection.sock = front.tls.wrap_socket(self.connection.sock, server_hostname="localhost")
        self.connection.connect = connect_tls
