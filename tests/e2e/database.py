"""database.py - a private PostgreSQL by scripts/postgres, and databases in it, asked through psql."""
import json

from harness import BUILD, CHATSLUICE, ROOT, Folder, add_cleanup, clean_environment, run_ok


class Cluster:
    """A private PostgreSQL; a fresh, migrated database for every asker. Not durable unless asked for: the server may be
    killed in a test but the kernel lives on, and its syncs would only cost time."""
    def __init__(self, owner, running=True, options="-c fsync=off"):
        self.options = f"-c max_connections=50 {options}"
        self.folder = Folder(owner).path
        self.databases = 0
        add_cleanup(owner, lambda: self.script("stop", "immediate"))
        if running:
            self.start()

    def script(self, verb, *arguments):
        environment = clean_environment(CHATSLUICE_POSTGRES_OPTIONS=self.options,
                                        CHATSLUICE_POSTGRES_TEMPLATE=str(BUILD / "postgres-template"))
        return run_ok(ROOT / "scripts/postgres", verb, self.folder / "pg", *arguments, environment=environment,
                      timeout=120).strip()

    def start(self):
        self.script("start")

    def stop(self, mode="fast"):
        self.script("stop", mode)

    def url(self, database):
        return self.script("url").replace("postgresql:///postgres?", f"postgresql:///{database}?")

    def create_database(self, migrated=True, copy_of=None):
        """Empty, migrated, or a copy of one that nobody is connected to."""
        self.databases += 1
        database = Database(self, f"test_{self.databases}")
        template = f" TEMPLATE {copy_of.name}" if copy_of else ""
        Database(self, "postgres").execute(f"CREATE DATABASE {database.name}{template}")
        if migrated and not copy_of:
            database.migrate()
        return database

    def copy(self, database):
        """A database like this one, to which nobody is connected: much faster than migrating another."""
        self.databases += 1
        copied = Database(self, f"test_{self.databases}")
        Database(self, "postgres").execute(f"CREATE DATABASE {copied.name} TEMPLATE {database.name}")
        return copied


class Database:
    def __init__(self, cluster, name):
        self.name = name
        self.url = cluster.url(name)

    def execute(self, sql):
        """Runs SQL with psql, which is also what operators have; raw output."""
        return run_ok("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url, "-c", sql)

    def rows(self, query):
        """The rows of a query as dictionaries; bytea as bytes is the caller's to decode (\\x...)."""
        return json.loads(self.execute(f"SELECT coalesce(json_agg(one_row), '[]') FROM ({query}) one_row"))

    def value(self, query):
        rows = self.rows(query)
        assert len(rows) == 1, f"{len(rows)} rows: {query}"
        return next(iter(rows[0].values()))

    def migrate(self, *options):
        return run_ok(CHATSLUICE, "migrate", *options, environment=clean_environment(CHATSLUICE_DATABASE_URL=self.url))
