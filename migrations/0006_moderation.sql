-- What people decide: functions and views of schema moderation, the contract with moderators and their tools. They write
-- rows of the outbox (0005) and say in moderator_action who asked and why; states change by chatsluice.outbox_move alone.

-- Who decided what about which event or outbox row, and why.
CREATE TABLE chatsluice.moderator_action (
    room_id   text        NOT NULL,
    action_id uuid        NOT NULL DEFAULT gen_random_uuid(),
    at        timestamptz NOT NULL DEFAULT now(),
    who       text        NOT NULL,
    action    text        NOT NULL, -- the function: resend, approve, mute, ... , cancel, settle
    detail    text,                 -- of a settle the decision, of a mute or ban the duration
    account   text,                 -- of a mute or ban the member
    event_id  uuid,
    outbox_id uuid,
    why       text,
    PRIMARY KEY (room_id, action_id)
);
CREATE INDEX moderator_action_at ON chatsluice.moderator_action (at);
CREATE INDEX moderator_action_event ON chatsluice.moderator_action (room_id, event_id);

-- An event by its id. The primary key begins with the room: naming it spares looking through all of them, and without
-- it the newest days are looked through first.
CREATE FUNCTION chatsluice.find_event(event uuid, room text) RETURNS chatsluice.event
    LANGUAGE plpgsql STABLE
AS $$
DECLARE
    e chatsluice.event;
BEGIN
    IF room IS NOT NULL THEN
        SELECT * INTO e FROM chatsluice.event v WHERE v.group_id = room AND v.event_id = event;
    ELSE
        SELECT * INTO e FROM chatsluice.event v WHERE v.event_id = event AND v.event_time > now() - interval '2 days';
        IF NOT FOUND THEN
            SELECT * INTO e
            FROM chatsluice.event v
            WHERE v.event_id = event AND v.event_time <= now() - interval '2 days';
        END IF;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no event %', concat_ws(' in room ', event, room) USING ERRCODE = 'no_data_found';
    END IF;
    RETURN e;
END
$$;

-- The webhooks, Before and After, of the message that event e tells of, e among them. A client that tries again sends
-- the same Random: then the attempts are one message.
CREATE FUNCTION chatsluice.same_message(e chatsluice.event) RETURNS SETOF chatsluice.event
    LANGUAGE sql STABLE
AS $$
    SELECT v.*
    FROM chatsluice.event v
    WHERE v.group_id = e.group_id AND v.command IN ('before', 'after')
      AND v.event_time BETWEEN e.event_time - interval '1 minute' AND e.event_time + interval '1 minute'
      AND (v.event_id = e.event_id
           OR (v.sdkappid = e.sdkappid AND v.from_account = e.from_account AND v.random = e.random
               AND (v.msg_id = e.msg_id OR v.msg_id IS NULL OR e.msg_id IS NULL)))
$$;

-- Refuses what needs a message with a room and a sender.
CREATE FUNCTION chatsluice.check_message(e chatsluice.event) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF e.command NOT IN ('before', 'after') OR e.fault IS NOT NULL THEN
        RAISE EXCEPTION 'event % is no message', e.event_id
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Name the event_id of a Before or After webhook that could be read.';
    END IF;
    IF e.group_id = '' OR coalesce(e.from_account, '') = '' THEN
        RAISE EXCEPTION 'event % names no room or no sender', e.event_id USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;

CREATE FUNCTION chatsluice.note_action(who text, act text, room text, account text, event uuid, id uuid, detail text,
                                       why text) RETURNS void
    LANGUAGE sql
AS $$
    INSERT INTO chatsluice.moderator_action (room_id, who, action, detail, account, event_id, outbox_id, why)
    VALUES (room, who, act, detail, account, event, id, why)
$$;

