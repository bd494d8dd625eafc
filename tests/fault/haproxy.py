"""haproxy.py - HAProxy in front of instances: the least of a configuration that keeps a restart from being noticed.

It asks each instance's /readyz, sends nothing to one that is not ready, and repeats what met a closed port at the next
instance. It never repeats a request that an instance has taken: a Before webhook that is sent twice is two events.
"""
import csv
import shutil
import socket

from harness import Folder, Process, free_port, wait_for

PROGRAM = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")

CONFIGURATION = """\
global
    stats socket {folder}/admin mode 600 level admin
defaults
    mode http
    timeout connect 500ms
    timeout client 30s
    timeout server 5s
    timeout check 1s
    retries 3
    retry-on conn-failure
    option redispatch 1
frontend webhooks
    bind 127.0.0.1:{port}
    default_backend instances
backend instances
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 100ms fall 1 rise 1
{servers}
"""


class Haproxy(Process):
    """`webhook_url` is what the platform is told. The instances need ports of their own (fix_ports)."""
    def __init__(self, owner, services, name="haproxy"):
        super().__init__(owner, name, Folder(owner).path)
        self.services = services
        self.port = free_port()
        servers = (f"    server {s.name} {s.config['webhook']['listen']} check port "
                   f"{s.config['operations']['listen'].rsplit(':', 1)[1]}" for s in services)
        configuration = self.folder / "haproxy.cfg"
        configuration.write_text(CONFIGURATION.format(folder=self.folder, port=self.port, servers="\n".join(servers)))
        self.spawn(PROGRAM, "-db", "-f", configuration)
        self.webhook_url = f"http://127.0.0.1:{self.port}{services[0].config['webhook'].get('path', '/webhook')}"
        self.wait_up(*services)

    def states(self):
        """{name of the instance: UP, DOWN...}"""
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
