"""replication.py - two clusters, one the synchronous standby of the other, that can change places."""
import os
import pwd
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from database import Cluster, Database
from harness import run_ok

STANDBY = "standby"  # how it names itself to the primary


def programs():
    """Debian keeps the server's programs out of PATH, one folder a version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return versions[-1]


class Node(Cluster):
    """One of the pair. Its files are where scripts/postgres puts them."""
    def __init__(self, owner):
        super().__init__(owner, running=False)
        self.home = self.folder / "pg"

    @property
    def socket(self):
        return parse_qs(urlsplit(self.url("postgres")).query)["host"][0]

    def as_server(self, *command):
        """Runs one of PostgreSQL's programs as the user the server runs as."""
        if os.geteuid() == 0:
            command = ("runuser", "-u", "postgres", "--", *command)
        return run_ok(*command, timeout=120)

    def follow(self, primary):
        """Becomes a fresh standby of the other."""
        self.home.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.home, user.pw_uid, user.pw_gid)
        self.as_server("rm", "-rf", self.home / "data")
        self.as_server(programs() / "pg_basebackup", "-D", self.home / "data", "-c", "fast", "-X", "stream", "-R",
                       "-d", f"host={primary.socket} user=postgres application_name={STANDBY}")
        self.start()
        primary.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
        primary.sql("SELECT pg_reload_conf()")

    def promote(self):
        """Takes the place of a primary that is gone; waits for nobody from now on."""
        self.as_server(programs() / "pg_ctl", "promote", "-w", "-D", self.home / "data")

    def sql(self, text):
        return Database(self, "postgres").execute(text)

    def is_followed(self):
        """Whether a commit here waits for the standby."""
        return self.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'").strip() == "1"


class Pair:
    def __init__(self, owner):
        self.primary, self.other = Node(owner), Node(owner)
        self.primary.start()
        self.database = self.primary.create_database()
        self.other.follow(self.primary)
        # For the service and for us: both, and that we want the one that takes writes.
        self.database.url = (f"postgresql:///{self.database.name}?host={self.primary.socket},{self.other.socket}"
                             "&user=postgres&target_session_attrs=read-write")

    def fail_over(self):
        """The primary is lost, the standby promoted."""
        self.primary.stop("immediate")
        self.other.promote()
        self.primary, self.other = self.other, self.primary

    def rebuild(self):
        """What was lost comes back as the new standby."""
        self.other.follow(self.primary)
