"""people.py - logins in the roles of config/roles.sql, and the database as each of them sees it."""
from database import Database
from harness import ROOT, run_ok

ROLES = ROOT / "config/roles.sql"


def apply_roles(database):
    run_ok("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", database.url, "-f", ROLES)


def login(database, role):
    """The database by another login of its cluster; database is the superuser's."""
    assert "user=postgres" in database.url
    other = Database.__new__(Database)
    other.name = database.name
    other.url = database.url.replace("user=postgres", f"user={role}")
    return other


class People(dict):
    """Moderators by name, or people of another role."""
    def __init__(self, database, *names, role="chatsluice_moderator"):
        super().__init__()
        apply_roles(database)
        for name in names:
            database.execute(f"DO $$ BEGIN IF to_regrole('{name}') IS NULL THEN CREATE ROLE {name} LOGIN; END IF; END $$; "
                             f"GRANT {role} TO {name}")
            self[name] = login(database, name)