-- A person's row for one REST action other than sending. Returns its id. Doing such a thing twice does no harm.
CREATE FUNCTION chatsluice.ask_action(who text, cause text, act text, room text, app bigint, account text,
                                      duration interval, msg_seq bigint, e chatsluice.event, keep interval, note text,
                                      name text, why text) RETURNS uuid
    LANGUAGE plpgsql
AS $$
DECLARE
    id constant uuid := gen_random_uuid();
    seconds constant bigint := extract(epoch FROM duration)::bigint;
BEGIN
    IF coalesce(room, '') = '' OR (act <> 'recall' AND coalesce(account, '') = '') THEN
        RAISE EXCEPTION 'name a room and an account' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF act IN ('mute', 'ban') AND coalesce(seconds, 0) NOT BETWEEN 1 AND 4294967295 THEN
        RAISE EXCEPTION 'a duration of % is not possible', coalesce(duration::text, 'nothing')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'At least a second and at most 136 years, such as ''10 minutes''.';
    END IF;
    IF octet_length(note) > 200 THEN
        RAISE EXCEPTION 'the note is longer than 200 bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, seconds, msg_seq, note, cause, asked_by,
                                   event_id, event_time, asked_at, state, reason, expires_at, random)
    VALUES (room, id, app, act, coalesce(account, ''), CASE WHEN act IN ('mute', 'ban') THEN seconds END, msg_seq, note,
            cause, who, e.event_id, e.event_time, now(), 'queued', 'a person asks for it', now() + keep,
            chatsluice.outbox_random(id));
    PERFORM chatsluice.note_action(who, name, room, account, e.event_id, id,
                                   CASE WHEN act IN ('mute', 'ban') THEN duration::text END, why);
    RETURN id;
END
$$;

-- The application a room belongs to, by its newest stored webhook.
CREATE FUNCTION chatsluice.app_of(room text, app bigint) RETURNS bigint
    LANGUAGE plpgsql STABLE
AS $$
DECLARE
    found_app bigint := app;
BEGIN
    IF found_app IS NULL THEN
        SELECT v.sdkappid INTO found_app
        FROM chatsluice.event v WHERE v.group_id = room ORDER BY v.event_time DESC LIMIT 1;
    END IF;
    IF found_app IS NULL THEN
        RAISE EXCEPTION 'the application of room % is not known: no webhook of it is stored', room
            USING ERRCODE = 'no_data_found', HINT = 'Name it: app => 1400000001';
    END IF;
    RETURN found_app;
END
$$;

-- A correction of an event: said is the new text, null for the original as it was. One message has at most one correction
-- under way: asking for the same again gives the id of the row there is, anything else is refused until that is final. What
-- was carried out is not repeated either, unless again says so.
--
-- The original of a message that was delivered is recalled first, and the correction held until then, unless
-- recall is false.
CREATE FUNCTION chatsluice.ask_send(who text, cause text, event uuid, said text, room text, recall boolean, again boolean,
                                    keep interval, name text, why text) RETURNS uuid
    LANGUAGE plpgsql
AS $$
DECLARE
    e chatsluice.event := chatsluice.find_event(event, room);
    custom constant text := e.cloud_custom_data;
    words constant text := coalesce(said, e.text);
    ids uuid[];
    seq bigint;
    delivered timestamptz;
    other chatsluice.outbox;
    earlier bigint;
    id uuid;
