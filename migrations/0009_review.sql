-- Review: what people decide about messages, and what they do to rules.
--
-- A person's decision is the last word. Every action a rule asks for passes chatsluice.outbox_claim on its way to the
-- platform, and there what a person has decided about the same message, or done to its sender since, withdraws it.

-- What a person has to do with one message. There is a row once somebody has claimed it, was given it or decided; a flagged
-- message without one simply waits.
CREATE TABLE chatsluice.review (
    room_id       text        NOT NULL,
    event_time    timestamptz NOT NULL, -- of the Before webhook; of the After one of a message nobody asked about
    event_id      uuid        NOT NULL,
    sdkappid      bigint      NOT NULL,
    account       text        NOT NULL, -- the sender
    received_at   timestamptz NOT NULL,
    verdict       text,                 -- as the rules had it, and whose it was
    rule          text,
    state         text        NOT NULL DEFAULT 'open' CHECK (state IN ('decided', 'open')),
    claimed_by    text,                 -- until claimed_until; from then on it is anybody's again
    claimed_until timestamptz,
    assigned_to   text,
    decision      text CHECK (decision IN ('approve', 'uphold', 'correct')),
    decided_by    text,
    decided_at    timestamptz,
    overturned    boolean,              -- the person said otherwise than the verdict
    outbox_id     uuid,                 -- what the decision sends
    why           text,
    PRIMARY KEY (room_id, event_time, event_id),
    CHECK ((state = 'decided') = (decision IS NOT NULL AND decided_by IS NOT NULL AND decided_at IS NOT NULL
                                  AND overturned IS NOT NULL))
);
CREATE INDEX review_open ON chatsluice.review (event_time) WHERE state = 'open';
CREATE INDEX review_decided ON chatsluice.review (decided_at) WHERE state = 'decided';
CREATE INDEX review_decided_day ON chatsluice.review (((decided_at AT TIME ZONE 'UTC')::date)) WHERE state = 'decided';
CREATE INDEX review_account ON chatsluice.review (account);

-- What people say about messages, in a word and a note. 'benign' is harmless: the quality of rules is counted by it.
CREATE TABLE chatsluice.annotation (
    room_id    text        NOT NULL,
    event_time timestamptz NOT NULL,
    event_id   uuid        NOT NULL,
    label      text        NOT NULL CHECK (label ~ '^[a-z0-9][a-z0-9 _-]{0,63}$'),
    note       text,
    who        text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, event_time, event_id, label, who)
);

-- What waits for a person. Almost no event is flagged, so loading pays for the look at the condition and little more.
CREATE INDEX event_flagged ON chatsluice.event (event_time) WHERE verdict = 'flag';

-- What people have done.
CREATE INDEX outbox_person_text ON chatsluice.outbox (room_id, event_time) WHERE cause <> 'rule' AND action = 'send_text';
CREATE INDEX outbox_person_sender ON chatsluice.outbox (room_id, account)
    WHERE cause <> 'rule' AND action IN ('mute', 'unmute');
CREATE INDEX moderator_action_cancel ON chatsluice.moderator_action (room_id) WHERE action IN ('cancel', 'settle');
CREATE INDEX moderator_action_day ON chatsluice.moderator_action (((at AT TIME ZONE 'UTC')::date));

-- Publications asked for by SQL. An instance with rules.publish_requests takes one for taken_until, runs the gate and writes
-- down what came of it; the revision and state 'done' are one transaction, so a request becomes at most one revision.
CREATE TABLE chatsluice.publication_request (
    request_id    uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    kind          text        NOT NULL CHECK (kind IN ('publish', 'rollback')),
    asked_by      text        NOT NULL,
    asked_at      timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    note          text        NOT NULL CHECK (note <> ''),
    restores      bigint,                              -- of a rollback: null is the revision before
    allow_shrink  text[]      NOT NULL DEFAULT '{}',   -- lists; '*' is all of them, and the rules
    allow_changes boolean     NOT NULL DEFAULT false,
    strict        boolean     NOT NULL DEFAULT false,
    state         text        NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'done', 'unchanged', 'refused', 'failed', 'expired')),
    attempts      integer     NOT NULL DEFAULT 0,      -- tells a late answer from the last one
    taken_by      text,
    taken_until   timestamptz,
    finished_at   timestamptz,
    revision      bigint,                              -- done: the new one; unchanged: the one in force
    outcome       text,                                -- in words: what the gate refused, or warned of
    gate          jsonb
);
CREATE INDEX publication_request_open ON chatsluice.publication_request (asked_at) WHERE state IN ('waiting', 'running');

ALTER TABLE chatsluice.instance
    ADD COLUMN publishes boolean NOT NULL DEFAULT false; -- carries out publications asked for by SQL

-- Deciding -----------------------------------------------------------------------------------------------------------

-- The event a review is about: the last Before webhook of the message, or the After one of a message nobody asked about.
CREATE FUNCTION chatsluice.review_event(event uuid, room text) RETURNS chatsluice.event
    LANGUAGE plpgsql STABLE
AS $$
DECLARE
    e chatsluice.event := chatsluice.find_event(event, room);
    asked chatsluice.event;
BEGIN
    PERFORM chatsluice.check_message(e);
    IF e.command = 'after' THEN
        SELECT m.* INTO asked
        FROM chatsluice.same_message(e) m WHERE m.command = 'before'
        ORDER BY m.event_time DESC, m.event_id DESC LIMIT 1;
        IF FOUND THEN
            RETURN asked;
        END IF;
    END IF;
    RETURN e;
END
$$;

-- The row of a review, made when it is missing, and locked with its event to the end of the transaction.
CREATE FUNCTION chatsluice.review_lock(e chatsluice.event) RETURNS chatsluice.review
    LANGUAGE plpgsql
AS $$
DECLARE
    r chatsluice.review;
BEGIN
    -- Behind the lock, a transaction with one snapshot for all would not see what whoever was there first has done.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'a review cannot be asked for in a % transaction', current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state', HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    PERFORM FROM chatsluice.event v
    WHERE v.group_id = e.group_id AND v.event_time = e.event_time AND v.event_id = e.event_id FOR NO KEY UPDATE;
    INSERT INTO chatsluice.review (room_id, event_time, event_id, sdkappid, account, received_at, verdict, rule)
    VALUES (e.group_id, e.event_time, e.event_id, e.sdkappid, e.from_account, e.received_at, e.verdict, e.rule)
    ON CONFLICT DO NOTHING;
    SELECT * INTO r
    FROM chatsluice.review v
    WHERE v.room_id = e.group_id AND v.event_time = e.event_time AND v.event_id = e.event_id FOR NO KEY UPDATE;
    RETURN r;
END
$$;

-- Refuses what another person holds.
CREATE FUNCTION chatsluice.review_mine(r chatsluice.review, who text) RETURNS void
    LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF r.claimed_by <> who AND r.claimed_until > now() THEN
        RAISE EXCEPTION 'event % is claimed by % until %', r.event_id, r.claimed_by, r.claimed_until
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END
$$;

