"""What stands in the outbox reaches the room: serve calls chatsim's REST API, which fires its webhooks back at serve."""
import json
import unittest

from database import Cluster
from harness import SDKAPPID, EndToEnd, wait_for
from service import Service
from sim import SECRET, Sim

ROWS = 60
RULES = """
- rule: rough
  when: before
  action: discard
  mask: '*'
  then: [resend]
  match: {regex: 'darn|\\*\\*\\*\\*'}
"""


class Sending(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.database = Cluster(cls).create_database()
        cls.service = Service(cls, cls.database).start()
        cls.sim = Sim(cls, cls.service)
        for n in range(8):
            cls.sim.create_room(f"room-{n}")

    def put(self, count, words, room="'room-' || n % 6"):
        self.database.execute(
            "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, custom_data, cause, "
            "asked_by, asked_at, state, reason, expires_at, random) SELECT "
            f"{room}, gen_random_uuid(), {SDKAPPID}, 'send_text', 'viewer_' || n, '{words} ' || n || '.', "
            "'{\"lvl\":3}', 'rule', 'a-rule', now(), 'queued', 'new', now() + interval '1 hour', n "
            f"FROM generate_series(1, {count}) AS n")

    def states(self, words):
        rows = self.database.rows("SELECT state, count(*) AS n FROM chatsluice.outbox "
                                  f"WHERE text LIKE '{words} %' GROUP BY 1")
        return {row["state"]: row["n"] for row in rows}

    def test_corrections_arrive_once(self):
        # Without a key nothing is sent; SIGHUP brings it.
        self.put(ROWS, "corrected")
        self.assertEqual(self.states("corrected"), {"queued": ROWS})
        self.service.config["apps"][0] |= {"secret_key": SECRET, "rest_api": f"http://127.0.0.1:{self.sim.port}"}
        self.service.write_config()
        self.service.reload()
        wait_for(lambda: self.states("corrected") == {"done": ROWS}, "all to be sent")
        said = [element["MsgContent"]["Text"] for n in range(6)
                for message in self.sim.room(f"room-{n}") for element in message["MsgBody"]]
        self.assertEqual(sorted(said), sorted(f"corrected {n}." for n in range(1, ROWS + 1)))
        metrics = self.service.metrics()
        self.assertEqual(metrics['chatsluice_outbox_events_total{event="accepted"}'], ROWS)
        self.assertEqual(metrics['chatsluice_rest_calls_total{result="answered"}'], ROWS)

        # A rule's own correction: discarded, masked, sent again. The rule would discard what it becomes, too: once.
        self.service.publish(RULES)
        for n in range(10):
            self.sim.send("room-7", f"viewer_{n}", f"oh darn {n}", CloudCustomData='{"lvl":3}')
        wait_for(lambda: len(self.sim.room("room-7")) == 10, "the corrections")
        self.service.wait_loaded()
        wait_for(lambda: self.states("oh") == {"done": 10}, "the corrections to be settled")
        self.assertEqual(sorted(message["MsgBody"][0]["MsgContent"]["Text"] for message in self.sim.room("room-7")),
                         [f"oh **** {n}" for n in range(10)])
        self.assertEqual({message["CloudCustomData"] for message in self.sim.room("room-7")}, {'{"lvl":3}'})

        # Refused for good: the platform's words are kept.
        self.put(1, "nowhere", room="'no-such-room'")
        wait_for(lambda: self.states("nowhere") == {"failed": 1}, "the refusal")
        row = self.database.rows("SELECT error_code, request_id FROM chatsluice.outbox WHERE room_id = 'no-such-room'")[0]
        self.assertEqual(row["error_code"], 100004)
        self.assertRegex(row["request_id"], "^Id-")
        self.assertEqual(json.loads(self.service.get("/readyz")[1])["corrections"], {"refused": False})

        # A wrong key: the application is left alone, /readyz says so and stays 200, a new key mends it.
        self.service.config["apps"][0]["secret_key"] = "a-wrong-secret"
        self.service.write_config()
        self.service.reload()
        wait_for(lambda: len(self.service.events("configuration taken over")) == 2, "the reload")
        self.put(5, "later")
        wait_for(lambda: json.loads(self.service.get("/readyz")[1])["corrections"]["refused"], "the breaker")
        status, body = self.service.get("/readyz")
        self.assertEqual(status, 200)
        self.assertIn("made with another key", json.loads(body)["corrections"]["why"])
        self.assertEqual(self.service.metrics()["chatsluice_outbox_breakers_open"], 1)
        self.service.config["apps"][0]["secret_key"] = SECRET
        self.service.write_config()
        self.service.reload()
        wait_for(lambda: self.states("later") == {"done": 5}, "what waited to be sent")
        self.assertEqual(len(self.service.events("the REST API refuses the application, its corrections wait")), 1)

        self.service.terminate()
        log = self.service.log()
        for secret in (SECRET, "a-wrong-secret", "usersig"):
            self.assertNotIn(secret, log)
        for word in ("corrected", "later"):
            self.assertNotIn(f"{word} 1.", log)


if __name__ == "__main__":
    unittest.main()