BEGIN
    -- Behind the lock below, a transaction with one snapshot for all would not see the row of whoever was there first.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'a correction cannot be asked for in a % transaction', current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state', HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    PERFORM chatsluice.check_message(e);
    IF NOT chatsluice.is_text_alone(e.raw) THEN
        RAISE EXCEPTION 'event % is not made of text elements alone: only text can be sent', event
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF coalesce(words, '') = '' THEN
        RAISE EXCEPTION 'there is no text to send' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF chatsluice.outbox_bytes(words, custom) > 12288 THEN
        RAISE EXCEPTION 'the message would be % bytes: at most 12288 can be sent', chatsluice.outbox_bytes(words, custom)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Whoever else decides about this message waits here and then sees our row. Of several attempts the first is locked.
    PERFORM
    FROM chatsluice.event v
    WHERE v.group_id = e.group_id
      AND (v.event_time, v.event_id) = (SELECT m.event_time, m.event_id FROM chatsluice.same_message(e) m
                                        ORDER BY m.event_time, m.event_id LIMIT 1)
    FOR NO KEY UPDATE;
    SELECT array_agg(m.event_id), max(m.msg_seq) FILTER (WHERE m.command = 'after'),
           max(m.event_time) FILTER (WHERE m.command = 'after')
    INTO ids, seq, delivered
    FROM chatsluice.same_message(e) m;
    IF said IS NULL AND delivered IS NOT NULL THEN
        RAISE EXCEPTION 'event % was delivered at %: there is nothing to approve', event, delivered
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF said IS NULL AND coalesce(e.verdict, '') NOT IN ('reject', 'discard') THEN
        RAISE EXCEPTION 'event % was not stopped, its verdict was %: there is nothing to approve', event, e.verdict
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;

    SELECT count(*) INTO earlier
    FROM chatsluice.outbox o WHERE o.room_id = e.group_id AND o.event_id = ANY (ids) AND o.action = 'send_text';
    SELECT o.* INTO other
    FROM chatsluice.outbox o
    WHERE o.room_id = e.group_id AND o.event_id = ANY (ids) AND o.action = 'send_text'
      AND o.state NOT IN ('failed', 'expired', 'cancelled')
    ORDER BY o.state = 'done', o.created_at DESC
    LIMIT 1;
    IF other.state <> 'done' AND other.text = words AND other.custom_data IS NOT DISTINCT FROM custom THEN
        RAISE NOTICE 'outbox row % says the same and is %: it stays the only one', other.outbox_id, other.state;
        RETURN other.outbox_id;
    ELSIF other.state <> 'done' THEN
        RAISE EXCEPTION 'outbox row % is a correction of the same message and is %', other.outbox_id, other.state
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('Wait for it, or SELECT moderation.%s(%L%s, ''why'');',
                                CASE other.state WHEN 'uncertain' THEN 'settle' ELSE 'cancel' END, other.outbox_id,
                                CASE other.state WHEN 'uncertain' THEN ', ''delivered''' ELSE '' END);
    ELSIF other.state = 'done' AND again IS NOT TRUE THEN
        RAISE EXCEPTION 'the message was corrected at % by outbox row %', other.delivered_at, other.outbox_id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'again => true sends another one.';
    END IF;

    recall := recall IS NOT FALSE AND delivered IS NOT NULL; -- null is what is safe
    IF recall AND coalesce(seq, 0) <= 0 THEN
        RAISE EXCEPTION 'event % was delivered at %, but its MsgSeq is not known: it cannot be recalled', event, delivered
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'recall => false sends without recalling it.';
    END IF;
    id := chatsluice.outbox_digest(event || ' ' || cause || ' ' || earlier);
    INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, custom_data, msg_seq, cause,
                                   asked_by, event_id, event_time, asked_at, state, reason, expires_at, random)
    VALUES (e.group_id, id, e.sdkappid, 'send_text', e.from_account, words, custom, CASE WHEN recall THEN seq END, cause,
            who, e.event_id, e.event_time, now(), CASE WHEN recall THEN 'held' ELSE 'queued' END,
            'a person asks for it', now() + keep, chatsluice.outbox_random(id));
    PERFORM chatsluice.note_action(who, name, e.group_id, NULL, e.event_id, id, NULL, why);
    IF recall AND NOT EXISTS (SELECT FROM chatsluice.outbox o
                              WHERE o.room_id = e.group_id AND o.action = 'recall' AND o.msg_seq = seq
                                AND o.state NOT IN ('failed', 'expired', 'cancelled')) THEN
        PERFORM chatsluice.ask_action(who, cause, 'recall', e.group_id, e.sdkappid, NULL, NULL, seq, e, keep, NULL,
                                      'recall', why);
    END IF;
    RETURN id;
