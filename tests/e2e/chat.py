"""chat.py - the platform's side: webhook bodies as protocol.md prints them, their signature, and one connection that
posts them with Python's own HTTP client, so that what chatsim and the service share is not judged by itself alone."""
import hashlib
import http.client
import itertools
import json
import time
from urllib.parse import urlencode

from harness import SDKAPPID, TOKEN

BEFORE = "Group.CallbackBeforeSendMsg"
AFTER = "Group.CallbackAfterSendMsg"
EXCEPTION = "Group.CallbackSendMsgException"
RECALL = "Group.CallbackAfterRecallMsg"

_randoms = itertools.count(3_204_417_755)  # above 2^31, as real ones are
_seqs = itertools.count(1)


def sign(token, request_time):
    return hashlib.sha256(f"{token}{request_time}".encode()).hexdigest()


def encode(body):
    """Compact, raw UTF-8: as captured. Bytes stay what they are."""
    if isinstance(body, bytes):
        return body
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def text_element(text):
    return {"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}


def before(*texts, elements=None, group="room-7", sender="viewer_19", **members):
    """A Before webhook with one text element for each text, or these elements; members replace or add (None: leave
    out)."""
    random = next(_randoms)
    body = {
        "CallbackCommand": BEFORE, "GroupId": group, "Type": "Live", "From_Account": sender,
        "Operator_Account": sender, "Random": random, "MsgId": f"144115300000000001-1764000000-{random}",
        "MsgBody": elements if elements is not None else [text_element(t) for t in texts],
        "EventTime": int(time.time() * 1000),
    } | members
    return {k: v for k, v in body.items() if v is not None}


def after(sent, **members):
    """The After webhook of a delivered Before one."""
    body = sent | {"CallbackCommand": AFTER, "MsgSeq": next(_seqs), "MsgTime": int(time.time()),
                   "EventTime": int(time.time() * 1000)} | members
    return {k: v for k, v in body.items() if v is not None}


class Reply:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self.bytes = answer.read()

    @property
    def json(self):
        return json.loads(self.bytes)

    @property
    def code(self):
        return self.json["ErrorCode"]


class Webhooks:
    """One keep-alive connection to a service. Every part of a request can be made wrong."""
    def __init__(self, service, token=TOKEN, sdkappid=SDKAPPID):
        self.port = service.webhook_port
        self.token = token
        self.sdkappid = sdkappid
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def query(self, command, token, age_s=0, **changes):
        """The URL's parameters; changes replace them, None leaves one out."""
        request_time = str(int(time.time()) - age_s)
        parameters = {
            "SdkAppid": self.sdkappid, "CallbackCommand": command, "contenttype": "json", "ClientIP": "203.0.113.7",
            "OptPlatform": "Android", "Sign": sign(token, request_time), "RequestTime": request_time,
        } | changes
        return urlencode({k: v for k, v in parameters.items() if v is not None})

    def post(self, body, command=None, token=None, age_s=0, path="/webhook", method="POST", headers=None, **changes):
        data = encode(body)
        if command is None:
            command = body["CallbackCommand"] if isinstance(body, dict) else BEFORE
        query = self.query(command, token or self.token, age_s, **changes)
        self.connection.request(method, f"{path}?{query}", data,
                                {"Content-Type": "application/json"} | (headers or {}))
        return Reply(self.connection.getresponse())
