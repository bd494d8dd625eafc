"""sim.py - chatsim in its two roles: the platform (`serve`) and traffic with a ledger (`load`)."""
import base64
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
    def __init__(self, owner, service, *options, name="chatsim"):
        super().__init__(owner, name, Folder(owner).path)
        secret = self.folder / "secret"
        secret.write_text(SECRET)
        token = self.folder / "token"
        token.write_text(TOKEN)
        self.spawn(CHATSIM, "serve", "--listen", "127.0.0.1:0", "--webhook", service.webhook_url,
                   "--sdkappid", SDKAPPID, "--secret-file", secret, "--token-file", token, *options)
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

    def send_text_msg(self, body, **query):
        """The owner's REST call as an administrator makes it; query replaces parameters."""
        parameters = {"sdkappid": SDKAPPID, "identifier": "administrator", "usersig": usersig(),
                      "random": random.randrange(2**32), "contenttype": "json"} | query
        return self.request("POST", f"/v4/live_engine_http_srv/send_text_msg?{urlencode(parameters)}", body).json

    def room(self, room):
        """What everybody in the room saw."""
        return self.request("GET", f"/sim/rooms/{quote(room)}/messages").json["Messages"]