END
$$;

-- Takes the move of outbox_move that a person asks for.
CREATE FUNCTION chatsluice.ask_move(who text, outbox uuid, event_name text, room text, keep interval, name text,
                                    detail text, why text) RETURNS uuid
    LANGUAGE plpgsql
AS $$
DECLARE
    o chatsluice.outbox;
    found_room text;
    meaning text;
BEGIN
    SELECT r.* INTO o
    FROM chatsluice.outbox r WHERE r.outbox_id = outbox AND (room IS NULL OR r.room_id = room) FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no outbox row %', concat_ws(' in room ', outbox, room) USING ERRCODE = 'no_data_found';
    END IF;
    UPDATE chatsluice.outbox r
    SET state = m.to_state, reason = m.reason || CASE WHEN why <> '' THEN ': ' || why ELSE '' END, changed_at = now(),
        wait_until = NULL,
        -- Sent again on a person's word it begins anew: tries, the time its Random is known, what may have been done.
        uncounted = CASE WHEN m.event = 'settle_again' THEN r.attempts ELSE r.uncounted END,
        first_sent_at = CASE WHEN m.event = 'settle_again' THEN NULL ELSE r.first_sent_at END,
        in_doubt = r.in_doubt AND m.event <> 'settle_again',
        due_at = CASE WHEN m.to_state = 'queued' THEN now() ELSE r.due_at END,
        expires_at = CASE WHEN m.to_state = 'queued' THEN greatest(r.expires_at, now() + keep) ELSE r.expires_at END,
        delivered_at = CASE WHEN m.to_state = 'done' THEN coalesce(r.answered_at, r.sent_at, now()) ELSE r.delivered_at END
    FROM chatsluice.outbox_move m
    -- A text that an earlier call may have said is not sent any more, but may be in the room: another one would double it.
    WHERE r.room_id = o.room_id AND r.outbox_id = o.outbox_id AND m.from_state = r.state
      AND m.event = CASE WHEN event_name = 'cancel' AND r.state = 'queued' AND r.in_doubt AND r.action = 'send_text'
                         THEN 'cancel_unclear' ELSE event_name END
    RETURNING r.room_id INTO found_room;
    IF found_room IS NULL THEN
        SELECT s.meaning INTO meaning FROM chatsluice.outbox_state s WHERE s.state = o.state;
        RAISE EXCEPTION 'outbox row % is %, which % cannot change: %', outbox, o.state, name, meaning
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM chatsluice.note_action(who, name, o.room_id, nullif(o.account, ''), o.event_id, outbox, detail, why);
    RETURN outbox;
END
$$;

CREATE FUNCTION chatsluice.ask_settle(who text, outbox uuid, decision text, room text, keep interval, why text)
    RETURNS uuid
    LANGUAGE plpgsql
AS $$
DECLARE
    event_name constant text := CASE decision WHEN 'delivered' THEN 'settle_done' WHEN 'send again' THEN 'settle_again'
                                              WHEN 'drop' THEN 'cancel' END;
    now_state text;
BEGIN
    IF event_name IS NULL THEN
        RAISE EXCEPTION '% settles nothing', decision
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Say ''delivered'', ''send again'' or ''drop''.';
    END IF;
    SELECT o.state INTO now_state
    FROM chatsluice.outbox o WHERE o.outbox_id = outbox AND (room IS NULL OR o.room_id = room);
    IF now_state <> 'uncertain' THEN
        RAISE EXCEPTION 'outbox row % is %: there is nothing to settle', outbox, now_state
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN chatsluice.ask_move(who, outbox, event_name, room, keep, 'settle', decision, why);
END
$$;

-- A person's mute, ban or their end, about the sender of an event.
CREATE FUNCTION chatsluice.ask_sender(who text, act text, event uuid, duration interval, why text, room text, note text,
                                      keep interval, name text) RETURNS uuid
    LANGUAGE plpgsql
