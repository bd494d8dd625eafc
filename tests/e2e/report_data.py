"""report_data.py - a day that is known by heart, put into a database: 2026-03-02 in UTC."""
import itertools
import json
import uuid

APP, OTHER_APP = 1400000001, 7
DAY = "2026-03-02"
HOSTILE = '<script>alert("x")</script>&\u202egnp.exe'
FORMULA = '=HYPERLINK("http://198.51.100.1","a, b")'
LONG = "a-rule-with-a-name-that-goes-on-" + "and-on-" * 40 + "和一直继续下去"

_numbers = itertools.count(1)


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, dict)):
        value = json.dumps(value)
    return "'" + str(value).replace("'", "''") + "'"


def event(at, command, room, who, random, **more):
    """One row of table event as an INSERT; at is a time of the day or a whole moment."""
    number = next(_numbers)
    at = at if "T" in at else f"{DAY}T{at}Z"
    row = {"event_time": at, "received_at": at, "sdkappid": APP, "spool_seq": number, "event_id": str(uuid.UUID(int=number)),
           "spool_id": str(uuid.UUID(int=1)), "group_id": room, "command": command, "from_account": who, "random": random,
           "duplicate_keys": "false", "raw": "{}"} | more
    return f"INSERT INTO chatsluice.event ({', '.join(row)}) VALUES ({', '.join(map(literal, row.values()))});"


def hit(rule, state="counted", word_list=None, term="expression"):
    return {"rule": rule, "list": word_list, "term": term, "start": 0, "end": 3, "state": state, "action": "mask",
            "matched": "secret words of a sender"}


def before(at, room, who, random, verdict="allow", decided_by="default", judge_us=1000, **more):
    return event(at, "before", room, who, random, verdict=verdict, decided_by=decided_by, judge_us=judge_us,
                 text="secret words of a sender", rule_revision=3, **more)


def after(at, room, who, random, **more):
    return event(at, "after", room, who, random, text="secret words of a sender", **more)


def event_of(random, command="before"):
    return f"(SELECT event_id FROM chatsluice.event WHERE random = {random} AND command = '{command}')"


EVENTS = [
    # The day before: its After comes on this day, and is nobody's message of this day.
    before("2026-03-01T23:59:59.900Z", "room-1", "ann", 100),
    after("00:00:00.100", "room-1", "ann", 100),
    # delivered; another rule would have counted, were it in force
    before("09:00:00", "room-1", "ann", 1, judge_us=500, hits=[hit("new-rule", "shadow")]),
    after("09:00:00.1", "room-1", "ann", 1),
    # delivered rewritten
    before("09:01:00", "room-1", "bob", 2, "mask", "rule", 800, rule=LONG, hits=[hit(LONG), hit(LONG, "allowed")]),
    after("09:01:00.1", "room-1", "bob", 2),
    # rejected but delivered
    before("09:02:00", "room-1", "bob", 3, "reject", "rule", 900, rule=HOSTILE, error_code=10121,
           hits=[hit(HOSTILE, word_list="slurs", term=FORMULA)]),
    after("09:02:00.1", "room-1", "bob", 3),
    # corrected
    before("09:03:00", "room-1", "bob", 4, "discard", "rule", 1100, rule="spam", hits=[hit("spam", word_list="offers", term="cheap")]),
    # blocked; a person says it was harmless
    before("09:04:00", "room-1", HOSTILE, 5, "reject", "rule", 1200, rule="spam", hits=[hit("spam", word_list="offers", term="cheap")]),
    # answered too late
    before("09:05:00", "room-2", "dan", 6, judge_us=2500000),
    after("09:05:02", "room-2", "dan", 6),
    # delivered, flagged; a person says so too
    before("09:06:00", "room-2", "dan", 7, "flag", "rule", 700, rule="watch", hits=[hit("watch")]),
    after("09:06:00.1", "room-2", "dan", 7),
    # dropped by the platform
    before("10:00:00", "room-2", "eve", 8, decided_by="deadline", judge_us=1500000),
    event("10:00:00.2", "exception", "room-2", "eve", 8, exception_code=10017),
    # not confirmed
    before("10:01:00", "room-2", "eve", 9, decided_by="overload", judge_us=600),
    # delivered unasked
    after("10:02:00", "room-2", "fay", 10),
    # another application
    before("11:00:00", "room-3", "gus", 11, judge_us=400, sdkappid=OTHER_APP),
    after("11:00:00.1", "room-3", "gus", 11, sdkappid=OTHER_APP),
    event("11:01:00", "recall", "room-1", "ann", 12),
    # of this day, but received three days later
    before("12:00:00", "room-1", "ann", 13, judge_us=100000, received_at="2026-03-05T12:00:00Z"),
]