CREATE FUNCTION chatsluice.check_keep(keep interval) RETURNS interval
    LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF keep IS NULL OR keep < interval '1 second' OR keep > interval '8 hours' THEN
        RAISE EXCEPTION 'a claim for % is not possible', coalesce(keep::text, 'nothing')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'At least a second and at most 8 hours, such as ''15 minutes''.';
    END IF;
    RETURN keep;
END
$$;

CREATE FUNCTION chatsluice.ask_claim(who text, event uuid, why text, room text, keep interval) RETURNS timestamptz
    LANGUAGE plpgsql
AS $$
DECLARE
    ends constant timestamptz := now() + chatsluice.check_keep(keep);
    e constant chatsluice.event := chatsluice.review_event(event, room);
    r constant chatsluice.review := chatsluice.review_lock(e);
BEGIN
    IF r.state = 'decided' THEN
        RAISE EXCEPTION 'event % was decided by % at %: %', event, r.decided_by, r.decided_at, r.decision
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM chatsluice.review_mine(r, who);
    IF r.assigned_to <> who THEN
        RAISE EXCEPTION 'event % is assigned to %', event, r.assigned_to
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('SELECT moderation.assign(%L, %L, ''why'') makes it yours.', event, who);
    END IF;
    UPDATE chatsluice.review v
    SET claimed_by = who, claimed_until = ends
    WHERE v.room_id = r.room_id AND v.event_time = r.event_time AND v.event_id = r.event_id;
    PERFORM chatsluice.note_action(who, 'claim', e.group_id, NULL, e.event_id, NULL, 'until ' || ends, why);
    RETURN ends;
END
$$;

-- Claims one event unless somebody else has it, holds it or is just now about to.
CREATE FUNCTION chatsluice.review_take(who text, e chatsluice.event, ends timestamptz, why text) RETURNS boolean
    LANGUAGE plpgsql
AS $$
DECLARE
    r chatsluice.review;
BEGIN
    PERFORM FROM chatsluice.event v
    WHERE v.group_id = e.group_id AND v.event_time = e.event_time AND v.event_id = e.event_id
    FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    r := chatsluice.review_lock(e);
    IF r.state = 'decided' OR r.claimed_until > now() OR r.assigned_to <> who THEN
        RETURN false;
    END IF;
    UPDATE chatsluice.review v
    SET claimed_by = who, claimed_until = ends
    WHERE v.room_id = r.room_id AND v.event_time = r.event_time AND v.event_id = r.event_id;
    PERFORM chatsluice.note_action(who, 'claim', e.group_id, NULL, e.event_id, NULL, 'until ' || ends, why);
    RETURN true;
END
$$;

-- Whether a flagged event is somebody's already, or decided: a look at one row by its key, however many there are.
CREATE FUNCTION chatsluice.review_is_taken(room text, event_time timestamptz, event uuid) RETURNS boolean
    LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT
                   FROM chatsluice.review r
                   WHERE r.room_id = room AND r.event_time = review_is_taken.event_time AND r.event_id = event
                     AND (r.state = 'decided' OR r.claimed_until > now() OR r.assigned_to IS NOT NULL))
$$;

-- The next ones of the queue: what is assigned to the asker, then what waits, the oldest or the newest first. Row by row, so
-- that nothing is waited for and nothing is locked but what is taken.
CREATE FUNCTION chatsluice.ask_claim_next(who text, count integer, room text, oldest boolean, keep interval,
                                          within interval, why text) RETURNS SETOF chatsluice.event
    LANGUAGE plpgsql
AS $$
DECLARE
    ends constant timestamptz := now() + chatsluice.check_keep(keep);
    since constant timestamptz := now() - within;
    turn constant integer := CASE WHEN oldest THEN 1 ELSE -1 END;
    keys refcursor;
    key record;
    e chatsluice.event;
    taken integer := 0;
BEGIN
    IF coalesce(count, 0) NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION 'between 1 and 100 can be claimed at once' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF since IS NULL THEN
        RAISE EXCEPTION 'say within what time' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR phase IN 1 .. 2 LOOP
        -- Cursors, for as little is read as is taken; one each way, for the index of flagged events to be followed in it.
        IF phase = 1 THEN
            OPEN keys FOR
                SELECT r.room_id, r.event_time, r.event_id
                FROM chatsluice.review r
                JOIN chatsluice.event v
                  ON v.group_id = r.room_id AND v.event_time = r.event_time AND v.event_id = r.event_id
                WHERE r.state = 'open' AND r.event_time > since AND (room IS NULL OR r.room_id = room)
                  AND (r.claimed_until IS NULL OR r.claimed_until <= now())
                  AND (r.assigned_to = who OR (r.assigned_to IS NULL AND v.verdict IS DISTINCT FROM 'flag'))
                ORDER BY r.assigned_to IS NULL, turn * extract(epoch FROM r.event_time);
        ELSIF oldest THEN
            OPEN keys FOR
                SELECT v.group_id AS room_id, v.event_time, v.event_id
                FROM chatsluice.event v
                WHERE v.verdict = 'flag' AND v.command = 'before' AND v.event_time > since
                  AND (room IS NULL OR v.group_id = room) AND NOT chatsluice.review_is_taken(v.group_id, v.event_time, v.event_id)
                ORDER BY v.event_time;
        ELSE
            OPEN keys FOR
                SELECT v.group_id AS room_id, v.event_time, v.event_id
                FROM chatsluice.event v
                WHERE v.verdict = 'flag' AND v.command = 'before' AND v.event_time > since
                  AND (room IS NULL OR v.group_id = room) AND NOT chatsluice.review_is_taken(v.group_id, v.event_time, v.event_id)
                ORDER BY v.event_time DESC;
        END IF;
        WHILE taken < count LOOP
            FETCH keys INTO key;
            EXIT WHEN NOT FOUND;
            SELECT * INTO e
            FROM chatsluice.event v
            WHERE v.group_id = key.room_id AND v.event_time = key.event_time AND v.event_id = key.event_id;
            IF chatsluice.review_take(who, e, ends, why) THEN
                taken := taken + 1;
                RETURN NEXT e;
            END IF;
        END LOOP;
        CLOSE keys;
    END LOOP;
END
$$;

CREATE FUNCTION chatsluice.ask_release(who text, event uuid, why text, room text) RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    e constant chatsluice.event := chatsluice.review_event(event, room);
    r constant chatsluice.review := chatsluice.review_lock(e);
BEGIN
    PERFORM chatsluice.review_mine(r, who);
    IF r.claimed_by IS DISTINCT FROM who OR r.claimed_until <= now() THEN
        RAISE EXCEPTION 'event % is not claimed by you', event USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    UPDATE chatsluice.review v
    SET claimed_by = NULL, claimed_until = NULL
    WHERE v.room_id = r.room_id AND v.event_time = r.event_time AND v.event_id = r.event_id;
    PERFORM chatsluice.note_action(who, 'release', e.group_id, NULL, e.event_id, NULL, NULL, why);
