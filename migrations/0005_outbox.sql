-- Outbox: what is to be done through the platform's REST API, and what came of it. At most once, never in a loop.
--
-- Rows are written in the transaction that stores their cause: by the loader for a rule's follow-ups, by the functions of
-- schema moderation for people. The sender (src/outbox) claims them, calls, and reports events; what an event makes of a
-- row stands in chatsluice.outbox_move and nowhere else.

ALTER TABLE chatsluice.event
    ADD COLUMN correction_id uuid, -- the outbox row this message carries out, by its marker
    ADD COLUMN marker text CHECK (marker IN ('accepted', 'used', 'late', 'copied', 'forged')),
    ADD COLUMN rewritten_custom_data text, -- CloudCustomData of the corrected message, when a rule rewrote it
    DROP CONSTRAINT event_decided_by_check,
    ADD CONSTRAINT event_decided_by_check
        CHECK (decided_by IN ('rule', 'default', 'deadline', 'overload', 'correction'));

-- States and how one becomes another ---------------------------------------------------------------------------------

CREATE TABLE chatsluice.outbox_state (
    state text PRIMARY KEY,
    final boolean NOT NULL,
    meaning text NOT NULL
);
INSERT INTO chatsluice.outbox_state VALUES
    ('held',      false, 'its original is still in the room: it goes out once that is recalled'),
    ('queued',    false, 'goes out as soon as due_at and the rate allow'),
    ('sending',   false, 'an instance calls the API, or did when it died'),
    ('waiting',   false, 'the call got no answer: the After webhook with its marker will tell'),
    ('uncertain', false, 'nothing told whether it was done: a person decides (moderation.settle)'),
    ('done',      true,  'carried out'),
    ('failed',    true,  'refused for good: error_code, error_info and request_id say why'),
    ('expired',   true,  'could not be carried out while it still made sense'),
    ('cancelled', true,  'not wanted any more, or there was nothing to do');

CREATE TABLE chatsluice.outbox_move (
    from_state text NOT NULL REFERENCES chatsluice.outbox_state,
    event      text NOT NULL,
    to_state   text NOT NULL REFERENCES chatsluice.outbox_state,
    reason     text NOT NULL,
    PRIMARY KEY (from_state, event)
);
INSERT INTO chatsluice.outbox_move VALUES
    ('held',      'recalled',        'queued',    'the original was recalled'),
    ('held',      'recall_failed',   'cancelled', 'the original could not be recalled'),
    ('held',      'too_old',         'expired',   'the original was not recalled in time'),
    ('held',      'cancel',          'cancelled', 'cancelled by a person'),

    ('queued',    'claim',           'sending',   'an instance took it'),
    ('queued',    'seen',            'done',      'its After webhook came'),
    ('queued',    'too_old',         'expired',   'older than its time to live'),
    ('queued',    'too_old_unclear', 'uncertain', 'older than its time to live, and an earlier call may have done it'),
    ('queued',    'room_gone',       'failed',    'the room is gone'),
    ('queued',    'room_gone_unclear', 'uncertain', 'the room is gone, and an earlier call may have done it'),
    ('queued',    'cancel',          'cancelled', 'cancelled by a person'),
    ('queued',    'cancel_unclear',  'uncertain', 'cancelled by a person, and an earlier call may have done it'),

    ('sending',   'accepted',        'done',      'the platform took it'),
    ('sending',   'unconfirmed',     'waiting',   'the platform took it and named no message'),
    ('sending',   'not_sent',        'queued',    'no connection: nothing left this machine'),
    ('sending',   'busy',            'queued',    'refused for now'),
    ('sending',   'dropped',         'queued',    'accepted but not delivered (MsgDropReason)'),
    ('sending',   'stopped',         'queued',    'the breaker of the application is open'),
    ('sending',   'renewed',         'queued',    'the signature had expired'),
    ('sending',   'repeat',          'queued',    'no answer: doing it twice does no harm'),
    ('sending',   'no_answer',       'waiting',   'no answer: it may have been done'),
    ('sending',   'lapsed',          'waiting',   'the instance that sent it is gone: it may have been done'),
    ('sending',   'lapsed_harmless', 'queued',    'the instance that sent it is gone: doing it twice does no harm'),
    ('sending',   'refused',         'failed',    'refused by the platform'),
    ('sending',   'exhausted',       'failed',    'refused as often as it may be tried'),
    ('sending',   'impossible',      'failed',    'cannot be sent as it is'),

    ('waiting',   'accepted',        'done',      'the platform took it'),
    ('waiting',   'unconfirmed',     'waiting',   'the platform took it and named no message'),
    ('waiting',   'not_sent',        'queued',    'no connection: nothing left this machine'),
    ('waiting',   'busy',            'queued',    'refused for now'),
    ('waiting',   'dropped',         'queued',    'accepted but not delivered (MsgDropReason)'),
    ('waiting',   'stopped',         'queued',    'the breaker of the application is open'),
    ('waiting',   'renewed',         'queued',    'the signature had expired'),
    ('waiting',   'no_answer',       'waiting',   'no answer: it may have been done'),
    ('waiting',   'refused',         'failed',    'refused by the platform'),
    ('waiting',   'exhausted',       'failed',    'refused as often as it may be tried'),
    ('waiting',   'impossible',      'failed',    'cannot be sent as it is'),
    ('waiting',   'seen',            'done',      'its After webhook came'),
    ('waiting',   'seen_refused',    'failed',    'our own rules refused it'),
    ('waiting',   'seen_nothing',    'uncertain', 'no After webhook came in time'),
    ('waiting',   'seen_nothing_retry',  'queued', 'no After webhook came in time: sent again as configured'),
    ('waiting',   'seen_nothing_taken',  'done',   'the platform took it; no After webhook came'),

    ('uncertain', 'seen',            'done',      'its After webhook came late'),
    ('uncertain', 'seen_refused',    'failed',    'our own rules refused it'),
    ('uncertain', 'settle_done',     'done',      'a person says it was delivered'),
    ('uncertain', 'settle_again',    'queued',    'a person wants it sent again'),
    ('uncertain', 'cancel',          'cancelled', 'cancelled by a person');