def outbox(number, action, account, cause, state, asked, delivered, event_random=None):
    said = event_of(event_random) if event_random else "NULL"
    return (f"INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, cause, asked_by, event_id, event_time, "
            f"asked_at, state, reason, changed_at, expires_at, delivered_at, random) VALUES ('room-1', '{uuid.UUID(int=number)}', "
            f"{APP}, '{action}', '{account}', '{cause}', 'x', {said}, NULL, '{DAY}T{asked}Z', '{state}', 'because', "
            f"'{DAY}T{delivered}Z', '{DAY}T23:00:00Z', {literal(f'{DAY}T{delivered}Z' if state == 'done' else None)}, 1);")


def review(random, decision, who, at, overturned):
    return (f"INSERT INTO chatsluice.review (room_id, event_time, event_id, sdkappid, account, received_at, state, decision, "
            f"decided_by, decided_at, overturned) SELECT group_id, event_time, event_id, sdkappid, from_account, received_at, "
            f"'decided', '{decision}', '{who}', '{DAY}T{at}Z', {overturned} FROM chatsluice.event WHERE random = {random} AND command = 'before';")


def action(at, who, name):
    return (f"INSERT INTO chatsluice.moderator_action (room_id, at, who, action) VALUES "
            f"('room-1', '{DAY}T{at}Z', '{who}', '{name}');")


def revision(number, at, author, note, kind="publish", restores=None):
    return (f"INSERT INTO chatsluice.rule_revision (revision, document, checksum, rules, terms, author, note, kind, restores, "
            f"published_at, canary_judged, canary_changed) VALUES ({number}, '', repeat('0', 64), 5, 70, {literal(author)}, "
            f"{literal(note)}, '{kind}', {literal(restores)}, '{DAY}T{at}Z', 1000, 12);")


DECISIONS = [
    outbox(1, "send_text", "bob", "rule", "done", "09:03:00", "09:03:00.500", 4),
    outbox(2, "mute", "bob", "rule", "done", "09:03:00", "09:03:01"),
    outbox(3, "ban", "bob", "person", "failed", "09:20:00", "09:20:01"),
    review(5, "approve", "mia", "09:10:00", "true"),
    review(7, "uphold", "noa", "09:16:00", "false"),
    f"INSERT INTO chatsluice.annotation (room_id, event_time, event_id, label, who, at) SELECT group_id, event_time, event_id, "
    f"'benign', 'mia', '{DAY}T09:10:00Z' FROM chatsluice.event WHERE random = 5;",
    action("09:10:00", "mia", "approve"), action("09:20:00", "mia", "ban"), action("09:21:00", "mia", "ban"),
    action("09:30:00", "noa", "recall"),
    revision(3, "08:00:00", "mia", HOSTILE), revision(4, "20:00:00", "noa", FORMULA, "rollback", 2),
    f"INSERT INTO chatsluice.rule_ack (revision, instance_id, at, error) VALUES (3, 'one', '{DAY}T08:00:01Z', NULL), "
    f"(3, 'two', '{DAY}T08:00:02Z', 'too old'), (4, 'one', '2026-03-07T00:00:00Z', NULL);",
    f"INSERT INTO chatsluice.incident (instance_id, kind, subject, began_at, ended_at, seen_at, detail) VALUES "
    f"('one', 'database away', '', '{DAY}T09:30:00Z', '{DAY}T09:32:00.5Z', '{DAY}T09:32:05Z', 'connection refused'), "
    f"('one', 'breaker open', '{APP}', '2026-03-01T22:00:00Z', NULL, '{DAY}T00:30:00Z', '60003, not allowed'), "
    f"('one', 'spool full', '', '2026-03-01T10:00:00Z', '2026-03-01T11:00:00Z', '2026-03-01T11:00:00Z', 'over');",
]


def put(database):
    database.execute("BEGIN; " + "\n".join(EVENTS + DECISIONS) + " COMMIT;")