END
$$;

-- Gives a review to a person, whoever has it now; null takes it back.
CREATE FUNCTION chatsluice.ask_assign(who text, event uuid, moderator text, why text, room text) RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    e constant chatsluice.event := chatsluice.review_event(event, room);
    r constant chatsluice.review := chatsluice.review_lock(e);
BEGIN
    IF r.state = 'decided' THEN
        RAISE EXCEPTION 'event % was decided by % at %: %', event, r.decided_by, r.decided_at, r.decision
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF moderator IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles g WHERE g.rolname = moderator) THEN
        RAISE EXCEPTION 'there is no moderator %', moderator USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE chatsluice.review v
    SET assigned_to = moderator,
        claimed_by = CASE WHEN v.claimed_by = moderator THEN v.claimed_by END,
        claimed_until = CASE WHEN v.claimed_by = moderator THEN v.claimed_until END
    WHERE v.room_id = r.room_id AND v.event_time = r.event_time AND v.event_id = r.event_id;
    PERFORM chatsluice.note_action(who, 'assign', e.group_id, NULL, e.event_id, NULL,
                                   coalesce('to ' || moderator, 'to nobody'), why);
END
$$;

-- Withdraws what rules have asked for about a message. What is being sent just now cannot be called back; should the
-- call fail, it is not tried again.
CREATE FUNCTION chatsluice.outbox_withdraw(e chatsluice.event, actions text[], words text) RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    ids constant uuid[] := ARRAY(SELECT m.event_id FROM chatsluice.same_message(e) m);
BEGIN
    -- First all are locked, whatever they are by then: a row that a sender claims meanwhile is not missed.
    UPDATE chatsluice.outbox o
    SET expires_at = least(o.expires_at, now())
    WHERE o.room_id = e.group_id AND o.event_id = ANY (ids) AND o.cause = 'rule' AND o.action = ANY (actions)
      AND o.state IN ('held', 'queued', 'sending', 'waiting');
    -- A text that an earlier call may have said stays: whoever asks for another one is told (ask_send).
    UPDATE chatsluice.outbox o
    SET state = m.to_state, reason = 'withdrawn: ' || words, changed_at = now()
    FROM chatsluice.outbox_move m
    WHERE o.room_id = e.group_id AND o.event_id = ANY (ids) AND o.cause = 'rule' AND o.action = ANY (actions)
      AND o.state IN ('held', 'queued') AND NOT (o.action = 'send_text' AND o.in_doubt)
      AND m.from_state = o.state AND m.event = 'cancel';
END
$$;

-- A decision: name is approve, uphold or correct; said the words of a correct. Returns the outbox row it sends, if any.
--
-- Deciding the same once more changes nothing, though it may send what was not sent; otherwise only with again.
CREATE FUNCTION chatsluice.ask_decide(who text, name text, event uuid, said text, why text, room text, recall boolean,
                                      again boolean, keep interval) RETURNS uuid
    LANGUAGE plpgsql
AS $$
DECLARE
    e constant chatsluice.event := chatsluice.review_event(event, room);
    r constant chatsluice.review := chatsluice.review_lock(e);
    same constant boolean := r.state = 'decided' AND r.decision = name;
    id uuid;
BEGIN
    PERFORM chatsluice.review_mine(r, who);
    IF r.state = 'decided' AND NOT same AND again IS NOT TRUE THEN
        RAISE EXCEPTION 'event % was decided by % at %: %', event, r.decided_by, r.decided_at, r.decision
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'again => true decides anew.';
    END IF;
    IF name = 'approve' AND (e.command = 'after' OR coalesce(e.verdict, '') NOT IN ('flag', 'mask', 'replace')) THEN
        PERFORM chatsluice.outbox_withdraw(e, '{send_text,mute,recall}', 'a person approved the message');
        id := chatsluice.ask_send(who, 'person', event, NULL, room, false, again, keep, name, why);
    ELSIF name = 'correct' THEN
        PERFORM chatsluice.outbox_withdraw(e, '{send_text,recall}', 'a person corrected the message');
        id := chatsluice.ask_send(who, 'person', event, coalesce(said, ''), room, recall, again, keep, name, why);
    ELSE -- nothing to send: the message was delivered, or is rightly stopped
        IF name = 'approve' THEN
            PERFORM chatsluice.outbox_withdraw(e, '{send_text,mute,recall}', 'a person approved the message');
        END IF;
        IF same AND again IS NOT TRUE THEN
            RAISE NOTICE 'event % was decided so by % at %', event, r.decided_by, r.decided_at;
        ELSE
            PERFORM chatsluice.note_action(who, name, e.group_id, NULL, e.event_id, NULL, NULL, why);
        END IF;
    END IF;
    IF same AND again IS NOT TRUE AND id IS NOT DISTINCT FROM r.outbox_id THEN
        RETURN id;
    END IF;
    UPDATE chatsluice.review v
    SET state = 'decided', decision = name, decided_by = who, decided_at = now(), outbox_id = id, why = ask_decide.why,
        claimed_by = NULL, claimed_until = NULL,
        overturned = CASE name WHEN 'approve' THEN e.verdict IS DISTINCT FROM 'allow' WHEN 'uphold' THEN false
                               ELSE coalesce(e.verdict, 'allow') = 'allow' END
    WHERE v.room_id = r.room_id AND v.event_time = r.event_time AND v.event_id = r.event_id;
    RETURN id;
END
$$;

CREATE FUNCTION chatsluice.ask_annotate(said_who text, event uuid, said_label text, said_note text, room text) RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    e constant chatsluice.event := chatsluice.review_event(event, room);
BEGIN
    IF said_label IS NULL OR said_label !~ '^[a-z0-9][a-z0-9 _-]{0,63}$' THEN
        RAISE EXCEPTION 'a label is 1 to 64 small letters, digits, spaces, "_" and "-"'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Such as benign, spam or for-training.';
    END IF;
    IF octet_length(said_note) > 4000 THEN
        RAISE EXCEPTION 'the note is longer than 4000 bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO chatsluice.annotation AS a (room_id, event_time, event_id, label, note, who)
    VALUES (e.group_id, e.event_time, e.event_id, said_label, said_note, said_who)
    ON CONFLICT (room_id, event_time, event_id, label, who) DO UPDATE
        SET note = excluded.note, at = now() WHERE a.note IS DISTINCT FROM excluded.note;
    IF FOUND THEN
        PERFORM chatsluice.note_action(said_who, 'annotate', e.group_id, NULL, e.event_id, NULL, said_label, NULL);
    END IF;
END
$$;

-- The last word ------------------------------------------------------------------------------------------------------

