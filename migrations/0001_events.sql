-- Events: what the loader writes and moderators read. Schema chatsluice holds the service's own tables; schema
-- moderation is the contract with people and their tools.
--
-- The same file must work on Citus: group_id, the distribution key, stands in the primary key of the event table; there is
-- no trigger, sequence or advisory lock where events are written; ids are made by the service.

CREATE SCHEMA moderation;

-- One row is one webhook as received.
--
-- The primary key is the only index, because each further one costs more than any choice of loading method. It does two
-- things: it finds the events of a room in a stretch of time, and it lets a repeated After delivery collide with its
-- twin. event_id is a digest made by the service: of the message's identity for an After webhook, of the place in the
-- spool for every other, so that nothing but a repeated After delivery ever collides.
CREATE TABLE chatsluice.event (
    event_time             timestamptz NOT NULL, -- the platform's time of the event; the time of receipt when that is absurd
    received_at            timestamptz NOT NULL,
    sdkappid               bigint      NOT NULL,
    spool_seq              bigint      NOT NULL,
    event_id               uuid        NOT NULL,
    spool_id               uuid        NOT NULL,
    group_id               text        NOT NULL, -- '' for an event without a group
    command                text        NOT NULL CHECK (command IN ('before', 'after', 'exception', 'recall', 'other')),
    command_word           text,                 -- CallbackCommand of the body; null when the body could not be read
    group_type             text,
    topic_id               text,
    from_account           text,
    operator_account       text,
    msg_id                 text,
    random                 bigint,
    msg_seq                bigint,
    msg_time               timestamptz,
    client_ip              text,                 -- text: the form of an IPv6 address is not documented
    platform               text,
    request_id             text,
    text                   text,                 -- all a moderator must see; rules' byte offsets count in it
    cloud_custom_data      text,
    cloud_custom_data_json jsonb,                -- the same when it is JSON that PostgreSQL takes
    verdict                text CHECK (verdict IN ('allow', 'flag', 'mask', 'replace', 'reject', 'discard')),
    decided_by             text CHECK (decided_by IN ('rule', 'default', 'deadline', 'overload')),
    rule                   text,
    error_code             integer,              -- as answered to the platform
    hits                   jsonb,
    rewritten              text,
    rule_revision          bigint,
    judge_us               bigint,               -- from the head of the request to the verdict
    follow_ups             jsonb,
    fault                  text,                 -- why the body could not be read
    exception_code         bigint,               -- of Group.CallbackSendMsgException
    exception_info         text,
    recalled_seqs          bigint[],             -- of Group.CallbackAfterRecallMsg
    duplicate_keys         boolean     NOT NULL, -- some object of the body had a key twice
    raw                    bytea       NOT NULL, -- the body, byte for byte
    PRIMARY KEY (group_id, event_time, event_id)
) PARTITION BY RANGE (event_time);

-- Takes what has no partition of its own, so that an odd time never stops the loading.
CREATE TABLE chatsluice.event_default PARTITION OF chatsluice.event DEFAULT;

-- Makes the partitions (days in UTC) of from_day to to_day that are missing and says what came of each of those:
-- 'made'; 'busy' when a lock was not to be had in two seconds, which another call may have; 'occupied' when rows of that day
-- are already in the default partition, where they then stay. Safe to call from several sessions at once.
--
-- A partition is made beside the table and then attached: that takes a lock which neither reading nor loading minds,
-- save for the default partition, which is looked through for rows of the new day.
CREATE FUNCTION chatsluice.ensure_partitions(from_day date, to_day date)
    RETURNS TABLE (day date, outcome text)
    LANGUAGE plpgsql
    SET lock_timeout = '2s'
AS $$
DECLARE
    partition_name text;