-- The rows -----------------------------------------------------------------------------------------------------------

CREATE TABLE chatsluice.outbox (
    room_id       text        NOT NULL,
    outbox_id     uuid        NOT NULL, -- of a rule's follow-up a digest of event and action: the same cause never asks twice
    sdkappid      bigint      NOT NULL,
    action        text        NOT NULL CHECK (action IN ('send_text', 'mute', 'unmute', 'ban', 'unban', 'recall')),
    account       text        NOT NULL, -- shown sender of a text; member of a mute or ban; '' of a recall
    text          text,                 -- send_text
    custom_data   text,                 -- send_text: the sender's own CloudCustomData, as it is to be shown; null: none
    seconds       bigint CHECK (seconds >= 0), -- mute, ban
    msg_seq       bigint,               -- recall
    note          text,                 -- of the API call where it takes one: ban, recall
    cause         text        NOT NULL CHECK (cause IN ('rule', 'person', 'command')),
    asked_by      text        NOT NULL, -- the rule, or who
    event_id      uuid,                 -- the original message, in the same room
    event_time    timestamptz,
    asked_at      timestamptz NOT NULL, -- when the cause was: the webhook's receipt, or the person's decision
    created_at    timestamptz NOT NULL DEFAULT now(),
    state         text        NOT NULL,
    reason        text        NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT now(),
    due_at        timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    attempts      integer     NOT NULL DEFAULT 0, -- claims; never goes back, for it tells a late answer from the last one
    uncounted     integer     NOT NULL DEFAULT 0, -- those of them that were no try: nothing was sent, or the application was refused
    in_doubt      boolean     NOT NULL DEFAULT false, -- an earlier call without a clear answer may have done it
    sending_by    text,                 -- the instance of the last attempt
    sending_until timestamptz,          -- sending: when its lease runs out
    wait_until    timestamptz,          -- waiting: when waiting ends
    first_sent_at timestamptz,
    sent_at       timestamptz,
    answered_at   timestamptz,
    transport     text,                 -- of a send_text, of the first attempt: a retry never changes it
    random        bigint      NOT NULL, -- of send_group_msg: the same at every attempt
    http_status   integer,              -- of the last answer, as the rest
    error_code    bigint,
    error_info    text,
    request_id    text,
    drop_reason   text,
    sent_msg_seq  bigint,               -- what the platform called the message
    sent_msg_time timestamptz,
    delivered_event_id uuid,            -- its own After webhook, once loaded
    delivered_event_time timestamptz,
    delivered_at  timestamptz,          -- the answer's time, else the webhook's
    PRIMARY KEY (room_id, outbox_id)
) WITH (fillfactor = 70);
CREATE INDEX outbox_queued ON chatsluice.outbox (sdkappid, action, due_at) WHERE state = 'queued';
CREATE INDEX outbox_queued_room ON chatsluice.outbox (room_id) WHERE state = 'queued';
CREATE INDEX outbox_expiring ON chatsluice.outbox (expires_at) WHERE state IN ('queued', 'held');
CREATE INDEX outbox_held ON chatsluice.outbox (expires_at) WHERE state = 'held';
CREATE INDEX outbox_unsettled ON chatsluice.outbox (room_id)
    WHERE state IN ('waiting', 'uncertain', 'queued') AND attempts > 0;
CREATE INDEX outbox_sending ON chatsluice.outbox (sending_until) WHERE state = 'sending';
CREATE INDEX outbox_waiting ON chatsluice.outbox (wait_until) WHERE state IN ('waiting', 'uncertain');
CREATE INDEX outbox_cause ON chatsluice.outbox (room_id, event_id);
CREATE INDEX outbox_named ON chatsluice.outbox (outbox_id); -- people and webhooks name a row without its room
CREATE INDEX outbox_unlinked ON chatsluice.outbox (delivered_at)
    WHERE state = 'done' AND action = 'send_text' AND delivered_event_id IS NULL;
CREATE INDEX outbox_asked ON chatsluice.outbox (room_id, asked_at DESC);
CREATE INDEX outbox_sent ON chatsluice.outbox (room_id, sent_at DESC) WHERE sent_at IS NOT NULL;

-- Webhooks that tell of our own messages, written by the loader beside the events: a Before or After with a true marker,
-- and every After of a REST call in a room where something was sent lately (the marker is taken off on the way, so most
-- After webhooks come without it and are known by room, sender and Random of their Before). Kept for an hour.
CREATE TABLE chatsluice.outbox_sighting (
    room_id    text        NOT NULL,
    event_id   uuid        NOT NULL,
    outbox_id  uuid,                 -- null: no marker
    command    text        NOT NULL CHECK (command IN ('before', 'after')),
    event_time timestamptz NOT NULL,
    account    text        NOT NULL,
    random     bigint,
    msg_id     text,
    msg_seq    bigint,
    verdict    text,                 -- of a Before
    seen_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, event_id)
);
CREATE INDEX outbox_sighting_marked ON chatsluice.outbox_sighting (room_id, outbox_id) WHERE outbox_id IS NOT NULL;
CREATE INDEX outbox_sighting_named ON chatsluice.outbox_sighting (room_id, account, random);
CREATE INDEX outbox_sighting_age ON chatsluice.outbox_sighting (seen_at);