-- Whether two webhooks of a room are of the same message, near in time as the caller has seen to.
CREATE FUNCTION chatsluice.is_same_message(room text, a_time timestamptz, a_id uuid, b_time timestamptz, b_id uuid)
    RETURNS boolean
    LANGUAGE sql STABLE
AS $$
    SELECT a_id = b_id
        OR EXISTS (SELECT
                   FROM chatsluice.event a
                   JOIN chatsluice.event b
                     ON b.sdkappid = a.sdkappid AND b.from_account = a.from_account AND b.random = a.random
                    AND (b.msg_id = a.msg_id OR a.msg_id IS NULL OR b.msg_id IS NULL)
                   WHERE a.group_id = room AND a.event_time = a_time AND a.event_id = a_id
                     AND b.group_id = room AND b.event_time = b_time AND b.event_id = b_id)
$$;

-- What a person has decided against an action that a rule asks for, in words; null: nothing. It does not matter which was
-- there first: a follow-up of a webhook that was loaded late, or comes from a further webhook of the same message,
-- meets the decision here.
CREATE FUNCTION chatsluice.person_objects(o chatsluice.outbox) RETURNS text
    LANGUAGE plpgsql STABLE
AS $$
DECLARE
    early constant timestamptz := o.event_time - interval '1 minute';
    late constant timestamptz := o.event_time + interval '1 minute';
    p chatsluice.outbox;
    decided text;
BEGIN
    -- Whatever people do leaves a line there: most rooms have none, and that is all this costs them.
    IF o.cause <> 'rule' OR NOT EXISTS (SELECT FROM chatsluice.moderator_action a WHERE a.room_id = o.room_id) THEN
        RETURN NULL;
    END IF;
    SELECT r.decision INTO decided
    FROM chatsluice.review r
    WHERE r.room_id = o.room_id AND r.event_time BETWEEN early AND late AND r.decision IN ('approve', 'correct')
      AND (r.decision = 'approve' OR o.action IN ('send_text', 'recall'))
      AND chatsluice.is_same_message(o.room_id, r.event_time, r.event_id, o.event_time, o.event_id)
    LIMIT 1;
    IF FOUND THEN
        RETURN 'a person ' || CASE decided WHEN 'approve' THEN 'approved' ELSE 'corrected' END || ' the message';
    END IF;
    IF o.action = 'send_text'
       AND EXISTS (SELECT FROM chatsluice.outbox c
                   WHERE c.room_id = o.room_id AND c.cause <> 'rule' AND c.action = 'send_text'
                     AND c.event_time BETWEEN early AND late AND c.state NOT IN ('failed', 'expired', 'cancelled')
                     AND chatsluice.is_same_message(o.room_id, c.event_time, c.event_id, o.event_time, o.event_id)) THEN
        RETURN 'a person corrected the message';
    END IF;
    IF EXISTS (SELECT FROM chatsluice.moderator_action a
               JOIN chatsluice.outbox c ON c.room_id = a.room_id AND c.outbox_id = a.outbox_id
               WHERE a.room_id = o.room_id AND a.action IN ('cancel', 'settle') AND c.outbox_id <> o.outbox_id
                 AND c.state = 'cancelled' AND c.action = o.action AND c.event_time BETWEEN early AND late
                 AND chatsluice.is_same_message(o.room_id, c.event_time, c.event_id, o.event_time, o.event_id)) THEN
        RETURN 'a person cancelled it for this message';
    END IF;
    IF o.action = 'mute' THEN
        SELECT c.* INTO p
        FROM chatsluice.outbox c
        WHERE c.room_id = o.room_id AND c.account = o.account AND c.sdkappid = o.sdkappid AND c.cause <> 'rule'
          AND c.action IN ('mute', 'unmute') AND c.state NOT IN ('failed', 'expired', 'cancelled')
        ORDER BY c.asked_at DESC LIMIT 1;
        IF p.action = 'unmute' AND p.asked_at >= o.asked_at THEN
            RETURN 'a person has unmuted the sender since';
        ELSIF p.action = 'mute' AND p.asked_at + p.seconds * interval '1 second' > now() + o.seconds * interval '1 second' THEN
            RETURN 'a person has muted the sender for longer';
        END IF;
    END IF;
    RETURN NULL;
END
$$;

-- As in 0005, but for what people have decided against: of the rows taken, that is withdrawn.
CREATE OR REPLACE FUNCTION chatsluice.outbox_claim(instance text, app bigint, wanted text, via text, fresh boolean, most integer,
                                        lease interval, per_room integer)
    RETURNS SETOF chatsluice.outbox
    LANGUAGE plpgsql
AS $$
DECLARE
    this_minute constant timestamptz := date_trunc('minute', now());
BEGIN
    -- A claim that a crash of the server undoes would be sent twice.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- One claim at a time for each application: two that look at the same room's budget would both spend it.
    PERFORM FROM chatsluice.send_budget b WHERE b.sdkappid = app ORDER BY b.command FOR NO KEY UPDATE;
    RETURN QUERY
    WITH free AS MATERIALIZED (
        SELECT o.room_id, o.outbox_id, o.due_at
        FROM chatsluice.outbox o
        WHERE o.state = 'queued' AND o.sdkappid = app AND o.action = wanted AND o.due_at <= now()
          AND o.expires_at > now() AND (wanted <> 'send_text' OR o.transport = via OR (fresh AND o.transport IS NULL))
          AND (wanted IN ('send_text', 'recall') OR NOT chatsluice.outbox_out_of_turn(o))
          AND NOT EXISTS (SELECT FROM chatsluice.room_budget b
                          WHERE wanted = 'send_text' AND b.room_id = o.room_id AND b.minute = this_minute
                            AND b.sent >= per_room)
        ORDER BY o.due_at
        LIMIT most
        FOR UPDATE SKIP LOCKED
    ), asked AS MATERIALIZED (
        SELECT f.room_id, f.outbox_id, f.due_at, chatsluice.person_objects(o) AS objection
        FROM free f
        JOIN chatsluice.outbox o ON o.room_id = f.room_id AND o.outbox_id = f.outbox_id
    ), withdrawn AS (
        UPDATE chatsluice.outbox o
        SET state = m.to_state, reason = 'withdrawn: ' || a.objection, changed_at = now()
        FROM asked a, chatsluice.outbox_move m
        WHERE a.objection IS NOT NULL AND o.room_id = a.room_id AND o.outbox_id = a.outbox_id AND m.from_state = o.state
          -- A text that an earlier call may have said is for a person to settle.
          AND m.event = CASE WHEN o.in_doubt AND o.action = 'send_text' THEN 'cancel_unclear' ELSE 'cancel' END
    ), counted AS (
        SELECT a.room_id, a.outbox_id, row_number() OVER (PARTITION BY a.room_id ORDER BY a.due_at) AS place
        FROM asked a
        WHERE a.objection IS NULL
    ), chosen AS (
        SELECT c.room_id, c.outbox_id
        FROM counted c
        LEFT JOIN chatsluice.room_budget b ON b.room_id = c.room_id AND b.minute = this_minute
        WHERE wanted <> 'send_text' OR c.place + coalesce(b.sent, 0) <= per_room
    ), spent AS (
        INSERT INTO chatsluice.room_budget AS b (room_id, minute, sent)
        SELECT c.room_id, this_minute, count(*) FROM chosen c WHERE wanted = 'send_text' GROUP BY c.room_id
        ORDER BY c.room_id -- two claims lock them in the same order
        ON CONFLICT (room_id) DO UPDATE
            SET sent = CASE WHEN b.minute = excluded.minute THEN b.sent ELSE 0 END + excluded.sent,
                minute = excluded.minute
    )
    UPDATE chatsluice.outbox o
    SET state = m.to_state, reason = m.reason, changed_at = now(), attempts = o.attempts + 1, sending_by = instance,
        sending_until = clock_timestamp() + lease, sent_at = clock_timestamp(),
        first_sent_at = coalesce(o.first_sent_at, clock_timestamp()),
        transport = CASE WHEN o.action = 'send_text' THEN coalesce(o.transport, via) END
    FROM chosen c, chatsluice.outbox_move m
    WHERE o.room_id = c.room_id AND o.outbox_id = c.outbox_id AND m.from_state = o.state AND m.event = 'claim'
    RETURNING o.*;