AS $$
DECLARE
    e constant chatsluice.event := chatsluice.find_event(event, room);
BEGIN
    PERFORM chatsluice.check_message(e);
    RETURN chatsluice.ask_action(who, 'person', act, e.group_id, e.sdkappid, e.from_account, duration, NULL, e, keep, note,
                                 name, why);
END
$$;

CREATE FUNCTION chatsluice.ask_recall(who text, event uuid, why text, room text, note text, keep interval) RETURNS uuid
    LANGUAGE plpgsql
AS $$
DECLARE
    e constant chatsluice.event := chatsluice.find_event(event, room);
    seq bigint;
BEGIN
    PERFORM chatsluice.check_message(e);
    SELECT max(m.msg_seq) INTO seq FROM chatsluice.same_message(e) m WHERE m.command = 'after';
    IF coalesce(seq, 0) <= 0 THEN
        RAISE EXCEPTION 'event % is not known to have been delivered: there is nothing to recall', event
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN chatsluice.ask_action(who, 'person', 'recall', e.group_id, e.sdkappid, NULL, NULL, seq, e, keep, note, 'recall',
                                 why);
END
$$;

-- The contract with people. They run with the rights of the owner, so that a moderator needs none on the tables; nobody
-- has the right to call them until it is granted. room spares a search through all rooms. keep: how long it makes
-- sense to carry it out. Each returns the id of the outbox row.

