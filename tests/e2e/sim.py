"""sim.py - chatsim in its two roles: the platform (`serve`) and traffic with a ledger (`load`)."""
import base64
import collections
import hashlib
import hmac
import http.client
import json
import random
import time
import zlib
from urllib.parse import quote, urlencode

from chat import Reply
from harness import CHATSIM, SDKAPPID, TOKEN, Folder, Process

SECRET = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e"


def usersig(identifier="administrator", secret=SECRET, sdkappid=SDKAPPID, expire=86400, now=None):
    """UserSig by the letter of protocol.md section 8, with Python's own HMAC and zlib."""
    fields = {"identifier": identifier, "sdkappid": sdkappid, "time": int(now or time.time()), "expire": expire}
    text = "".join(f"TLS.{name}:{value}\n" for name, value in fields.items())
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    document = {"TLS.ver": "2.0"} | {f"TLS.{k}": v for k, v in fields.items()}
    document["TLS.sig"] = base64.b64encode(digest).decode()
    packed = base64.b64encode(zlib.compress(json.dumps(document).encode())).decode()
    return packed.translate(str.maketrans("+/=", "*-_"))


class Sim(Process):
    """`chatsim serve`, firing its webhooks at a service."""
    def __init__(self, owner, service, *options, name="chatsim", environment=None):
        super().__init__(owner, name, Folder(owner).path)
        secret = self.folder / "secret"
        secret.write_text(SECRET)
        token = self.folder / "token"
        token.write_text(TOKEN)
        self.spawn(CHATSIM, "serve", "--listen", "127.0.0.1:0", "--webhook", service.webhook_url,
                   "--sdkappid", SDKAPPID, "--secret-file", secret, "--token-file", token, *options,
                   environment=environment)
        self.port = int(self.wait_event("chatsim is serving")["port"])

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, None if body is None else json.dumps(body).encode())
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def create_room(self, room, type="Live"):
        reply = self.request("PUT", f"/sim/rooms/{quote(room)}", {"Type": type})
        assert reply.status == 200, reply.bytes

    def send(self, room, sender, text=None, **members):
        """A client's message; what the sender's client is told, and what became of it."""
        body = {"From_Account": sender} | members
        if text is not None:
            body["MsgBody"] = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}]
        return self.request("POST", f"/sim/rooms/{quote(room)}/messages", body).json

    def recall(self, room, sender, seq, **members):
        """A client takes a message back."""
        body = {"From_Account": sender, "MsgSeq": seq} | members
        return self.request("POST", f"/sim/rooms/{quote(room)}/recalls", body).json

    def rest(self, command, body, **query):
        """A REST call as an administrator makes it, to "<service>/<command>"; query replaces parameters."""
        parameters = {"sdkappid": SDKAPPID, "identifier": "administrator", "usersig": usersig(),
                      "random": random.randrange(2**32), "contenttype": "json"} | query
        return self.request("POST", f"/v4/{command}?{urlencode(parameters)}", body).json

    def send_text_msg(self, body, **query):
        """The owner's REST call."""
        return self.rest("live_engine_http_srv/send_text_msg", body, **query)

    def room(self, room):
        """What everybody in the room saw."""
        return self.request("GET", f"/sim/rooms/{quote(room)}/messages").json["Messages"]


class Load(Process):
    """`chatsim load` in the background: Before and After webhooks at a steady rate, until `finish`. Whoever answers
    may go away and come back meanwhile; the ledger holds the key of every request that was answered with 200."""
    def __init__(self, owner, service, rate, connections, name="load", seconds=600, after_share=0.4, environment=None):
        super().__init__(owner, name, Folder(owner).path)
        self.ledger = self.folder / "ledger"
        token = self.folder / "token"
        token.write_text(TOKEN)
        self.spawn(CHATSIM, "load", "--url", service.webhook_url, "--rate", rate, "--connections", connections,
                   "--seconds", seconds, "--after-share", after_share, "--sign-file", token, "--sdkappid", SDKAPPID,
                   "--ledger", self.ledger, "--json", environment=environment)

    def finish(self):
        """Ends the run in order; its summary."""
        self.terminate()
        return self.summary()

    def summary(self):
        """Of a run that has ended, once its ledger has been found to balance."""
        summary = json.loads(self.output())
        assert not summary["void"], summary
        assert summary["sent"] == summary["answered"] + summary["refused"] + summary["failed"], summary
        assert summary["answered"] == len(self.keys()), summary
        return summary

    def keys(self):
        return self.ledger.read_text().splitlines()


def assert_exactly_once(test, load, database, nothing_else=False):
    """Every answered webhook is one row, and no webhook is two. Rows that nobody was told of may be there (a crash
    between disk and reply), unless nothing_else."""
    rows = collections.Counter(database.execute(
        "SELECT CASE command WHEN 'before' THEN 'before ' || msg_id WHEN 'after' THEN 'after ' || group_id || ' ' || "
        "msg_seq ELSE command END FROM chatsluice.event").splitlines())
    answered = set(load.keys())
    test.assertEqual(len(answered), len(load.keys()), "a key of the ledger is not unique")
    lost = sorted(answered - rows.keys())
    doubled = sorted(key for key, times in rows.items() if times > 1)
    test.assertEqual((len(lost), lost[:5]), (0, []), f"lost, of {len(answered)}")
    test.assertEqual((len(doubled), doubled[:5]), (0, []), f"doubled, of {len(answered)}")
    if nothing_else:
        unanswered = sorted(rows.keys() - answered)
        test.assertEqual((len(unanswered), unanswered[:5]), (0, []), f"recorded but never answered, of {len(rows)}")
