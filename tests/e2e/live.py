"""live.py - the whole of it: instances of the service that may call the platform, and the platform that calls them."""
from balancer import Balancer
from harness import SDKAPPID, TOKEN, Folder, wait_for
from service import Service
from sim import SECRET, Sim


class Live:
    """`instances` services over one database and a chatsim that fires its webhooks at them in turn. Each knows the other
    side's port from the start, so either may die and come back."""
    def __init__(self, owner, database, /, *sim_options, instances=1, environment=None, sim_environment=None, outbox=None, **sections):
        key = Folder(owner).path / "key"
        key.write_text(SECRET)
        app = {"sdkappid": SDKAPPID, "token": TOKEN, "secret_key_file": str(key), "rest_api": "http://127.0.0.1:1"}
        self.database = database
        self.services = [Service(owner, database, name=f"serve-{i + 1}", apps=[dict(app)], outbox=outbox or {},
                                 **{"webhook": {"listen": "127.0.0.1:0", "threads": 64}} | sections).fix_ports()
                         for i in range(instances)]
        for service in self.services:
            service.webhook_port = int(service.config["webhook"]["listen"].rsplit(":", 1)[1])
        self.service = self.services[0]
        self.sim = Sim(owner, Balancer(owner, self.services) if instances > 1 else self.service, *sim_options,
                       environment=sim_environment)
        for service in self.services:
            service.environment = environment
            service.config["apps"][0]["rest_api"] = f"http://127.0.0.1:{self.sim.port}"
            service.write_config()
            service.start()

    def publish(self, rules):
        self.service.publish(rules)
        revision = self.service.metrics()["chatsluice_rule_revision"]
        for service in self.services[1:]:
            wait_for(lambda: service.metrics()["chatsluice_rule_revision"] == revision, "every instance to run the rules")

    def ask_for(self, text, room="room-1", sender="viewer_1"):
        """A row of the outbox that no webhook asked for; its id."""
        return self.enqueue(f"'{room}'", f"'{sender}'", f"'{text}'", 1)

    def ask_for_many(self, count, rooms):
        """A backlog of texts of their own over room-0, room-1 and so on."""
        self.enqueue(f"'room-' || i % {rooms}", "'viewer_' || i % 97", "'backlog ' || i", count)

    def enqueue(self, room, sender, text, count):
        """Expressions of SQL in which i is the row's number; the ids."""
        return self.database.execute(
            "INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, cause, asked_by, "
            f"asked_at, state, reason, expires_at, random) SELECT {room}, gen_random_uuid(), {SDKAPPID}, 'send_text', "
            f"{sender}, {text}, 'command', 'test', now(), 'queued', 'test', now() + interval '1 hour', i "
            f"FROM generate_series(1, {count}) AS i RETURNING outbox_id").strip()

    def wait_row(self, outbox_id, *states, seconds=20):
        """The row once it is in one of these states."""
        where = f"outbox_id = '{outbox_id}'"

        def look():
            return next((row for row in self.outbox(where) if row["state"] in states), None)
        try:
            return wait_for(look, f"the row to be {' or '.join(states)}", seconds)
        except AssertionError as failure:
            raise AssertionError(f"{failure}: {self.outbox(where)}") from None

    def faults(self, *specs):
        """From now on the platform fails like this."""
        reply = self.sim.request("PUT", "/sim/faults", {"faults": list(specs)})
        assert reply.status == 200, reply.bytes

    def outbox(self, where="true"):
        return self.database.rows(f"SELECT * FROM chatsluice.outbox WHERE {where} ORDER BY created_at, action")

    def count(self, *states):
        listed = ", ".join(f"'{state}'" for state in states)
        return self.database.value(f"SELECT count(*) FROM chatsluice.outbox WHERE state IN ({listed})")

    def wait_outbox(self, count, state="done", seconds=20):
        """The rows, once so many are in that state."""
        try:
            wait_for(lambda: self.count(state) >= count, f"{count} rows of the outbox to be {state}", seconds)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; there are:\n" + "\n".join(map(str, self.outbox()))) from None
        return self.outbox()

    def wait_settled(self, seconds):
        """Until nothing is under way any more; what only a person can decide may be left."""
        wait_for(lambda: self.count("held", "queued", "sending", "waiting") == 0, "every row to come to an end", seconds)

    def texts(self, room="room-1"):
        """What the room saw, in order."""
        return ["".join(e["MsgContent"].get("Text", "") for e in m["MsgBody"]) for m in self.sim.room(room)]
