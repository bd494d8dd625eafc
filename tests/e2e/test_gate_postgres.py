"""The byte gate against PostgreSQL's own verdict on many random strings."""
import unittest

from database import Cluster
from harness import BUILD, EndToEnd, run


class GateAgainstPostgres(EndToEnd):
    def test_they_agree(self):
        database = Cluster(self).create_database(migrated=False)
        done = run(BUILD / "tests/gate_postgres", database.url, timeout=200)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