-- Corrected messages a room got this minute.
CREATE TABLE chatsluice.room_budget (
    room_id text PRIMARY KEY,
    minute  timestamptz NOT NULL,
    sent    integer NOT NULL
);

-- The rate of a REST command over all instances. An instance may use its permits, each for one call in a second, until
-- its lease runs out; permits of one that died come free a second after that.
CREATE TABLE chatsluice.send_budget (
    sdkappid       bigint      NOT NULL,
    command        text        NOT NULL,
    calls_a_second integer     NOT NULL,
    slowed_at      timestamptz,
    raised_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sdkappid, command)
);
CREATE TABLE chatsluice.send_lease (
    sdkappid    bigint      NOT NULL,
    command     text        NOT NULL,
    instance_id text        NOT NULL,
    permits     integer     NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (sdkappid, command, instance_id)
);

-- Renews the lease of an instance that may at most be using `own` permits now. Returns how many it is to use from now on;
-- when that is less than own it says so in a later call, once the others have been quiet for a second.
CREATE FUNCTION chatsluice.lease_calls(app bigint, rest_command text, instance text, own integer, most integer,
                                       lease interval)
    RETURNS integer
    LANGUAGE plpgsql
AS $$
DECLARE
    rate integer;
    others integer;
    sharers integer;
    share integer;
    held integer;
BEGIN
    INSERT INTO chatsluice.send_budget (sdkappid, command, calls_a_second) VALUES (app, rest_command, most)
    ON CONFLICT DO NOTHING;
    SELECT calls_a_second INTO rate FROM chatsluice.send_budget
    WHERE sdkappid = app AND command = rest_command FOR UPDATE;
    -- After a slow-down the rate climbs back by a twentieth of the full one each second.
    IF rate <> most THEN
        UPDATE chatsluice.send_budget b
        SET calls_a_second = CASE WHEN rate > most THEN most ELSE least(most, rate + greatest(1, most / 20)) END,
            raised_at = now()
        WHERE b.sdkappid = app AND b.command = rest_command
          AND (rate > most OR (b.raised_at < now() - interval '1 second'
                               AND coalesce(b.slowed_at, '-infinity') < now() - interval '2 seconds'))
        RETURNING b.calls_a_second INTO rate;
        rate := coalesce(rate, (SELECT b.calls_a_second FROM chatsluice.send_budget b
                                WHERE b.sdkappid = app AND b.command = rest_command));
    END IF;
    DELETE FROM chatsluice.send_lease l
    WHERE l.sdkappid = app AND l.command = rest_command AND l.instance_id <> instance
      AND l.expires_at < clock_timestamp() - interval '1 second';
    SELECT coalesce(sum(l.permits), 0), 1 + count(*) FILTER (WHERE l.expires_at >= clock_timestamp())
    INTO others, sharers
    FROM chatsluice.send_lease l
    WHERE l.sdkappid = app AND l.command = rest_command AND l.instance_id <> instance;
    share := greatest(0, least(greatest(1, rate / sharers), rate - others));
    -- Permits of a lease that ran out may be another's by now: whoever comes back late holds none of them.
    SELECT coalesce(max(l.permits), 0) INTO held
    FROM chatsluice.send_lease l
    WHERE l.sdkappid = app AND l.command = rest_command AND l.instance_id = instance;
    INSERT INTO chatsluice.send_lease (sdkappid, command, instance_id, permits, expires_at)
    VALUES (app, rest_command, instance, greatest(least(own, held), share), clock_timestamp() + lease)
    ON CONFLICT (sdkappid, command, instance_id)
        DO UPDATE SET permits = excluded.permits, expires_at = excluded.expires_at;
    RETURN share;
END
$$;

-- The platform said that calls come too fast.
CREATE FUNCTION chatsluice.slow_calls(app bigint, rest_command text) RETURNS void
    LANGUAGE sql
AS $$
    UPDATE chatsluice.send_budget
    SET calls_a_second = least(calls_a_second, greatest(5, calls_a_second * 7 / 10)), slowed_at = now()
    WHERE sdkappid = app AND command = rest_command
      AND coalesce(slowed_at, '-infinity') < now() - interval '1 second'
$$;

-- Whether an action is to wait for another one. A mute for the correction of the same message: said first, it would have
-- the platform refuse the correction as one of a muted sender's; not for long, though, for meanwhile the sender goes on.
-- And what is done to a member or undone for what was asked before: repeated afterwards, that would be the last word.
CREATE FUNCTION chatsluice.outbox_out_of_turn(o chatsluice.outbox) RETURNS boolean
    LANGUAGE sql STABLE
AS $$
    SELECT (o.action = 'mute' AND o.created_at > now() - interval '10 seconds'
            AND EXISTS (SELECT FROM chatsluice.outbox c
                        WHERE c.room_id = o.room_id AND c.event_id = o.event_id AND c.action = 'send_text'
                          AND c.account = o.account AND c.state IN ('held', 'queued', 'sending')))
        OR EXISTS (SELECT FROM chatsluice.outbox c
                   WHERE c.state = 'queued' AND c.room_id = o.room_id AND c.account = o.account
                     AND c.sdkappid = o.sdkappid AND c.created_at < o.created_at
                     AND replace(c.action, 'un', '') = replace(o.action, 'un', ''))
        OR EXISTS (SELECT FROM chatsluice.outbox c
                   WHERE c.state = 'sending' AND c.room_id = o.room_id AND c.account = o.account
                     AND c.sdkappid = o.sdkappid AND c.created_at < o.created_at
                     AND replace(c.action, 'un', '') = replace(o.action, 'un', ''))