END
$$;

-- Rules and terms ----------------------------------------------------------------------------------------------------

-- An edit carries the name of who is there, also when a function works with the owner's rights.
ALTER TABLE chatsluice.term_list ALTER COLUMN author SET DEFAULT session_user;
ALTER TABLE chatsluice.term ALTER COLUMN author SET DEFAULT session_user;
ALTER TABLE chatsluice.rule ALTER COLUMN author SET DEFAULT session_user;
ALTER TABLE chatsluice.scorecard ALTER COLUMN author SET DEFAULT session_user;
ALTER TABLE chatsluice.fold_table ALTER COLUMN author SET DEFAULT session_user;
ALTER TABLE chatsluice.rule_admin ALTER COLUMN author SET DEFAULT session_user;

CREATE OR REPLACE FUNCTION chatsluice.note_author() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF NEW IS DISTINCT FROM OLD AND NEW.changed_at IS NOT DISTINCT FROM OLD.changed_at THEN
        IF NEW.author IS NOT DISTINCT FROM OLD.author THEN
            NEW.author := session_user;
        END IF;
        NEW.changed_at := now();
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION chatsluice.rule_revision_stays() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    free constant text[] := '{status,status_by,status_at,rolled_back_by}';
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'a rule revision cannot be removed; set its status to withdrawn' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (to_jsonb(NEW) - free) IS DISTINCT FROM (to_jsonb(OLD) - free) THEN
        RAISE EXCEPTION 'rule revision % cannot be changed, only its status can', OLD.revision
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.status IS DISTINCT FROM OLD.status THEN
        IF NEW.status_by IS NOT DISTINCT FROM OLD.status_by THEN
            NEW.status_by := session_user;
        END IF;
        NEW.status_at := now();
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION chatsluice.check_list(said_list text) RETURNS void
    LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM chatsluice.term_list l WHERE l.name = said_list) THEN
        RAISE EXCEPTION 'there is no term list %', coalesce(said_list, '(null)')
            USING ERRCODE = 'no_data_found', HINT = 'SELECT DISTINCT list FROM moderation.term;';
    END IF;
END
$$;

-- The term as it is said: folding is the list's affair. Returns what came of it.
CREATE FUNCTION chatsluice.ask_add_term(said_who text, said_list text, said_term text, expires timestamptz, why text)
    RETURNS text
    LANGUAGE plpgsql
AS $$
DECLARE
    old chatsluice.term;
    outcome text;
BEGIN
    PERFORM chatsluice.check_list(said_list);
    IF said_term IS NULL OR said_term !~ '[^[:space:]]' THEN
        RAISE EXCEPTION 'the term is empty' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF octet_length(said_term) > 512 THEN -- MATCHER_MAX_TERM
        RAISE EXCEPTION 'the term is % bytes long: at most 512', octet_length(said_term)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF expires <= now() THEN
        RAISE EXCEPTION '% is over: a term expires in the future', expires
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Such as now() + interval ''2 hours''.';
    END IF;
    expires := nullif(expires, 'infinity');
    INSERT INTO chatsluice.term (list, term, expires_at, author) VALUES (said_list, said_term, expires, said_who)
    ON CONFLICT (list, term) DO NOTHING;
    IF FOUND THEN
        outcome := 'added';
    ELSE
        SELECT t.* INTO old FROM chatsluice.term t WHERE t.list = said_list AND t.term = said_term FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'somebody removes term % of list % just now', said_term, said_list
                USING ERRCODE = 'serialization_failure', HINT = 'Try again.';
        ELSIF old.expires_at IS NOT DISTINCT FROM expires THEN
            RETURN 'unchanged';
        END IF;
        outcome := CASE WHEN old.expires_at <= now() THEN 'added' WHEN expires IS NULL THEN 'kept for good'
                        WHEN old.expires_at < expires THEN 'extended' ELSE 'shortened' END;
        UPDATE chatsluice.term t
        SET expires_at = expires, author = said_who, changed_at = clock_timestamp()
        WHERE t.list = said_list AND t.term = said_term;
    END IF;
    PERFORM chatsluice.note_action(said_who, 'add_term', '', NULL, NULL, NULL,
                                   said_list || ': ' || said_term || coalesce(' until ' || expires, '')
                                   || ' (' || outcome || ')', why);
    RETURN outcome;
END
$$;

CREATE FUNCTION chatsluice.ask_remove_term(said_who text, said_list text, said_term text, why text) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM chatsluice.check_list(said_list);
    DELETE FROM chatsluice.term t WHERE t.list = said_list AND t.term = said_term;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'list % has no term %', said_list, coalesce(said_term, '(null)') USING ERRCODE = 'no_data_found';
    END IF;
    PERFORM chatsluice.note_action(said_who, 'remove_term', '', NULL, NULL, NULL, said_list || ': ' || said_term, why);
END
$$;

-- Returns the mode it had.
CREATE FUNCTION chatsluice.ask_mode(said_who text, name text, said_rule text, said_mode text, why text) RETURNS text
    LANGUAGE plpgsql
AS $$
DECLARE
    old text;
BEGIN
    SELECT r.mode INTO old FROM chatsluice.rule r WHERE r.name = said_rule FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no rule %', coalesce(said_rule, '(null)')
            USING ERRCODE = 'no_data_found', HINT = 'SELECT rule, mode FROM moderation.rule;';
    END IF;
    IF old <> said_mode THEN
        UPDATE chatsluice.rule r
        SET mode = said_mode, author = said_who, changed_at = clock_timestamp() WHERE r.name = said_rule;
        PERFORM chatsluice.note_action(said_who, ask_mode.name, '', NULL, NULL, NULL, said_rule || ': was ' || old, why);
    END IF;
    RETURN old;