CREATE FUNCTION moderation.resend(event uuid, text text, why text DEFAULT NULL, room text DEFAULT NULL,
                                  recall boolean DEFAULT true, again boolean DEFAULT false,
                                  keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_send(session_user, 'person', event, coalesce(text, ''), room, recall, again, keep, 'resend', why)
$$;

CREATE FUNCTION moderation.approve(event uuid, why text DEFAULT NULL, room text DEFAULT NULL,
                                   again boolean DEFAULT false, keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_send(session_user, 'person', event, NULL, room, false, again, keep, 'approve', why)
$$;

CREATE FUNCTION moderation.recall(event uuid, why text DEFAULT NULL, room text DEFAULT NULL, note text DEFAULT NULL,
                                  keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_recall(session_user, event, why, room, note, keep)
$$;

CREATE FUNCTION moderation.mute(room text, account text, duration interval, why text DEFAULT NULL,
                                app bigint DEFAULT NULL, keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_action(session_user, 'person', 'mute', room, chatsluice.app_of(room, app), account, duration,
                                 NULL, NULL, keep, NULL, 'mute', why)
$$;

CREATE FUNCTION moderation.mute_sender(event uuid, duration interval, why text DEFAULT NULL, room text DEFAULT NULL,
                                       keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_sender(session_user, 'mute', event, duration, why, room, NULL, keep, 'mute_sender')
$$;

CREATE FUNCTION moderation.unmute(room text, account text, why text DEFAULT NULL, app bigint DEFAULT NULL,
                                  keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_action(session_user, 'person', 'unmute', room, chatsluice.app_of(room, app), account, NULL, NULL,
                                 NULL, keep, NULL, 'unmute', why)
$$;

CREATE FUNCTION moderation.ban(room text, account text, duration interval, why text DEFAULT NULL,
                               note text DEFAULT NULL, app bigint DEFAULT NULL, keep interval DEFAULT '10 minutes')
    RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_action(session_user, 'person', 'ban', room, chatsluice.app_of(room, app), account, duration,
                                 NULL, NULL, keep, note, 'ban', why)
$$;

CREATE FUNCTION moderation.ban_sender(event uuid, duration interval, why text DEFAULT NULL, note text DEFAULT NULL,
                                      room text DEFAULT NULL, keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_sender(session_user, 'ban', event, duration, why, room, note, keep, 'ban_sender')
$$;

CREATE FUNCTION moderation.unban(room text, account text, why text DEFAULT NULL, app bigint DEFAULT NULL,
                                 keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_action(session_user, 'person', 'unban', room, chatsluice.app_of(room, app), account, NULL, NULL,
                                 NULL, keep, NULL, 'unban', why)
$$;

CREATE FUNCTION moderation.cancel(outbox uuid, why text DEFAULT NULL, room text DEFAULT NULL) RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_move(session_user, outbox, 'cancel', room, NULL, 'cancel', NULL, why)
$$;

CREATE FUNCTION moderation.settle(outbox uuid, decision text, why text DEFAULT NULL, room text DEFAULT NULL,
                                  keep interval DEFAULT '10 minutes') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.ask_settle(session_user, outbox, decision, room, keep, why)
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA moderation FROM PUBLIC;

-- One row an action, with what it answers and what it came to. A condition on room_id, with one on asked_at, event_id or
-- sent_at, uses the outbox's indexes; the events beside it are found by primary key.
CREATE VIEW moderation.correction AS
SELECT o.room_id,
       o.outbox_id,
       o.sdkappid,
       o.action,
       o.account,
       o.text,
       o.state,
       s.meaning,
       s.final,
       o.reason,
       o.attempts,
       o.transport,
       o.http_status,
       o.error_code,
       o.error_info,
       o.request_id,
       o.drop_reason,
       o.cause,
       o.asked_by,
       o.asked_at,
       o.due_at,
       o.expires_at,
       o.first_sent_at,
       o.sent_at,
       o.answered_at,
       o.delivered_at,
       o.delivered_at - o.asked_at AS time_to_delivery,
       o.custom_data,
       o.seconds,
       coalesce(o.sent_msg_seq, o.msg_seq) AS msg_seq,
       o.event_id AS original_event_id,
       o.event_time AS original_time,
       e.from_account AS original_sender,
       e.text AS original_text,
       e.cloud_custom_data AS original_custom_data,
       e.verdict AS original_verdict,
       e.rule AS original_rule,
       o.delivered_event_id,
       d.text AS delivered_text,
       d.cloud_custom_data AS delivered_custom_data
FROM chatsluice.outbox o
JOIN chatsluice.outbox_state s USING (state)
LEFT JOIN chatsluice.event e
       ON e.group_id = o.room_id AND e.event_time = o.event_time AND e.event_id = o.event_id
LEFT JOIN chatsluice.event d
       ON d.group_id = o.room_id AND d.event_time = o.delivered_event_time AND d.event_id = o.delivered_event_id;

-- Every webhook that has to do with corrections, both ways: of an original the rows that answer it, of a correction's own
-- webhooks the row they carry out.
CREATE VIEW moderation.corrected_event AS
SELECT o.room_id, o.event_id, o.event_time, 'original' AS part, o.outbox_id, o.action, o.state
FROM chatsluice.outbox o
WHERE o.event_id IS NOT NULL
UNION ALL
SELECT e.group_id, e.event_id, e.event_time, e.command, o.outbox_id, o.action, o.state
FROM chatsluice.event e
JOIN chatsluice.outbox o ON o.room_id = e.group_id AND o.outbox_id = e.correction_id
WHERE e.marker <> 'copied'
UNION ALL
SELECT o.room_id, o.delivered_event_id, o.delivered_event_time, 'after', o.outbox_id, o.action, o.state
FROM chatsluice.outbox o
JOIN chatsluice.event e
  ON e.group_id = o.room_id AND e.event_time = o.delivered_event_time AND e.event_id = o.delivered_event_id
 AND e.correction_id IS NULL;

CREATE VIEW moderation.action AS
SELECT a.at, a.who, a.action, a.detail, a.room_id, a.account, a.event_id, a.outbox_id, a.why, o.state, o.reason
FROM chatsluice.moderator_action a
LEFT JOIN chatsluice.outbox o ON o.room_id = a.room_id AND o.outbox_id = a.outbox_id;