$$;

-- What there is to send now, of these applications: which actions, and of texts by which transport (null: not chosen yet).
CREATE FUNCTION chatsluice.outbox_due(apps bigint[])
    RETURNS TABLE (sdkappid bigint, action text, transport text)
    LANGUAGE sql
AS $$
    SELECT a.app, w.action, w.transport
    FROM unnest(apps) AS a (app),
         (VALUES ('send_text', NULL), ('send_text', 'send_text_msg'), ('send_text', 'send_group_msg'), ('mute', NULL),
                 ('unmute', NULL), ('ban', NULL), ('unban', NULL), ('recall', NULL)) AS w (action, transport)
    WHERE EXISTS (SELECT FROM chatsluice.outbox o
                  WHERE o.state = 'queued' AND o.sdkappid = a.app AND o.action = w.action AND o.due_at <= now()
                    AND o.expires_at > now() AND o.transport IS NOT DISTINCT FROM w.transport
                    AND (w.action IN ('send_text', 'recall') OR NOT chatsluice.outbox_out_of_turn(o)))
$$;

-- Takes up to `most` rows of one action that may be sent now, the longest due first, and marks them as being sent: from
-- here on each counts as possibly done until its outcome is known. A text goes by the transport of its first attempt;
-- those that have none yet are taken for `via` when `fresh`. A room's corrections of a minute are bounded by per_room.
CREATE FUNCTION chatsluice.outbox_claim(instance text, app bigint, wanted text, via text, fresh boolean, most integer,
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
    ), counted AS (
        SELECT f.room_id, f.outbox_id, row_number() OVER (PARTITION BY f.room_id ORDER BY f.due_at) AS place
        FROM free f
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

-- Rows an instance is said to be sending and is not, as it knows best, for it sends none: the answer to its claim was lost.
CREATE FUNCTION chatsluice.outbox_disown(instance text) RETURNS bigint
    LANGUAGE sql
AS $$
    WITH moved AS (
        UPDATE chatsluice.outbox o
        SET state = m.to_state, reason = m.reason, changed_at = now(), sending_until = NULL, due_at = now(),
            uncounted = o.uncounted + 1
        FROM chatsluice.outbox_move m
        WHERE o.state = 'sending' AND o.sending_by = instance
          AND m.from_state = o.state AND m.event = 'not_sent'
        RETURNING 1)
    SELECT count(*) FROM moved
$$;

-- What came of calls, as [{"room":..,"id":..,"attempt":n,"event":..,"reason":..?,"due_ms":n?,"wait_ms":n?,"http":n?,
-- "code":n?,"info":..?,"request":..?,"drop":..?,"seq":n?,"time_s":n?,"room_ms":n?,"room_gone":true?}]. attempt is the
-- fence: a row that has been claimed again since, or settled otherwise, stays as it is. room_ms and room_gone tell of the
-- room: its other texts wait so long, too, or what is queued for it fails with this one. Returns the number of rows that
-- moved.
CREATE FUNCTION chatsluice.outbox_answer(answers jsonb)
    RETURNS TABLE (room text, id uuid, attempt integer, event text, reason text, due_ms bigint, wait_ms bigint,
                   http integer, code bigint, info text, request text, drop text, seq bigint, time_s bigint,
                   room_ms bigint, room_gone boolean)
    LANGUAGE sql
    IMMUTABLE
AS $$
    SELECT *
    FROM jsonb_to_recordset(answers) AS a (room text, id uuid, attempt integer, event text, reason text, due_ms bigint,
                                           wait_ms bigint, http integer, code bigint, info text, request text,
                                           drop text, seq bigint, time_s bigint, room_ms bigint, room_gone boolean)
$$;

CREATE FUNCTION chatsluice.outbox_answered(answers jsonb) RETURNS bigint
    LANGUAGE sql
AS $$
    WITH moved AS (
        UPDATE chatsluice.outbox o
        SET state = m.to_state,
            reason = coalesce(a.reason, m.reason),
            changed_at = now(),
            answered_at = CASE WHEN a.code IS NOT NULL THEN clock_timestamp() ELSE o.answered_at END,
            due_at = clock_timestamp() + coalesce(a.due_ms, 0) * interval '1 millisecond',
            wait_until = CASE WHEN m.to_state = 'waiting'
                              THEN clock_timestamp() + coalesce(a.wait_ms, 0) * interval '1 millisecond' END,
            sending_until = NULL,
            uncounted = o.uncounted + (a.event IN ('not_sent', 'stopped', 'renewed'))::integer,
            in_doubt = o.in_doubt OR a.event IN ('repeat', 'no_answer'),
            http_status = a.http, error_code = a.code, error_info = a.info, request_id = a.request,
            drop_reason = nullif(a.drop, ''),
            sent_msg_seq = coalesce(nullif(a.seq, 0), o.sent_msg_seq),
            sent_msg_time = coalesce(to_timestamp(nullif(a.time_s, 0)), o.sent_msg_time),
            delivered_at = CASE WHEN m.to_state = 'done' THEN coalesce(o.delivered_at, clock_timestamp()) END
        FROM chatsluice.outbox_answer(answers) a, chatsluice.outbox_move m
        WHERE o.room_id = a.room AND o.outbox_id = a.id AND o.attempts = a.attempt AND o.state IN ('sending', 'waiting')
          AND m.from_state = o.state AND m.event = a.event
        RETURNING o.room_id, o.outbox_id, o.sdkappid, o.error_code, o.error_info, o.request_id, a.room_ms, a.room_gone
    ), delayed AS (
        UPDATE chatsluice.outbox o
        -- Spread, or they would all come back together.
        SET due_at = clock_timestamp() + r.room_ms * (0.5 + random()) * interval '1 millisecond'
        FROM (SELECT n.room_id, n.sdkappid, max(n.room_ms) AS room_ms FROM moved n
              GROUP BY 1, 2 HAVING max(n.room_ms) > 0 AND NOT coalesce(bool_or(n.room_gone), false)) r
        WHERE o.state = 'queued' AND o.room_id = r.room_id AND o.sdkappid = r.sdkappid AND o.action = 'send_text'
          AND o.due_at < clock_timestamp() + r.room_ms * interval '1 millisecond'
    ), orphaned AS (
        UPDATE chatsluice.outbox o
        SET state = m.to_state, reason = m.reason, changed_at = now(), error_code = r.error_code,
            error_info = r.error_info, request_id = r.request_id
        FROM (SELECT DISTINCT ON (n.room_id, n.sdkappid) n.* FROM moved n WHERE n.room_gone) r, chatsluice.outbox_move m
        WHERE o.state = 'queued' AND o.room_id = r.room_id AND o.sdkappid = r.sdkappid AND m.from_state = o.state
          AND m.event = CASE WHEN o.in_doubt AND o.action = 'send_text' THEN 'room_gone_unclear' ELSE 'room_gone' END
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM moved) + (SELECT count(*) FROM orphaned)
$$;

-- Ties a row that is done to its own After webhook. Returns whether it is tied now.
CREATE FUNCTION chatsluice.outbox_link(room text, id uuid) RETURNS boolean
    LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE chatsluice.outbox o
    SET delivered_event_id = a.event_id, delivered_event_time = a.event_time,
        sent_msg_seq = coalesce(o.sent_msg_seq, a.msg_seq)
    FROM chatsluice.outbox_sighting a
    WHERE o.room_id = room AND o.outbox_id = id AND o.state = 'done' AND o.delivered_event_id IS NULL
      AND a.room_id = room AND a.command = 'after'
      AND (a.outbox_id = id
           OR (a.outbox_id IS NULL
               AND EXISTS (SELECT FROM chatsluice.outbox_sighting b
                           WHERE b.room_id = room AND b.outbox_id = id AND b.command = 'before'
                             AND b.account = a.account AND b.random = a.random
                             AND (b.msg_id = a.msg_id OR b.msg_id IS NULL OR a.msg_id IS NULL))));
    RETURN FOUND;
END
$$;

-- Looks after rows nobody is calling for: leases that ran out, what webhooks have shown, waits that are over, originals
-- recalled, time to live. Called by every sender each second; safe beside others. Returns the number of rows moved.
CREATE FUNCTION chatsluice.outbox_sweep(wait interval, retry_unconfirmed boolean, most_attempts integer)
    RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    moved bigint := 0;
    n bigint;
BEGIN
    -- Leases that ran out: the sender is dead or cut off. send_group_msg tells repetitions by Random for five minutes.
    UPDATE chatsluice.outbox o
    SET state = m.to_state, reason = m.reason, changed_at = now(), sending_until = NULL, due_at = now(),
        in_doubt = true, wait_until = CASE WHEN m.to_state = 'waiting' THEN now() + wait END
    FROM chatsluice.outbox_move m
    WHERE o.state = 'sending' AND o.sending_until < now() AND m.from_state = o.state
      AND m.event = CASE WHEN o.action <> 'send_text'
                           OR (o.transport = 'send_group_msg' AND o.first_sent_at > now() - interval '4 minutes')
                         THEN 'lapsed_harmless' ELSE 'lapsed' END;
    GET DIAGNOSTICS n = ROW_COUNT;
    moved := moved + n;

    -- Delivered, says an After webhook: by its marker, or as the companion of a Before with the marker.
    UPDATE chatsluice.outbox o
    SET state = m.to_state, reason = m.reason, changed_at = now(), wait_until = NULL, sending_until = NULL,
        delivered_event_id = a.event_id, delivered_event_time = a.event_time,
        delivered_at = greatest(a.event_time, o.sent_at), -- MsgTime is in whole seconds
        sent_msg_seq = coalesce(a.msg_seq, o.sent_msg_seq)
    FROM chatsluice.outbox_sighting a, chatsluice.outbox_move m
    WHERE o.state IN ('waiting', 'uncertain', 'queued') AND o.action = 'send_text' AND o.attempts > 0
      AND a.room_id = o.room_id AND a.command = 'after'
      AND (a.outbox_id = o.outbox_id
           OR (a.outbox_id IS NULL AND a.account = o.account
               AND EXISTS (SELECT FROM chatsluice.outbox_sighting b
                           WHERE b.room_id = o.room_id AND b.outbox_id = o.outbox_id AND b.command = 'before'
                             AND b.account = a.account AND b.random = a.random
                             AND (b.msg_id = a.msg_id OR b.msg_id IS NULL OR a.msg_id IS NULL))))
      AND m.from_state = o.state AND m.event = 'seen';
    GET DIAGNOSTICS n = ROW_COUNT;
    moved := moved + n;

    -- Refused by our own answer to its Before webhook (its marker came too late to be accepted).
    UPDATE chatsluice.outbox o
    SET state = m.to_state, reason = m.reason, changed_at = now(), wait_until = NULL
    FROM chatsluice.outbox_move m
    WHERE o.state IN ('waiting', 'uncertain') AND o.action = 'send_text' AND m.from_state = o.state
      AND m.event = 'seen_refused'
      AND EXISTS (SELECT FROM chatsluice.outbox_sighting b
                  WHERE b.room_id = o.room_id AND b.outbox_id = o.outbox_id AND b.command = 'before'
                    AND b.verdict IN ('reject', 'discard'))
      AND NOT EXISTS (SELECT FROM chatsluice.outbox_sighting b
                      WHERE b.room_id = o.room_id AND b.outbox_id = o.outbox_id AND b.command = 'before'
                        AND b.verdict NOT IN ('reject', 'discard'));
    GET DIAGNOSTICS n = ROW_COUNT;
    moved := moved + n;

    -- Waited long enough. Sent again only when configured, and only while no webhook at all has shown the call.
    UPDATE chatsluice.outbox o
    SET state = m.to_state, reason = m.reason, changed_at = now(), wait_until = NULL, due_at = now(),
        first_sent_at = CASE WHEN m.to_state = 'queued' THEN NULL ELSE o.first_sent_at END,
        delivered_at = CASE WHEN m.to_state = 'done' THEN o.answered_at ELSE o.delivered_at END
    FROM chatsluice.outbox_move m
    WHERE o.state = 'waiting' AND o.wait_until < now() AND m.from_state = o.state
      AND m.event = CASE WHEN o.error_code = 0 AND o.drop_reason IS NULL
                         -- Taken, but not by us: an instance with another key did not know our marker.
                         THEN CASE WHEN EXISTS (SELECT FROM chatsluice.event e
                                                WHERE e.group_id = o.room_id
                                                  AND e.event_time > o.sent_at - interval '1 minute'
                                                  AND e.command = 'before' AND e.marker = 'forged'
                                                  AND e.verdict IN ('reject', 'discard')
                                                  AND e.from_account = o.account AND e.text = o.text
                                                  AND chatsluice.may_be_rest(e.platform))
                                   THEN 'seen_refused' ELSE 'seen_nothing_taken' END
                         WHEN retry_unconfirmed AND o.attempts - o.uncounted < most_attempts AND o.expires_at > now()
                              AND NOT EXISTS (SELECT FROM chatsluice.outbox_sighting s
                                              WHERE s.room_id = o.room_id AND s.outbox_id = o.outbox_id)
                         THEN 'seen_nothing_retry' ELSE 'seen_nothing' END;
    GET DIAGNOSTICS n = ROW_COUNT;
    moved := moved + n;

    -- What waits for the recall of its original: our own recall of that message, or anybody's.
    UPDATE chatsluice.outbox o
    SET state = m.to_state, reason = m.reason, changed_at = now(), due_at = now()
    FROM chatsluice.outbox_move m
    WHERE o.state = 'held' AND o.expires_at > now() AND m.from_state = o.state
      AND m.event = CASE
          WHEN EXISTS (SELECT FROM chatsluice.outbox r
                       WHERE r.room_id = o.room_id AND r.msg_seq = o.msg_seq AND r.action = 'recall'
                         AND r.state = 'done')
            OR EXISTS (SELECT FROM chatsluice.event e
                       WHERE e.group_id = o.room_id AND e.event_time >= o.event_time AND e.command = 'recall'
                         AND o.msg_seq = ANY (e.recalled_seqs)) THEN 'recalled'
          WHEN EXISTS (SELECT FROM chatsluice.outbox r
                       WHERE r.room_id = o.room_id AND r.msg_seq = o.msg_seq AND r.action = 'recall'
                         AND r.state IN ('failed', 'expired', 'cancelled'))
           AND NOT EXISTS (SELECT FROM chatsluice.outbox r
                           WHERE r.room_id = o.room_id AND r.msg_seq = o.msg_seq AND r.action = 'recall'
                             AND r.state NOT IN ('failed', 'expired', 'cancelled')) THEN 'recall_failed'
      END;
    GET DIAGNOSTICS n = ROW_COUNT;
    moved := moved + n;

    UPDATE chatsluice.outbox o
    SET state = m.to_state, reason = m.reason, changed_at = now()
    FROM chatsluice.outbox_move m
    WHERE o.state IN ('queued', 'held') AND o.expires_at <= now() AND m.from_state = o.state
      AND m.event = CASE WHEN o.state = 'queued' AND o.in_doubt AND o.action = 'send_text' THEN 'too_old_unclear'
                         ELSE 'too_old' END;
    GET DIAGNOSTICS n = ROW_COUNT;
    moved := moved + n;

    -- Its After webhook was loaded before the answer was written down.
    PERFORM chatsluice.outbox_link(o.room_id, o.outbox_id)
    FROM chatsluice.outbox o
    WHERE o.state = 'done' AND o.action = 'send_text' AND o.delivered_event_id IS NULL
      AND o.delivered_at > now() - interval '5 seconds' AND o.transport IS DISTINCT FROM 'send_group_msg';

    DELETE FROM chatsluice.outbox_sighting WHERE seen_at < now() - interval '1 hour';
    DELETE FROM chatsluice.room_budget WHERE minute < now() - interval '1 hour';
    RETURN moved;
END
$$;

-- Webhooks of one batch that may tell of our own messages, as the members of outbox_sighting; one without a marker is kept
-- only where something of that sender's was sent within the hour. Called in the transaction that stores the events.
CREATE FUNCTION chatsluice.outbox_sighted(sightings jsonb) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO chatsluice.outbox_sighting (room_id, event_id, outbox_id, command, event_time, account, random, msg_id,
                                            msg_seq, verdict)
    SELECT s.room_id, s.event_id, s.outbox_id, s.command, s.event_time, s.account, s.random, s.msg_id, s.msg_seq,
           s.verdict
    FROM jsonb_to_recordset(sightings) AS s (room_id text, event_id uuid, outbox_id uuid, command text,
                                             event_time timestamptz, account text, random bigint, msg_id text,
                                             msg_seq bigint, verdict text)
    WHERE s.outbox_id IS NOT NULL
       OR EXISTS (SELECT FROM chatsluice.outbox o
                  WHERE o.room_id = s.room_id AND o.sent_at > now() - interval '1 hour' AND o.account = s.account
                    AND o.action = 'send_text')
    ON CONFLICT (room_id, event_id) DO NOTHING;

    PERFORM chatsluice.outbox_link(s.room_id, b.outbox_id)
    FROM jsonb_to_recordset(sightings) AS s (room_id text, outbox_id uuid, command text, account text, random bigint)
    CROSS JOIN LATERAL (SELECT s.outbox_id WHERE s.outbox_id IS NOT NULL
                        UNION
                        SELECT m.outbox_id
                        FROM chatsluice.outbox_sighting m
                        WHERE m.room_id = s.room_id AND m.account = s.account AND m.random = s.random
                          AND m.command = 'before' AND m.outbox_id IS NOT NULL) b;
END
$$;

-- Follow-ups of rules ------------------------------------------------------------------------------------------------

-- An id that is the digest of its cause, as the service makes them (RFC 9562, version 8).
CREATE FUNCTION chatsluice.outbox_digest(cause text) RETURNS uuid
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT overlay(overlay(substr(encode(sha256(convert_to(cause, 'UTF8')), 'hex'), 1, 32) PLACING '8' FROM 13)
                   PLACING '8' FROM 17)::uuid
$$;

-- An unsigned 32-bit number that belongs to an id: the Random of send_group_msg.
CREATE FUNCTION chatsluice.outbox_random(id uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT ('x' || substr(encode(sha256(uuid_send(id)), 'hex'), 1, 8))::bit(32)::bigint
$$;

-- Whether a message is made of TIMTextElem alone, the only kind that send_text_msg can say. raw is a body that the
-- service has read, so it is JSON; escapes PostgreSQL does not take are of no matter here.
CREATE FUNCTION chatsluice.is_text_alone(raw bytea) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    RETURN (SELECT count(*) > 0 AND bool_and(coalesce(e.value ->> 'MsgType' = 'TIMTextElem', false))
            FROM json_array_elements(regexp_replace(convert_from(raw, 'UTF8'), '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})',
                                                    '\\uFFFD', 'g')::json -> 'MsgBody') e);
EXCEPTION
    WHEN data_exception OR program_limit_exceeded THEN RETURN false;
END
$$;

-- Bytes of a correction with its marker at most, unless CloudCustomData is no JSON object and full of quotes: the sender,
-- who makes ExtensionInfo, looks again.
CREATE FUNCTION chatsluice.outbox_bytes(text text, custom_data text) RETURNS integer
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT octet_length(text) + coalesce(octet_length(custom_data), 0) + 256
$$;

-- As marker_may_be_rest() of the service: what names no platform is given the benefit of the doubt.
CREATE FUNCTION chatsluice.may_be_rest(platform text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT upper(coalesce(platform, '')) IN ('', 'RESTAPI', 'UNKNOWN', 'UNKOWN')
$$;

-- Why a follow-up cannot be carried out, in words; null when it can.
CREATE FUNCTION chatsluice.outbox_obstacle(e chatsluice.event, act text, rest_apps bigint[]) RETURNS text
    LANGUAGE plpgsql STABLE
AS $$
DECLARE
    said constant text := coalesce(e.rewritten, e.text);
    custom constant text := coalesce(e.rewritten_custom_data, e.cloud_custom_data);
BEGIN
    RETURN CASE
        WHEN e.sdkappid <> ALL (rest_apps) THEN 'no REST access is configured for this application'
        WHEN e.group_id = '' THEN 'its webhook names no room'
        WHEN act <> 'recall' AND coalesce(e.from_account, '') = '' THEN 'its webhook names no sender'
        WHEN act <> 'mute' AND e.command = 'after' AND coalesce(e.msg_seq, 0) <= 0
            THEN 'its webhook names no message that could be recalled'
        -- The backstop against loops. A marker is taken off on the way, so the After webhook of our own message comes
        -- without it: what may have come through the REST API with the words of a correction of these minutes is
        -- that correction.
        WHEN chatsluice.may_be_rest(e.platform)
             AND EXISTS (SELECT FROM chatsluice.outbox o
                         WHERE o.room_id = e.group_id AND o.sent_at > e.received_at - interval '10 minutes'
                           AND o.action = 'send_text' AND o.account = e.from_account AND o.text = e.text)
            THEN 'an echo of a correction'
        WHEN act <> 'send_text' THEN NULL
        WHEN e.rewritten IS NULL AND e.rewritten_custom_data IS NULL THEN 'there is no corrected text'
        WHEN NOT chatsluice.is_text_alone(e.raw) THEN 'the message is not made of text elements alone'
        WHEN coalesce(said, '') = '' THEN 'nothing is left of the text'
        WHEN said = e.text AND custom IS NOT DISTINCT FROM e.cloud_custom_data THEN 'the corrected text is the original'
        WHEN chatsluice.outbox_bytes(said, custom) > 12288 THEN 'the corrected message is longer than 12 KB'
    END;
END
$$;

-- Seconds of "mute 10m"; at most what the platform takes.
CREATE FUNCTION chatsluice.outbox_seconds(follow_up text) RETURNS bigint
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT least(4294967295, substring(follow_up FROM '[0-9]+')::bigint
                             * CASE right(follow_up, 1) WHEN 's' THEN 1 WHEN 'm' THEN 60 WHEN 'h' THEN 3600
                                                        WHEN 'd' THEN 86400 END)
$$;

-- Writes what the follow-ups of one event come to. Returns the number of rows that are new.
CREATE FUNCTION chatsluice.outbox_follow(e chatsluice.event, rest_apps bigint[], time_to_live interval) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    follow_up text;
    act text;
    id uuid;
    obstacle text;
    written bigint := 0;
    n bigint;
BEGIN
    FOR follow_up IN SELECT f.value FROM jsonb_array_elements_text(e.follow_ups) f LOOP
        act := CASE WHEN follow_up = 'resend' THEN 'send_text'
                    WHEN follow_up = 'recall' THEN 'recall'
                    WHEN follow_up ~ '^mute [0-9]{1,8}[smhd]$' THEN 'mute' END;
        -- Before delivery there is nothing to recall, and what was let through needs no correction.
        CONTINUE WHEN act IS NULL OR (e.command = 'before' AND act = 'recall')
            OR (e.command = 'before' AND act = 'send_text' AND coalesce(e.verdict, '') NOT IN ('reject', 'discard'));
        id := chatsluice.outbox_digest(e.event_id || ' ' || act);
        obstacle := chatsluice.outbox_obstacle(e, act, rest_apps);
        INSERT INTO chatsluice.outbox (room_id, outbox_id, sdkappid, action, account, text, custom_data, seconds, msg_seq,
                                       cause, asked_by, event_id, event_time, asked_at, state, reason, expires_at, random)
        VALUES (e.group_id, id, e.sdkappid, act, CASE WHEN act = 'recall' THEN '' ELSE coalesce(e.from_account, '') END,
                CASE WHEN act = 'send_text' THEN coalesce(e.rewritten, e.text) END,
                CASE WHEN act = 'send_text' THEN coalesce(e.rewritten_custom_data, e.cloud_custom_data) END,
                CASE WHEN act = 'mute' THEN chatsluice.outbox_seconds(follow_up) END,
                CASE WHEN e.command = 'after' AND act <> 'mute' THEN e.msg_seq END,
                'rule', coalesce(e.rule, ''), e.event_id, e.event_time, e.received_at,
                CASE WHEN obstacle IS NOT NULL THEN 'cancelled'
                     WHEN act = 'send_text' AND e.command = 'after' THEN 'held'
                     ELSE 'queued' END,
                coalesce(obstacle, 'a rule asks for it'), e.received_at + time_to_live, chatsluice.outbox_random(id))
        ON CONFLICT (room_id, outbox_id) DO NOTHING;
        GET DIAGNOSTICS n = ROW_COUNT;
        written := written + n;
    END LOOP;
    RETURN written;
END
$$;

-- What the events of one batch ask for and tell: items is [{"room":..,"time_us":n,"seq":n,"marked":b}], each an event that
-- has follow-ups or may tell of a message of our own; marked is false of one that is only from the REST API. Called in the
-- transaction that stores them, with the spool they come from: an event is the row that this record of the spool became,
-- so a repeated delivery, which became none, asks for nothing. Returns the number of rows written.
CREATE FUNCTION chatsluice.outbox_enqueue(spool uuid, items jsonb, rest_apps bigint[], time_to_live interval)
    RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    item record;
    e chatsluice.event;
    sightings jsonb := '[]';
    written bigint := 0;
BEGIN
    -- Row by row: the plan is then always the primary key's, whatever the statistics of a partition made just now say.
    FOR item IN SELECT * FROM jsonb_to_recordset(items) AS i (room text, time_us bigint, seq bigint, marked boolean) LOOP
        CONTINUE WHEN NOT item.marked
            AND NOT EXISTS (SELECT FROM chatsluice.outbox o
                            WHERE o.room_id = item.room AND o.sent_at > now() - interval '1 hour');
        SELECT * INTO e
        FROM chatsluice.event v
        WHERE v.group_id = item.room AND v.spool_id = spool AND v.spool_seq = item.seq
          AND v.event_time = timestamptz '1970-01-01 00:00:00+00' + item.time_us * interval '1 microsecond';
        CONTINUE WHEN NOT FOUND;
        -- Never anything in answer to a message of our own, or to one that bears its marker.
        IF e.follow_ups IS NOT NULL AND e.correction_id IS NULL THEN
            written := written + chatsluice.outbox_follow(e, rest_apps, time_to_live);
        END IF;
        -- A client that shows a marker has it from a message that was delivered: that tells nothing new.
        IF e.command IN ('before', 'after') AND coalesce(e.marker, '') <> 'copied' AND e.from_account IS NOT NULL
           AND (e.correction_id IS NOT NULL OR (e.command = 'after' AND chatsluice.may_be_rest(e.platform))) THEN
            sightings := sightings || jsonb_build_object(
                'room_id', e.group_id, 'event_id', e.event_id, 'outbox_id', e.correction_id, 'command', e.command,
                'event_time', e.event_time, 'account', e.from_account, 'random', e.random, 'msg_id', e.msg_id,
                'msg_seq', e.msg_seq, 'verdict', e.verdict);
        END IF;
    END LOOP;
    IF sightings <> '[]' THEN
        PERFORM chatsluice.outbox_sighted(sightings);
    END IF;
    RETURN written + jsonb_array_length(sightings);
END
$$;