END
$$;

-- Publications asked for by SQL --------------------------------------------------------------------------------------

CREATE FUNCTION chatsluice.ask_publication(who text, said_kind text, said_note text, said_restores bigint, shrink text[],
                                           changes boolean, strictly boolean, keep interval) RETURNS uuid
    LANGUAGE plpgsql
AS $$
DECLARE
    id uuid;
BEGIN
    IF coalesce(said_note, '') !~ '[^[:space:]]' THEN
        RAISE EXCEPTION 'a note is wanted: say why' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF octet_length(said_note) > 4000 THEN
        RAISE EXCEPTION 'the note is longer than 4000 bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF coalesce(keep <= interval '0' OR keep > interval '1 day', true) THEN
        RAISE EXCEPTION 'a request is kept for a day at most' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF array_position(shrink, NULL) IS NOT NULL OR cardinality(shrink) > 1000 THEN
        RAISE EXCEPTION 'allow_shrink names term lists, or * for all' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF said_restores IS NOT NULL AND NOT EXISTS (SELECT FROM chatsluice.rule_revision r WHERE r.revision = said_restores) THEN
        RAISE EXCEPTION 'there is no rule revision %', said_restores USING ERRCODE = 'no_data_found';
    END IF;
    IF (SELECT count(*) FROM chatsluice.publication_request p
        WHERE p.state IN ('waiting', 'running') AND p.expires_at > now()) >= 20 THEN
        RAISE EXCEPTION '20 publications wait already' USING ERRCODE = 'configuration_limit_exceeded';
    END IF;
    INSERT INTO chatsluice.publication_request (kind, asked_by, expires_at, note, restores, allow_shrink, allow_changes,
                                                strict)
    VALUES (said_kind, who, now() + keep, said_note, said_restores, coalesce(shrink, '{}'), coalesce(changes, false),
            coalesce(strictly, false))
    RETURNING request_id INTO id;
    PERFORM chatsluice.note_action(who, said_kind, '', NULL, NULL, NULL,
                                   'request ' || id || coalesce(' for revision ' || said_restores, ''), said_note);
    IF NOT EXISTS (SELECT FROM chatsluice.instance i WHERE i.publishes AND i.seen_at > now() - interval '15 seconds') THEN
        RAISE NOTICE 'no running instance carries out publications yet (rules.publish_requests)';
    END IF;
    RETURN id;
END
$$;

-- The next four are the service's, and all it needs to publish what a person has asked for: it adds no revision without a
-- request, none under another name than the asker's, and one for each request. roles.sql grants them, if wanted.