BEGIN
    FOR i IN 0 .. to_day - from_day LOOP
        day := from_day + i;
        partition_name := 'event_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('chatsluice.' || partition_name) IS NOT NULL;
        BEGIN
            LOCK TABLE ONLY chatsluice.event IN SHARE UPDATE EXCLUSIVE MODE;
            CONTINUE WHEN to_regclass('chatsluice.' || partition_name) IS NOT NULL; -- another session made it meanwhile
            EXECUTE format('CREATE TABLE chatsluice.%I (LIKE chatsluice.event INCLUDING ALL)', partition_name);
            EXECUTE format('ALTER TABLE chatsluice.event ATTACH PARTITION chatsluice.%I FOR VALUES FROM (%L) TO (%L)',
                           partition_name, to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00',
                           to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
            outcome := 'made';
        EXCEPTION
            WHEN check_violation THEN outcome := 'occupied';
            WHEN lock_not_available OR deadlock_detected THEN outcome := 'busy';
        END;
        RETURN NEXT;
    END LOOP;
END
$$;

-- How far each spool is loaded: moved by compare-and-set in the transaction that inserts the rows.
CREATE TABLE chatsluice.spool_position (
    spool_id   uuid        PRIMARY KEY,
    seq        bigint      NOT NULL CHECK (seq >= 0), -- all records up to this one are in the database
    owner      text        NOT NULL,                  -- the instance that moved it last
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50); -- updated once a batch: room for the new version on the same page

-- Records that could not become an event, parked in the transaction of their batch.
CREATE TABLE chatsluice.dead_letter (
    dead_letter_id uuid        PRIMARY KEY, -- made by the service from place and content
    spool_id       uuid        NOT NULL,
    spool_seq      bigint      NOT NULL,
    record         bytea       NOT NULL,    -- as it was in the spool
    sqlstate       text,                    -- null: the service itself could not read it
    error          text        NOT NULL,
    parked_at      timestamptz NOT NULL DEFAULT now()
);

-- One row a message: the Before webhook joined with the After webhook that shows its delivery.
--
-- They belong together when application, group, sender and Random are equal, MsgId too when both have it, and their times
-- are near. An After webhook belongs to the last such Before: a client that tries again sends the same Random again.
-- MsgTime is in whole seconds and may come from another clock than the Before's time of receipt: hence the five
-- seconds before it.
--
-- A condition on group_id holds for both sides of the join and uses the primary key. One on sent_at keeps to its days on the
-- side it comes from; the other side is found by group and range, row by row or, for many rows, by hashing.
CREATE VIEW moderation.message AS
SELECT b.group_id,
       b.event_time AS sent_at,
       b.sdkappid,
       b.group_type,
       b.topic_id,
       b.from_account,
       b.operator_account,
       coalesce(b.msg_id, a.msg_id) AS msg_id,
       b.random,
       a.msg_seq,
       a.event_time AS delivered_at,
       a.event_id IS NOT NULL AS delivered,
       CASE
           WHEN a.event_id IS NOT NULL AND b.verdict IN ('reject', 'discard') THEN 'delivered against the verdict'
           WHEN a.event_id IS NOT NULL THEN 'delivered'
           WHEN b.verdict IN ('reject', 'discard') THEN 'blocked'
           ELSE 'not confirmed'
       END AS outcome,
       b.verdict,
       b.decided_by,
       b.rule,
       b.error_code,
       b.hits,
       b.rule_revision,
       b.text,
       b.rewritten,
       a.text AS delivered_text,
       b.cloud_custom_data,
       a.cloud_custom_data AS delivered_cloud_custom_data,
       b.client_ip,
       b.platform,
       b.judge_us,
       b.event_id AS before_event_id,
       a.event_id AS after_event_id
FROM chatsluice.event b
LEFT JOIN chatsluice.event a
       ON a.command = 'after'
      AND a.group_id = b.group_id
      AND a.sdkappid = b.sdkappid
      AND a.from_account = b.from_account
      AND a.random = b.random
      AND (a.msg_id = b.msg_id OR a.msg_id IS NULL OR b.msg_id IS NULL)
      AND a.event_time BETWEEN b.event_time - interval '5 seconds' AND b.event_time + interval '1 minute'
      AND NOT EXISTS (SELECT
                      FROM chatsluice.event later
                      WHERE later.command = 'before'
                        AND later.group_id = b.group_id
                        AND later.sdkappid = b.sdkappid
                        AND later.from_account = b.from_account
                        AND later.random = b.random
                        AND (a.msg_id = later.msg_id OR a.msg_id IS NULL OR later.msg_id IS NULL)
                        AND later.event_time BETWEEN b.event_time AND a.event_time + interval '5 seconds'
                        AND (later.event_time, later.event_id) > (b.event_time, b.event_id))
WHERE b.command = 'before'
UNION ALL
-- Delivered without being asked about: the hook was bypassed or its webhook lost (`protocol.md` section 1).
SELECT a.group_id, a.event_time, a.sdkappid, a.group_type, a.topic_id, a.from_account, a.operator_account, a.msg_id,
       a.random, a.msg_seq, a.event_time, true, 'delivered unasked', NULL, NULL, NULL, NULL, a.hits, a.rule_revision,
       NULL, NULL, a.text, NULL, a.cloud_custom_data, a.client_ip, a.platform, NULL, NULL, a.event_id
FROM chatsluice.event a
WHERE a.command = 'after'
  AND NOT EXISTS (SELECT
                  FROM chatsluice.event b
                  WHERE b.command = 'before'
                    AND b.group_id = a.group_id
                    AND b.sdkappid = a.sdkappid
                    AND b.from_account = a.from_account
                    AND b.random = a.random
                    AND (a.msg_id = b.msg_id OR a.msg_id IS NULL OR b.msg_id IS NULL)
                    AND b.event_time BETWEEN a.event_time - interval '1 minute' AND a.event_time + interval '5 seconds');
