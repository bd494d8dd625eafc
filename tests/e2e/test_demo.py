"""The README's first command, and that its status means something."""
import os
import unittest

from database import Cluster
from harness import BUILD, ROOT, EndToEnd, Folder, clean_environment, free_port, run
from service import Service
from sim import Sim


class Demo(EndToEnd):
    @unittest.skipUnless(BUILD == ROOT / "build", "scripts/run runs the release build")
    def test_one_command_brings_up_everything(self):
        folder = Folder(self).path
        environment = clean_environment(CHATSLUICE_WEBHOOK_LISTEN="127.0.0.1:0", CHATSLUICE_OPERATIONS_LISTEN="127.0.0.1:0")
        for _ in range(2):  # a second start finds what the first one left
            done = run(ROOT / "scripts/run", "--demo", "--directory", folder / "run", "--sim", f"127.0.0.1:{free_port()}",
                       environment=environment, timeout=200)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("7 of 7 messages fared as they should", done.stdout)

    def test_a_message_that_fares_otherwise_is_told(self):
        """The same messages without any rule: what should be stopped gets through."""
        database = Cluster(self).create_database()
        service = Service(self, database).start()
        simulator = Sim(self, service)
        done = run(ROOT / "scripts/demo", f"http://127.0.0.1:{simulator.port}", database.url,
                   environment=clean_environment(PATH=os.environ["PATH"]))
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("2 of 7 messages fared as they should", done.stdout)
        self.assertIn("BAD rejected", done.stdout)


if __name__ == "__main__":
    unittest.main()