-- Takes the oldest request, also one whose instance died over it. attempt is the fence.
CREATE FUNCTION chatsluice.publication_take(instance text, lease interval)
    RETURNS TABLE (request_id uuid, attempt integer, kind text, asked_by text, note text, restores bigint,
                   allow_shrink jsonb, allow_changes boolean, strict boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
BEGIN
    UPDATE chatsluice.publication_request p
    SET state = CASE p.state WHEN 'waiting' THEN 'expired' ELSE 'failed' END, finished_at = clock_timestamp(),
        outcome = CASE p.state WHEN 'waiting' THEN 'no instance carried it out in time'
                               ELSE 'given up: ' || p.attempts || ' instances began it and did not end it' END
    WHERE p.request_id IN (SELECT o.request_id FROM chatsluice.publication_request o
                           WHERE (o.state = 'waiting' AND o.expires_at <= now())
                              OR (o.state = 'running' AND o.taken_until <= now() AND o.attempts >= 3)
                           FOR UPDATE SKIP LOCKED);
    RETURN QUERY
    UPDATE chatsluice.publication_request p
    SET state = 'running', attempts = p.attempts + 1, taken_by = instance, taken_until = clock_timestamp() + lease
    WHERE p.request_id = (SELECT o.request_id FROM chatsluice.publication_request o
                          WHERE o.state = 'waiting' OR (o.state = 'running' AND o.taken_until <= now())
                          ORDER BY o.asked_at, o.request_id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING p.request_id, p.attempts, p.kind, p.asked_by, p.note, p.restores, to_jsonb(p.allow_shrink),
              p.allow_changes, p.strict;
END
$$;

-- A rollback's turn among publications, to the end of the transaction.
CREATE FUNCTION chatsluice.publication_turn(request uuid, attempt integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
BEGIN
    IF EXISTS (SELECT FROM chatsluice.publication_request q
               WHERE q.request_id = request AND q.state = 'running' AND q.attempts = attempt) THEN
        PERFORM FROM chatsluice.rule_publication FOR UPDATE;
    END IF;
END
$$;

-- The revision a request becomes, and the end of the request. Returns its number.
CREATE FUNCTION chatsluice.publication_add(request uuid, attempt integer, said_document text, said_checksum text,
                                           said_rules integer, said_terms integer, said_restores bigint, said_gate jsonb,
                                           said_overrides jsonb, judged bigint, changed bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
DECLARE
    p chatsluice.publication_request;
    number bigint;
BEGIN
    UPDATE chatsluice.rule_publication SET last_revision = last_revision + 1 RETURNING last_revision INTO number;
    UPDATE chatsluice.publication_request q
    SET state = 'done', finished_at = clock_timestamp(), revision = number, gate = said_gate
    WHERE q.request_id = request AND q.state = 'running' AND q.attempts = attempt
    RETURNING q.* INTO p;
    IF p.request_id IS NULL OR number IS NULL OR (p.kind = 'rollback') <> (said_restores IS NOT NULL) THEN
        RAISE EXCEPTION 'publication request % is not this instance''s to carry out', request
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO chatsluice.rule_revision (revision, document, checksum, rules, terms, author, note, kind, restores, gate,
                                          overrides, canary_judged, canary_changed, published_at)
    VALUES (number, said_document, said_checksum, said_rules, said_terms, p.asked_by,
            CASE WHEN p.kind = 'publish' THEN p.note
                 ELSE 'back to ' || coalesce('revision ' || p.restores, 'the revision before') || ': ' || p.note END,
            p.kind, said_restores, said_gate, ARRAY(SELECT jsonb_array_elements_text(said_overrides)), judged, changed,
            clock_timestamp());
    IF p.kind = 'rollback' THEN
        UPDATE chatsluice.rule_revision r
        SET status = 'rolled back', status_by = p.asked_by, rolled_back_by = number
        WHERE r.revision > said_restores AND r.revision < number AND r.status = 'published';
    END IF;
    RETURN number;
END
$$;

-- What came of a request in words; said_state null: it is done, and the words are what the gate warned of.
CREATE FUNCTION chatsluice.publication_end(request uuid, attempt integer, said_state text, said_revision bigint,
                                           words text, said_gate jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
BEGIN
    IF said_state NOT IN ('unchanged', 'refused', 'failed') THEN
        RAISE EXCEPTION 'a publication does not end as %', said_state USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE chatsluice.publication_request p
    SET state = coalesce(said_state, p.state), outcome = nullif(words, ''),
        finished_at = coalesce(p.finished_at, clock_timestamp()), revision = coalesce(said_revision, p.revision),
        gate = coalesce(said_gate, p.gate)
    WHERE p.request_id = request AND p.attempts = attempt
      AND p.state = CASE WHEN said_state IS NULL THEN 'done' ELSE 'running' END;
END
$$;

REVOKE EXECUTE ON FUNCTION chatsluice.publication_take, chatsluice.publication_turn, chatsluice.publication_add,
    chatsluice.publication_end FROM PUBLIC;

-- Views --------------------------------------------------------------------------------------------------------------

-- What waits for a person: flagged messages nobody has decided about, what was given to or taken by somebody, and
-- corrections of which nobody knows whether they were sent (moderation.settle decides). sender_decided and sender_upheld tell
-- of the sender's earlier reviews.
CREATE VIEW moderation.review_queue AS
WITH decided AS (
    SELECT r.sdkappid, r.account, count(*) AS decided, count(*) FILTER (WHERE r.decision <> 'approve') AS upheld
    FROM chatsluice.review r
    WHERE r.state = 'decided'
    GROUP BY 1, 2
)
SELECT q.kind,
       q.room_id,
       q.sent_at,
       now() - q.received_at AS age,
       q.sdkappid,
       q.event_id,
       q.outbox_id,
       q.account,
       q.text,
       q.verdict,
       q.rule,
       q.hits,
       q.rule_revision,
       q.rewritten,
       CASE WHEN q.claimed_until > now() THEN 'claimed' ELSE 'waiting' END AS state,
       CASE WHEN q.claimed_until > now() THEN q.claimed_by END AS claimed_by,
       CASE WHEN q.claimed_until > now() THEN q.claimed_until END AS claimed_until,
       q.assigned_to,
       coalesce(d.decided, 0) AS sender_decided,
       coalesce(d.upheld, 0) AS sender_upheld
FROM (SELECT 'flagged' AS kind, e.group_id AS room_id, e.event_time AS sent_at, e.received_at, e.sdkappid, e.event_id,
             NULL::uuid AS outbox_id, e.from_account AS account, e.text, e.verdict, e.rule, e.hits, e.rule_revision,
             e.rewritten, r.claimed_by, r.claimed_until, r.assigned_to
      FROM chatsluice.event e
      LEFT JOIN chatsluice.review r ON r.room_id = e.group_id AND r.event_time = e.event_time AND r.event_id = e.event_id
      WHERE e.verdict = 'flag' AND e.command = 'before' AND r.state IS DISTINCT FROM 'decided'
      UNION ALL
      SELECT CASE WHEN r.assigned_to IS NULL THEN 'claimed' ELSE 'assigned' END, r.room_id, r.event_time, r.received_at,
             r.sdkappid, r.event_id, NULL, e.from_account, e.text, e.verdict, e.rule, e.hits, e.rule_revision, e.rewritten,
             r.claimed_by, r.claimed_until, r.assigned_to
      FROM chatsluice.review r
      JOIN chatsluice.event e ON e.group_id = r.room_id AND e.event_time = r.event_time AND e.event_id = r.event_id
      WHERE r.state = 'open' AND (r.assigned_to IS NOT NULL OR r.claimed_until > now())
        AND (e.verdict IS DISTINCT FROM 'flag' OR e.command <> 'before')
      UNION ALL
      SELECT 'correction uncertain', o.room_id, coalesce(o.event_time, o.asked_at), o.asked_at, o.sdkappid, o.event_id,
             o.outbox_id, o.account, o.text, e.verdict, e.rule, e.hits, e.rule_revision, e.rewritten, NULL, NULL, NULL
      FROM chatsluice.outbox o
      LEFT JOIN chatsluice.event e ON e.group_id = o.room_id AND e.event_time = o.event_time AND e.event_id = o.event_id
      WHERE o.state = 'uncertain') q
LEFT JOIN decided d ON d.sdkappid = q.sdkappid AND d.account = q.account;

-- What was decided, and what became of it.
CREATE VIEW moderation.review AS
SELECT r.room_id, r.event_id, r.event_time AS sent_at, r.sdkappid, r.account, r.verdict, r.rule, r.state, r.assigned_to,
       CASE WHEN r.claimed_until > now() THEN r.claimed_by END AS claimed_by,
       CASE WHEN r.claimed_until > now() THEN r.claimed_until END AS claimed_until,
       r.decision, r.decided_by, r.decided_at, r.decided_at - r.received_at AS time_to_decision, r.overturned, r.outbox_id,
       o.state AS outbox_state, r.why
FROM chatsluice.review r
LEFT JOIN chatsluice.outbox o ON o.room_id = r.room_id AND o.outbox_id = r.outbox_id;

CREATE VIEW moderation.label AS
SELECT a.room_id, a.event_id, a.event_time AS sent_at, a.label, a.note, a.who, a.at
FROM chatsluice.annotation a;

-- Each person's day (UTC). time_to_decision is from the receipt of the message.
CREATE VIEW moderation.moderator_activity AS
SELECT u.day,
       u.moderator,
       sum(u.decisions)::bigint AS decisions,
       sum(u.approved)::bigint AS approved,
       sum(u.upheld)::bigint AS upheld,
       sum(u.corrected)::bigint AS corrected,
       sum(u.overturned)::bigint AS overturned,
       max(u.median) AS median_time_to_decision,
       coalesce(sum(u.actions), 0)::bigint AS actions,
       coalesce(jsonb_object_agg(u.action, u.actions) FILTER (WHERE u.action IS NOT NULL), '{}') AS actions_by_kind
FROM (SELECT (r.decided_at AT TIME ZONE 'UTC')::date AS day, r.decided_by AS moderator, count(*) AS decisions,
             count(*) FILTER (WHERE r.decision = 'approve') AS approved,
             count(*) FILTER (WHERE r.decision = 'uphold') AS upheld,
             count(*) FILTER (WHERE r.decision = 'correct') AS corrected,
             count(*) FILTER (WHERE r.overturned) AS overturned,
             percentile_cont(0.5) WITHIN GROUP (ORDER BY r.decided_at - r.received_at) AS median,
             NULL::text AS action, NULL::bigint AS actions
      FROM chatsluice.review r
      WHERE r.state = 'decided'
      GROUP BY 1, 2
      UNION ALL
      SELECT (a.at AT TIME ZONE 'UTC')::date, a.who, 0, 0, 0, 0, 0, NULL, a.action, count(*)
      FROM chatsluice.moderator_action a
      GROUP BY 1, 2, a.action) u
GROUP BY 1, 2;

-- Terms and rules as they stand in the tables: in force is what was published (moderation.rule_history).
CREATE VIEW moderation.term AS
SELECT t.list, t.term, t.expires_at, coalesce(t.expires_at <= now(), false) AS expired, t.author, t.changed_at
FROM chatsluice.term t;

CREATE VIEW moderation.rule AS
SELECT r.name AS rule, r.mode, r.definition, r.author, r.changed_at
FROM chatsluice.rule r;

CREATE VIEW moderation.publication AS
SELECT p.request_id, p.kind, p.asked_by, p.asked_at, p.note, p.restores, p.allow_shrink, p.allow_changes, p.strict, p.state,
       p.revision,
       CASE WHEN p.state = 'waiting' AND NOT i.there
            THEN 'no running instance carries out publications (rules.publish_requests)' ELSE p.outcome END AS outcome,
       p.gate, p.taken_by, p.finished_at, p.expires_at
FROM chatsluice.publication_request p
CROSS JOIN (SELECT EXISTS (SELECT FROM chatsluice.instance n
                           WHERE n.publishes AND n.seen_at > now() - interval '15 seconds') AS there) i;

-- The contract with people, as in 0006. why is written down with who and when; room spares a search through all rooms; keep:
-- how long a claim lasts, or how long it makes sense to carry something out.

CREATE FUNCTION moderation.claim(event uuid, why text DEFAULT NULL, room text DEFAULT NULL,
                                 keep interval DEFAULT '15 minutes') RETURNS timestamptz
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_claim(session_user, event, why, room, keep)
$$;

CREATE FUNCTION moderation.claim_next(count integer DEFAULT 1, room text DEFAULT NULL, oldest boolean DEFAULT true,
                                      keep interval DEFAULT '15 minutes', within interval DEFAULT '7 days',
                                      why text DEFAULT NULL)
    RETURNS TABLE (room_id text, event_id uuid, sent_at timestamptz, account text, text text, verdict text, rule text,
                   hits jsonb)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.group_id, e.event_id, e.event_time, e.from_account, e.text, e.verdict, e.rule, e.hits
    FROM chatsluice.ask_claim_next(session_user, claim_next.count, claim_next.room, oldest, keep, within, why) e
$$;

CREATE FUNCTION moderation.release(event uuid, why text DEFAULT NULL, room text DEFAULT NULL) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_release(session_user, event, why, room)
$$;

CREATE FUNCTION moderation.assign(event uuid, moderator text, why text DEFAULT NULL, room text DEFAULT NULL) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_assign(session_user, event, moderator, why, room)
$$;

-- The rules were wrong. Of a message that was stopped the original is sent.
CREATE OR REPLACE FUNCTION moderation.approve(event uuid, why text DEFAULT NULL, room text DEFAULT NULL,
                                              again boolean DEFAULT false, keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_decide(session_user, 'approve', event, NULL, why, room, false, again, keep)
$$;

-- The rules were right.
CREATE FUNCTION moderation.uphold(event uuid, why text DEFAULT NULL, room text DEFAULT NULL,
                                  again boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM chatsluice.ask_decide(session_user, 'uphold', event, NULL, why, room, NULL, again, NULL);
END
$$;

-- The message in other words: as resend, and decided.
CREATE FUNCTION moderation.correct(event uuid, text text, why text DEFAULT NULL, room text DEFAULT NULL,
                                   recall boolean DEFAULT true, again boolean DEFAULT false,
                                   keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_decide(session_user, 'correct', event, text, why, room, recall, again, keep)
$$;

CREATE FUNCTION moderation.annotate(event uuid, label text, note text DEFAULT NULL, room text DEFAULT NULL) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_annotate(session_user, event, label, note, room)
$$;

CREATE FUNCTION moderation.add_term(list text, term text, expires timestamptz DEFAULT NULL, why text DEFAULT NULL)
    RETURNS text
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_add_term(session_user, list, term, expires, why)
$$;

CREATE FUNCTION moderation.remove_term(list text, term text, why text DEFAULT NULL) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_remove_term(session_user, list, term, why)
$$;

CREATE FUNCTION moderation.enable_rule(rule text, why text DEFAULT NULL) RETURNS text
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_mode(session_user, 'enable_rule', rule, 'enforce', why)
$$;

CREATE FUNCTION moderation.shadow_rule(rule text, why text DEFAULT NULL) RETURNS text
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_mode(session_user, 'shadow_rule', rule, 'shadow', why)
$$;

CREATE FUNCTION moderation.disable_rule(rule text, why text DEFAULT NULL) RETURNS text
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_mode(session_user, 'disable_rule', rule, 'off', why)
$$;

-- Ask for a publication or a rollback; moderation.publication tells what came of it. allow_shrink and allow_changes are those
-- of `chatsluice rules publish`.
CREATE FUNCTION moderation.publish(note text, allow_shrink text[] DEFAULT '{}', allow_changes boolean DEFAULT false,
                                   strict boolean DEFAULT false, keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_publication(session_user, 'publish', note, NULL, allow_shrink, allow_changes, strict, keep)
$$;

CREATE FUNCTION moderation.rollback(note text, revision bigint DEFAULT NULL, keep interval DEFAULT '10 minutes')
    RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_publication(session_user, 'rollback', note, revision, '{}', false, false, keep)
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA moderation FROM PUBLIC;

-- Whoever waits for a row that somebody else holds gives up after a while, with an error, and holds up nobody in turn.
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'moderation'::regnamespace AND p.prosecdef LOOP
        EXECUTE format('ALTER FUNCTION %s SET lock_timeout = ''5s''', f);
    END LOOP;
END
$$;

-- What the views of messages show of the review. Whoever reads those views calls them.
CREATE OR REPLACE FUNCTION chatsluice.review_state(room text, at timestamptz, event uuid) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT r.state FROM chatsluice.review r WHERE (r.room_id, r.event_time, r.event_id) = (room, at, event) $$;
CREATE OR REPLACE FUNCTION chatsluice.review_decision(room text, at timestamptz, event uuid) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT r.decision FROM chatsluice.review r WHERE (r.room_id, r.event_time, r.event_id) = (room, at, event) $$;
REVOKE EXECUTE ON FUNCTION chatsluice.review_state, chatsluice.review_decision FROM PUBLIC; -- config/roles.sql

-- A person's erasure (0007).
CREATE FUNCTION chatsluice.erase_in_review(erased text, app bigint, token text) RETURNS void
    LANGUAGE sql
AS $$
    DELETE FROM chatsluice.annotation n USING chatsluice.review r
    WHERE r.account = erased AND (app IS NULL OR r.sdkappid = app)
      AND (n.room_id, n.event_time, n.event_id) = (r.room_id, r.event_time, r.event_id);
    UPDATE chatsluice.review r SET account = token, why = replace(r.why, erased, token)
    WHERE r.account = erased AND (app IS NULL OR r.sdkappid = app);
$$;
