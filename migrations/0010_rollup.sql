-- Rollups: events counted by minute and hour, exactly once, and the summaries that stand on them.
--
-- Nothing of this happens where events are written. Behind the loader a pass (chatsluice.rollup_pass, called by one
-- serving instance at a time) takes the next stretch of a spool's records, up to what is loaded, adds them to the
-- buckets of their own minutes and hours, late or not, and moves its position, all in one transaction: exactly once.
--
-- Whether a message was delivered cannot be told from one event. What may have changed it marks room and hour in
-- rollup_dirty; chatsluice.rollup_settle works those out whole once they are quiet.
--
-- Hours and days are those of UTC.

-- Positions -----------------------------------------------------------------------------------------------------------

-- Each time the position of a spool went back: the spool was restored from an older copy, and numbers the database has
-- seen were given out again. Written by the loader together with the position.
CREATE TABLE chatsluice.spool_rewind (
    spool_id uuid        NOT NULL,
    number   bigint      NOT NULL, -- 1, 2, ... of this spool
    from_seq bigint      NOT NULL,
    to_seq   bigint      NOT NULL,
    owner    text        NOT NULL, -- the instance that did it
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (spool_id, number)
);

-- How far the rows of each spool are counted. Those up to `high` were counted once; after a rewind seq is below that:
-- numbers in between may now stand for other records too. There the hours they lie in are counted anew, whole.
CREATE TABLE chatsluice.rollup_position (
    spool_id    uuid        PRIMARY KEY,
    seq         bigint      NOT NULL DEFAULT 0,
    high        bigint      NOT NULL DEFAULT 0,
    rewinds     bigint      NOT NULL DEFAULT 0, -- the last spool_rewind.number that was taken into account
    received_at timestamptz NOT NULL DEFAULT '-infinity' -- of the last record counted
) WITH (fillfactor = 50);

-- The row lock of this one row is the right to count: passes that do not get it leave the work to whoever has it.
CREATE TABLE chatsluice.rollup_state (
    only_row     boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    caught_up_at timestamptz NOT NULL DEFAULT now(), -- what was loaded then is counted
    swept_at     timestamptz NOT NULL DEFAULT '-infinity', -- corrections carried out until then have marked their hours
    settled_at   timestamptz
) WITH (fillfactor = 50);
INSERT INTO chatsluice.rollup_state DEFAULT VALUES;

-- Buckets -------------------------------------------------------------------------------------------------------------
--
-- verdict and decided_by are '' where an event has none. Counts are no part of any index, so adding to a bucket
-- rewrites one row in its page (HOT); the fill factor leaves the room for it. They are integers: summing those up is quick.

CREATE TABLE chatsluice.rollup_minute (
    minute     timestamptz NOT NULL,
    sdkappid   bigint      NOT NULL,
    command    text        NOT NULL,
    verdict    text        NOT NULL,
    decided_by text        NOT NULL,
    events     integer     NOT NULL,
    PRIMARY KEY (minute, sdkappid, command, verdict, decided_by)
) WITH (fillfactor = 60);

CREATE TABLE chatsluice.rollup_hour (
    hour       timestamptz NOT NULL,
    sdkappid   bigint      NOT NULL,
    command    text        NOT NULL,
    verdict    text        NOT NULL,
    decided_by text        NOT NULL,
    events     integer     NOT NULL,
    PRIMARY KEY (hour, sdkappid, command, verdict, decided_by)
) WITH (fillfactor = 60);

-- judge_us by ranges that are 1/16 of a doubling wide (4.4 %): chatsluice.latency_bucket.
CREATE TABLE chatsluice.rollup_hour_latency (
    hour     timestamptz NOT NULL,
    sdkappid bigint      NOT NULL,
    command  text        NOT NULL,
    bucket   smallint    NOT NULL,
    events   integer     NOT NULL,
    longest  bigint      NOT NULL, -- in us
    PRIMARY KEY (hour, sdkappid, command, bucket)
) WITH (fillfactor = 60);

CREATE TABLE chatsluice.rollup_hour_room (
    hour        timestamptz NOT NULL,
    sdkappid    bigint      NOT NULL,
    room_id     text        NOT NULL,
    messages    integer     NOT NULL, -- Before webhooks but those of our own corrections
    allowed     integer     NOT NULL, -- of those
    flagged     integer     NOT NULL,
    masked      integer     NOT NULL,
    replaced    integer     NOT NULL,
    rejected    integer     NOT NULL,
    discarded   integer     NOT NULL,
    unjudged    integer     NOT NULL, -- of those, decided by deadline or overload
    corrections integer     NOT NULL, -- Before webhooks of our own corrections
    delivered   integer     NOT NULL, -- After webhooks
    exceptions  integer     NOT NULL,
    recalls     integer     NOT NULL,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (hour, sdkappid, room_id)
) WITH (fillfactor = 60);
CREATE INDEX rollup_hour_room_room ON chatsluice.rollup_hour_room (room_id, hour);

-- Only senders with something against them: a verdict other than allow, or a hit of a rule that only records. All
-- others, nearly everybody, are in rollup_day_sender alone.
CREATE TABLE chatsluice.rollup_hour_sender (
    hour      timestamptz NOT NULL,
    sdkappid  bigint      NOT NULL,
    room_id   text        NOT NULL,
    account   text        NOT NULL,
    flagged   integer     NOT NULL,
    masked    integer     NOT NULL,
    replaced  integer     NOT NULL,
    rejected  integer     NOT NULL,
    discarded integer     NOT NULL,
    shadowed  integer     NOT NULL, -- messages allowed that a rule in shadow mode hit
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    PRIMARY KEY (hour, sdkappid, room_id, account)
) WITH (fillfactor = 70);
CREATE INDEX rollup_hour_sender_account ON chatsluice.rollup_hour_sender (account, hour);

-- How much each sender says: one row a day, whatever the room.
CREATE TABLE chatsluice.rollup_day_sender (
    account  text        NOT NULL,
    sdkappid bigint      NOT NULL,
    day      date        NOT NULL,
    messages integer     NOT NULL,
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (account, sdkappid, day)
) WITH (fillfactor = 70);
CREATE INDEX rollup_day_sender_day ON chatsluice.rollup_day_sender (day);

-- Messages, not matches: one in which a rule hits three times counts once. A scorecard counts as a rule does.
CREATE TABLE chatsluice.rollup_hour_rule (
    hour     timestamptz NOT NULL,
    sdkappid bigint      NOT NULL,
    command  text        NOT NULL, -- before, after
    rule     text        NOT NULL,
    revision bigint      NOT NULL,
    hits     integer     NOT NULL, -- a hit of it counted
    acted    integer     NOT NULL, -- it decided the verdict
    shadow   integer     NOT NULL, -- it only recorded
    allowed  integer     NOT NULL, -- only hits that an allow rule covered
    first_at timestamptz NOT NULL, -- of these
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (hour, sdkappid, command, rule, revision)
) WITH (fillfactor = 60);

CREATE TABLE chatsluice.rollup_hour_term (
    hour     timestamptz NOT NULL,
    sdkappid bigint      NOT NULL,
    command  text        NOT NULL,
    list     text        NOT NULL,
    term     text        NOT NULL,
    hits     integer     NOT NULL,
    acted    integer     NOT NULL, -- the rule it counted for decided the verdict
    shadow   integer     NOT NULL,
    allowed  integer     NOT NULL,
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (hour, sdkappid, command, list, term)
) WITH (fillfactor = 70);

CREATE TABLE chatsluice.rollup_hour_delivery (
    hour     timestamptz NOT NULL,
    sdkappid bigint      NOT NULL,
    room_id  text        NOT NULL,
    outcome  text        NOT NULL,
    messages integer     NOT NULL,
    PRIMARY KEY (hour, room_id, sdkappid, outcome)
);

-- The same of all rooms together.
CREATE TABLE chatsluice.rollup_hour_outcome (
    hour     timestamptz NOT NULL,
    sdkappid bigint      NOT NULL,
    outcome  text        NOT NULL,
    messages bigint      NOT NULL,
    PRIMARY KEY (hour, sdkappid, outcome)
);

-- Room and hour whose deliveries are to be worked out (again).
CREATE TABLE chatsluice.rollup_dirty (
    hour      timestamptz NOT NULL,
    room_id   text        NOT NULL,
    since     timestamptz NOT NULL DEFAULT now(),
    marked_at timestamptz NOT NULL DEFAULT now(), -- last, to within 20 seconds
    PRIMARY KEY (hour, room_id)
) WITH (fillfactor = 50);

-- What people said about a message, and which rules and terms had hit it: kept equal to chatsluice.review and
-- chatsluice.annotation by chatsluice.rollup_opinions.
CREATE TABLE chatsluice.rollup_opinion (
    room_id    text        NOT NULL,
    event_time timestamptz NOT NULL,
    event_id   uuid        NOT NULL,
    sdkappid   bigint      NOT NULL,
    account    text        NOT NULL,
    reviewed   boolean     NOT NULL, -- decided on
    overturned boolean     NOT NULL,
    labelled   boolean     NOT NULL,
    benign     boolean     NOT NULL, -- by the newest label
    PRIMARY KEY (room_id, event_time, event_id)
);
CREATE TABLE chatsluice.rollup_opinion_hit (
    room_id    text        NOT NULL,
    event_time timestamptz NOT NULL,
    event_id   uuid        NOT NULL,
    rule       text        NOT NULL, -- '' of a term
    list       text        NOT NULL, -- '' of a rule
    term       text        NOT NULL, -- '' of a rule
    revision   bigint      NOT NULL,
    acted      boolean     NOT NULL,
    PRIMARY KEY (room_id, event_time, event_id, rule, list, term)
);

CREATE FUNCTION chatsluice.hour_of(at timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT date_bin('1 hour', at, timestamptz '1970-01-01 00:00:00+00') $$;

CREATE FUNCTION chatsluice.latency_bucket(us bigint) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT floor(16 * ln(greatest(us, 1)::double precision) / ln(2::double precision))::smallint $$;

-- The upper end of a range, in us.
CREATE FUNCTION chatsluice.latency_bound(bucket smallint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT ceil(2 ^ ((bucket + 1) / 16::double precision))::bigint $$;

-- Counting ------------------------------------------------------------------------------------------------------------

-- The rules and terms an event's hits name, each once; deciding: the rule that decided, or null.
CREATE FUNCTION chatsluice.hits_by_rule(hits jsonb, deciding text)
    RETURNS TABLE (rule text, counted boolean, shadow boolean, allowed boolean)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT n.rule, bool_or(n.state = 'counted'), bool_or(n.state = 'shadow'), bool_or(n.state = 'allowed')
    FROM (SELECT h ->> 'rule' AS rule, h ->> 'state' AS state
          FROM jsonb_array_elements(CASE WHEN jsonb_typeof(hits) = 'array' THEN hits ELSE '[]' END) h
          UNION ALL
          SELECT h ->> 'scorecard', h ->> 'state'
          FROM jsonb_array_elements(CASE WHEN jsonb_typeof(hits) = 'array' THEN hits ELSE '[]' END) h
          UNION ALL
          SELECT deciding, 'counted') n
    WHERE n.rule <> ''
    GROUP BY n.rule
    HAVING bool_or(n.state IN ('counted', 'shadow', 'allowed'))
$$;

CREATE FUNCTION chatsluice.hits_by_term(hits jsonb, deciding text)
    RETURNS TABLE (list text, term text, counted boolean, shadow boolean, allowed boolean, acted boolean)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT h ->> 'list', h ->> 'term', bool_or(h ->> 'state' = 'counted'), bool_or(h ->> 'state' = 'shadow'),
           bool_or(h ->> 'state' = 'allowed'),
           bool_or(h ->> 'state' = 'counted' AND deciding IN (h ->> 'rule', h ->> 'scorecard'))
    FROM jsonb_array_elements(CASE WHEN jsonb_typeof(hits) = 'array' THEN hits ELSE '[]' END) h
    WHERE h ->> 'list' <> '' AND h ->> 'term' IS NOT NULL AND h ->> 'state' IN ('counted', 'shadow', 'allowed')
    GROUP BY 1, 2
$$;

-- Adds the events that `which` (a condition on event e, with $1 to $5) selects to all buckets but those of deliveries,
-- whose room and hour it marks. Returns how many they were and the last receipt. One statement, one scan of the events.
CREATE FUNCTION chatsluice.rollup_add(which text, spool uuid, after_seq bigint, to_seq bigint, since timestamptz,
                                      until timestamptz, OUT events bigint, OUT received_at timestamptz)
    LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE 'WITH stretch AS MATERIALIZED (
        SELECT e.event_time, date_bin(''1 minute'', e.event_time, timestamptz ''1970-01-01 00:00:00+00'') AS minute,
               chatsluice.hour_of(e.event_time) AS hour, e.received_at, e.event_id, e.group_id, e.sdkappid, e.command,
               e.from_account, coalesce(e.verdict, '''') AS verdict, coalesce(e.decided_by, '''') AS decided_by, e.rule,
               CASE WHEN e.hits <> ''[]'' THEN e.hits END AS hits, e.rule_revision, e.judge_us
        FROM chatsluice.event e
        WHERE ' || which || $sql$
    ), minutes AS (
        SELECT s.hour, s.minute, s.sdkappid, s.command, s.verdict, s.decided_by, count(*) AS events
        FROM stretch s
        GROUP BY s.hour, s.minute, s.sdkappid, s.command, s.verdict, s.decided_by
    ), minute_rows AS (
        INSERT INTO chatsluice.rollup_minute AS r (minute, sdkappid, command, verdict, decided_by, events)
        SELECT m.minute, m.sdkappid, m.command, m.verdict, m.decided_by, m.events FROM minutes m
        ON CONFLICT (minute, sdkappid, command, verdict, decided_by) DO UPDATE SET events = r.events + excluded.events
    ), hour_rows AS (
        INSERT INTO chatsluice.rollup_hour AS r (hour, sdkappid, command, verdict, decided_by, events)
        SELECT m.hour, m.sdkappid, m.command, m.verdict, m.decided_by, sum(m.events) FROM minutes m GROUP BY 1, 2, 3, 4, 5
        ON CONFLICT (hour, sdkappid, command, verdict, decided_by) DO UPDATE SET events = r.events + excluded.events
    ), latency_rows AS (
        INSERT INTO chatsluice.rollup_hour_latency AS r (hour, sdkappid, command, bucket, events, longest)
        SELECT s.hour, s.sdkappid, s.command, chatsluice.latency_bucket(s.judge_us), count(*), max(s.judge_us)
        FROM stretch s
        WHERE s.command IN ('before', 'after') AND s.judge_us IS NOT NULL
        GROUP BY 1, 2, 3, 4
        ON CONFLICT (hour, sdkappid, command, bucket)
            DO UPDATE SET events = r.events + excluded.events, longest = greatest(r.longest, excluded.longest)
    ), room_counts AS (
        SELECT s.hour, s.sdkappid, s.group_id AS room_id,
               count(*) FILTER (WHERE said) AS messages,
               count(*) FILTER (WHERE said AND s.verdict = 'allow') AS allowed,
               count(*) FILTER (WHERE said AND s.verdict = 'flag') AS flagged,
               count(*) FILTER (WHERE said AND s.verdict = 'mask') AS masked,
               count(*) FILTER (WHERE said AND s.verdict = 'replace') AS replaced,
               count(*) FILTER (WHERE said AND s.verdict = 'reject') AS rejected,
               count(*) FILTER (WHERE said AND s.verdict = 'discard') AS discarded,
               count(*) FILTER (WHERE said AND s.decided_by IN ('deadline', 'overload')) AS unjudged,
               count(*) FILTER (WHERE s.command = 'before' AND NOT said) AS corrections,
               count(*) FILTER (WHERE s.command = 'after') AS delivered,
               count(*) FILTER (WHERE s.command = 'exception') AS exceptions,
               count(*) FILTER (WHERE s.command = 'recall') AS recalls,
               min(s.event_time) AS first_at, max(s.event_time) AS last_at
        FROM stretch s, LATERAL (SELECT s.command = 'before' AND s.decided_by <> 'correction' AS said) l
        WHERE s.group_id <> '' AND s.command <> 'other'
        GROUP BY s.hour, s.sdkappid, s.group_id
    ), room_rows AS (
        INSERT INTO chatsluice.rollup_hour_room AS r
        SELECT * FROM room_counts
        ON CONFLICT (hour, sdkappid, room_id)
            DO UPDATE SET messages = r.messages + excluded.messages, allowed = r.allowed + excluded.allowed,
                          flagged = r.flagged + excluded.flagged, masked = r.masked + excluded.masked,
                          replaced = r.replaced + excluded.replaced, rejected = r.rejected + excluded.rejected,
                          discarded = r.discarded + excluded.discarded, unjudged = r.unjudged + excluded.unjudged,
                          corrections = r.corrections + excluded.corrections,
                          delivered = r.delivered + excluded.delivered, exceptions = r.exceptions + excluded.exceptions,
                          recalls = r.recalls + excluded.recalls, first_at = least(r.first_at, excluded.first_at),
                          last_at = greatest(r.last_at, excluded.last_at)
    ), marks AS (
        -- A message's webhooks may lie a minute apart, and so on two sides of the hour.
        INSERT INTO chatsluice.rollup_dirty AS r (hour, room_id)
        SELECT m.hour, m.room_id
        FROM (SELECT c.hour, c.room_id FROM room_counts c
              UNION SELECT chatsluice.hour_of(c.first_at - interval '65 seconds'), c.room_id FROM room_counts c
              UNION SELECT chatsluice.hour_of(c.last_at + interval '65 seconds'), c.room_id FROM room_counts c) m
        LEFT JOIN chatsluice.rollup_dirty d ON d.hour = m.hour AND d.room_id = m.room_id
        WHERE d.marked_at IS NULL OR d.marked_at < now() - interval '20 seconds'
        ON CONFLICT (hour, room_id) DO UPDATE SET marked_at = excluded.marked_at
    ), sender_rows AS (
        INSERT INTO chatsluice.rollup_hour_sender AS r
        SELECT s.hour, s.sdkappid, s.group_id, s.from_account,
               count(*) FILTER (WHERE s.verdict = 'flag'), count(*) FILTER (WHERE s.verdict = 'mask'),
               count(*) FILTER (WHERE s.verdict = 'replace'), count(*) FILTER (WHERE s.verdict = 'reject'),
               count(*) FILTER (WHERE s.verdict = 'discard'), count(*) FILTER (WHERE s.verdict = 'allow'),
               min(s.event_time), max(s.event_time)
        FROM stretch s
        WHERE s.command = 'before' AND s.decided_by <> 'correction' AND s.from_account <> ''
          AND (s.verdict NOT IN ('allow', '') OR (s.verdict = 'allow' AND s.hits @> '[{"state": "shadow"}]'))
        GROUP BY 1, 2, 3, 4
        ON CONFLICT (hour, sdkappid, room_id, account)
            DO UPDATE SET flagged = r.flagged + excluded.flagged, masked = r.masked + excluded.masked,
                          replaced = r.replaced + excluded.replaced, rejected = r.rejected + excluded.rejected,
                          discarded = r.discarded + excluded.discarded, shadowed = r.shadowed + excluded.shadowed,
                          first_at = least(r.first_at, excluded.first_at),
                          last_at = greatest(r.last_at, excluded.last_at)
    ), rule_rows AS (
        INSERT INTO chatsluice.rollup_hour_rule AS r
        SELECT s.hour, s.sdkappid, s.command, h.rule, coalesce(s.rule_revision, 0), count(*) FILTER (WHERE h.counted),
               count(*) FILTER (WHERE h.rule = s.rule), count(*) FILTER (WHERE h.shadow),
               count(*) FILTER (WHERE h.allowed AND NOT h.counted), min(s.event_time), max(s.event_time)
        FROM stretch s, LATERAL chatsluice.hits_by_rule(s.hits, s.rule) h
        WHERE s.command IN ('before', 'after') AND (s.hits IS NOT NULL OR s.rule IS NOT NULL)
        GROUP BY 1, 2, 3, 4, 5
        ON CONFLICT (hour, sdkappid, command, rule, revision)
            DO UPDATE SET hits = r.hits + excluded.hits, acted = r.acted + excluded.acted,
                          shadow = r.shadow + excluded.shadow, allowed = r.allowed + excluded.allowed,
                          first_at = least(r.first_at, excluded.first_at),
                          last_at = greatest(r.last_at, excluded.last_at)
    ), term_rows AS (
        INSERT INTO chatsluice.rollup_hour_term AS r
        SELECT s.hour, s.sdkappid, s.command, h.list, h.term, count(*) FILTER (WHERE h.counted),
               count(*) FILTER (WHERE h.acted), count(*) FILTER (WHERE h.shadow),
               count(*) FILTER (WHERE h.allowed AND NOT h.counted), min(s.event_time), max(s.event_time)
        FROM stretch s, LATERAL chatsluice.hits_by_term(s.hits, s.rule) h
        WHERE s.command IN ('before', 'after') AND s.hits IS NOT NULL
        GROUP BY 1, 2, 3, 4, 5
        ON CONFLICT (hour, sdkappid, command, list, term)
            DO UPDATE SET hits = r.hits + excluded.hits, acted = r.acted + excluded.acted,
                          shadow = r.shadow + excluded.shadow, allowed = r.allowed + excluded.allowed,
                          first_at = least(r.first_at, excluded.first_at),
                          last_at = greatest(r.last_at, excluded.last_at)
    ), day_rows AS (
        INSERT INTO chatsluice.rollup_day_sender AS r
        SELECT s.from_account, s.sdkappid, (s.hour AT TIME ZONE 'UTC')::date, count(*), min(s.event_time), max(s.event_time)
        FROM stretch s
        WHERE s.command = 'before' AND s.decided_by <> 'correction' AND s.from_account <> ''
        GROUP BY 1, 2, 3
        ON CONFLICT (account, sdkappid, day)
            DO UPDATE SET messages = r.messages + excluded.messages, first_at = least(r.first_at, excluded.first_at),
                          last_at = greatest(r.last_at, excluded.last_at)
    )
    SELECT count(*), max(s.received_at) FROM stretch s$sql$
    INTO events, received_at
    USING spool, after_seq, to_seq, since, until;
END
$$;

-- What of a stretch's rows can be expected between these times: partitions outside of it need not be looked into at
-- first. Records come in the order of their receipt, and events within seconds of it. When fewer rows than records are
-- found there, which late events and repeated deliveries both make happen, the other partitions are looked through as
-- well.
CREATE FUNCTION chatsluice.rollup_window(last_received timestamptz, OUT since timestamptz, OUT until timestamptz)
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT last_received - interval '1 day',
           CASE WHEN last_received = '-infinity' THEN timestamptz 'infinity' ELSE last_received + interval '2 days' END
$$;

-- Counts the days anew that rows of the stretch lie in, whatever was counted of them before.
CREATE FUNCTION chatsluice.rollup_recount_stretch(spool uuid, after_seq bigint, to_seq bigint) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    days date[];
    one date;
    found bigint;
BEGIN
    SELECT array_agg(DISTINCT (e.event_time AT TIME ZONE 'UTC')::date), count(*) INTO days, found
    FROM chatsluice.event e
    WHERE e.spool_id = spool AND e.spool_seq > after_seq AND e.spool_seq <= to_seq;
    FOREACH one IN ARRAY coalesce(days, '{}') LOOP
        PERFORM chatsluice.rollup_recount_day(one);
    END LOOP;
    RETURN found;
END
$$;

-- Counts one day anew: the rows that the positions say are counted; all others a pass will add. The caller holds the
-- row of rollup_state. Returns how many; null, and leaves all as it is, when no event of that day is stored any more.
CREATE FUNCTION chatsluice.rollup_recount_day(one date) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    since constant timestamptz := one::timestamp AT TIME ZONE 'UTC';
    until constant timestamptz := (one + 1)::timestamp AT TIME ZONE 'UTC';
    counted bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM chatsluice.event e WHERE e.event_time >= since AND e.event_time < until) THEN
        RETURN NULL;
    END IF;
    DELETE FROM chatsluice.rollup_minute r WHERE r.minute >= since AND r.minute < until;
    DELETE FROM chatsluice.rollup_hour r WHERE r.hour >= since AND r.hour < until;
    DELETE FROM chatsluice.rollup_hour_latency r WHERE r.hour >= since AND r.hour < until;
    DELETE FROM chatsluice.rollup_hour_room r WHERE r.hour >= since AND r.hour < until;
    DELETE FROM chatsluice.rollup_hour_sender r WHERE r.hour >= since AND r.hour < until;
    DELETE FROM chatsluice.rollup_hour_rule r WHERE r.hour >= since AND r.hour < until;
    DELETE FROM chatsluice.rollup_hour_term r WHERE r.hour >= since AND r.hour < until;
    DELETE FROM chatsluice.rollup_day_sender r WHERE r.day = one;
    SELECT sum(a.events) INTO counted
    FROM generate_series(since, until - interval '1 hour', interval '1 hour') hour, -- a day may be too much for memory
         LATERAL chatsluice.rollup_add('e.event_time >= $4 AND e.event_time < $5 '
                                       'AND EXISTS (SELECT FROM chatsluice.rollup_position p '
                                       'WHERE p.spool_id = e.spool_id AND e.spool_seq <= greatest(p.seq, p.high))',
                                       NULL, NULL, NULL, hour, hour + interval '1 hour') a;
    RETURN counted;
END
$$;

-- How far each spool is counted. Before a rewind that no pass has seen yet, rows up to rewound_from were loaded.
CREATE VIEW chatsluice.rollup_spool AS
SELECT s.spool_id, s.seq AS loaded, coalesce(p.seq, 0) AS seq, w.number, w.rewound_from, w.rewound_to,
       CASE WHEN w.number IS NULL THEN greatest(s.seq - coalesce(p.seq, 0), 0)
            ELSE greatest(w.rewound_from - coalesce(p.seq, 0), 0) + greatest(s.seq - w.rewound_to, 0) + 1 END AS behind
FROM chatsluice.spool_position s
LEFT JOIN chatsluice.rollup_position p ON p.spool_id = s.spool_id
LEFT JOIN LATERAL (SELECT max(v.number) AS number, max(v.from_seq) AS rewound_from, min(v.to_seq) AS rewound_to
                   FROM chatsluice.spool_rewind v
                   WHERE v.spool_id = s.spool_id AND v.number > coalesce(p.rewinds, 0)) w ON true;

-- Counts the next stretch of one spool, at most `most` records. reached: it comes up to what was loaded when s was read.
CREATE FUNCTION chatsluice.rollup_pass_spool(s chatsluice.rollup_spool, most bigint, OUT events bigint, OUT reached boolean)
    LANGUAGE plpgsql
AS $$
DECLARE
    p chatsluice.rollup_position;
    w record;
    part record;
    upto bigint;
BEGIN
    SELECT r.* INTO p FROM chatsluice.rollup_position r WHERE r.spool_id = s.spool_id;
    -- What was loaded before a rewind comes first. Then it starts again from where the spool went back to, and up to
    -- p.high there are numbers that stand for two records.
    IF s.number IS NOT NULL AND p.seq >= s.rewound_from THEN
        p.seq := least(p.seq, s.rewound_to);
        p.rewinds := s.number;
        s.number := NULL;
    ELSIF s.number IS NULL THEN
        p.seq := least(p.seq, s.loaded); -- set back by hand
    END IF;
    events := 0;
    upto := greatest(p.seq, least(CASE WHEN s.number IS NULL THEN s.loaded ELSE s.rewound_from END, p.seq + most));
    IF p.seq < p.high THEN
        upto := least(upto, p.high);
        events := chatsluice.rollup_recount_stretch(s.spool_id, p.seq, upto);
    ELSIF upto > p.seq THEN
        SELECT * INTO w FROM chatsluice.rollup_window(p.received_at);
        SELECT * INTO part
        FROM chatsluice.rollup_add('e.spool_id = $1 AND e.spool_seq > $2 AND e.spool_seq <= $3 '
                                   'AND e.event_time >= $4 AND e.event_time < $5',
                                   s.spool_id, p.seq, upto, w.since, w.until);
        events := part.events;
        p.received_at := coalesce(part.received_at, p.received_at);
        IF events < upto - p.seq AND (isfinite(w.since) OR isfinite(w.until)) THEN
            SELECT * INTO part
            FROM chatsluice.rollup_add('e.spool_id = $1 AND e.spool_seq > $2 AND e.spool_seq <= $3 '
                                       'AND (e.event_time < $4 OR e.event_time >= $5)',
                                       s.spool_id, p.seq, upto, w.since, w.until);
            events := events + part.events;
            p.received_at := greatest(p.received_at, part.received_at);
        END IF;
    END IF;
    UPDATE chatsluice.rollup_position r
    SET seq = upto, high = greatest(p.high, upto), rewinds = p.rewinds, received_at = p.received_at
    WHERE r.spool_id = s.spool_id;
    reached := s.number IS NULL AND upto >= s.loaded;
END
$$;

-- One pass: the next stretch of each spool, at most `most` records of it. No row: another session counts. events: how
-- many were counted; behind: how many records of all spools are left.
CREATE FUNCTION chatsluice.rollup_pass(most bigint DEFAULT 50000) RETURNS TABLE (events bigint, behind bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET work_mem = '64MB'
AS $$
DECLARE
    s chatsluice.rollup_spool;
    part record;
    all_reached boolean := true;
BEGIN
    PERFORM FROM chatsluice.rollup_state FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO chatsluice.rollup_position (spool_id)
    SELECT o.spool_id
    FROM chatsluice.spool_position o
    WHERE NOT EXISTS (SELECT FROM chatsluice.rollup_position r WHERE r.spool_id = o.spool_id);
    events := 0;
    FOR s IN SELECT r.* FROM chatsluice.rollup_spool r WHERE r.behind > 0 OR r.loaded < r.seq ORDER BY r.spool_id LOOP
        SELECT * INTO part FROM chatsluice.rollup_pass_spool(s, most);
        events := events + part.events;
        all_reached := all_reached AND part.reached;
    END LOOP;
    -- All that was loaded when this pass began is counted; a busy loader is always a little ahead of that.
    UPDATE chatsluice.rollup_state SET caught_up_at = now() WHERE all_reached;
    SELECT coalesce(sum(r.behind), 0) INTO behind FROM chatsluice.rollup_spool r;
    RETURN NEXT;
END
$$;

-- Block ranges that nobody has summarised yet are read whole by every pass. Autovacuum does it too, but once a minute,
-- and in a minute a busy loader writes a gigabyte. Steps aside for who holds the table.
CREATE FUNCTION chatsluice.rollup_summarise() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $$
DECLARE
    one regclass;
BEGIN
    FOR one IN
        SELECT i.indexrelid
        FROM (SELECT DISTINCT (r.received_at AT TIME ZONE 'UTC')::date + n AS day
              FROM chatsluice.rollup_position r, generate_series(-1, 1) n
              WHERE isfinite(r.received_at)) d
        JOIN pg_index i ON i.indrelid = to_regclass('chatsluice.event_' || to_char(d.day, 'YYYYMMDD'))
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am a ON a.oid = c.relam AND a.amname = 'brin'
    LOOP
        BEGIN
            PERFORM brin_summarize_new_values(one);
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected OR undefined_table OR undefined_object THEN NULL;
        END;
    END LOOP;
END
$$;

-- Deliveries ----------------------------------------------------------------------------------------------------------

-- What became of the messages of a stretch of time, in these rooms (null: all), one row each. A message is its Before
-- webhook, or an After without one. After and exception belong to the last Before like it within a minute
-- (moderation.message).
--
--   delivered unasked         an After came that no Before asked about
--   rejected but delivered    rejected or discarded, and an After came all the same: the leak
--   corrected                 a corrected or approved message went out in its place
--   blocked                   rejected or discarded
--   delivered rewritten, delivered
--   dropped by the platform   allowed, then refused by the platform (Group.CallbackSendMsgException)
--   answered too late         allowed after more than the platform's two seconds, and nothing told of a delivery
--   not confirmed             allowed, and nothing told of a delivery
CREATE FUNCTION chatsluice.delivery_of(rooms text[], since timestamptz, until timestamptz)
    RETURNS TABLE (room_id text, event_time timestamptz, event_id uuid, sdkappid bigint, outcome text)
    LANGUAGE plpgsql STABLE
    -- Hot partitions lack statistics: a nested loop over what was taken for a few rows would never end.
    SET plan_cache_mode = force_custom_plan SET enable_nestloop = off SET work_mem = '64MB'
AS $$
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT e.group_id, e.event_time, e.event_id, e.sdkappid, e.from_account, e.random, e.msg_id, e.verdict, e.judge_us
        FROM chatsluice.event e
        WHERE e.command = 'before' AND (rooms IS NULL OR e.group_id = ANY (rooms))
          AND e.event_time >= since - interval '65 seconds' AND e.event_time < until + interval '65 seconds'
    ), told AS MATERIALIZED (
        SELECT e.group_id, e.event_time, e.event_id, e.sdkappid, e.from_account, e.random, e.msg_id, e.command
        FROM chatsluice.event e
        WHERE e.command IN ('after', 'exception') AND (rooms IS NULL OR e.group_id = ANY (rooms))
          AND e.event_time >= since - interval '65 seconds' AND e.event_time < until + interval '65 seconds'
    ), belongs AS MATERIALIZED (
        SELECT DISTINCT ON (t.group_id, t.event_time, t.event_id)
               t.group_id, t.event_time AS told_time, t.event_id AS told_id, t.command, b.event_time, b.event_id
        FROM told t
        JOIN asked b ON b.group_id = t.group_id AND b.sdkappid = t.sdkappid AND b.from_account = t.from_account
                    AND b.random = t.random AND (b.msg_id = t.msg_id OR b.msg_id IS NULL OR t.msg_id IS NULL)
                    AND t.event_time BETWEEN b.event_time - interval '5 seconds' AND b.event_time + interval '1 minute'
        ORDER BY t.group_id, t.event_time, t.event_id, b.event_time DESC, b.event_id DESC
    ), outcomes AS (
        SELECT l.group_id, l.event_time, l.event_id, bool_or(l.command = 'after') AS delivered,
               bool_or(l.command = 'exception') AS dropped
        FROM belongs l
        GROUP BY 1, 2, 3
    ), corrected AS (
        SELECT DISTINCT o.room_id, o.event_time, o.event_id
        FROM chatsluice.outbox o
        WHERE o.action = 'send_text' AND o.state = 'done' AND (rooms IS NULL OR o.room_id = ANY (rooms))
          AND o.event_time >= since AND o.event_time < until
    )
    SELECT b.group_id, b.event_time, b.event_id, b.sdkappid,
           CASE
               WHEN o.delivered AND b.verdict IN ('reject', 'discard') THEN 'rejected but delivered'
               WHEN c.event_id IS NOT NULL THEN 'corrected'
               WHEN b.verdict IN ('reject', 'discard') THEN 'blocked'
               WHEN o.delivered AND b.verdict IN ('mask', 'replace') THEN 'delivered rewritten'
               WHEN o.delivered THEN 'delivered'
               WHEN o.dropped THEN 'dropped by the platform'
               WHEN b.judge_us > 2000000 THEN 'answered too late'
               ELSE 'not confirmed'
           END
    FROM asked b
    LEFT JOIN outcomes o ON o.group_id = b.group_id AND o.event_time = b.event_time AND o.event_id = b.event_id
    LEFT JOIN corrected c ON c.room_id = b.group_id AND c.event_time = b.event_time AND c.event_id = b.event_id
    WHERE b.event_time >= since AND b.event_time < until
    UNION ALL
    SELECT t.group_id, t.event_time, t.event_id, t.sdkappid, 'delivered unasked'
    FROM told t
    LEFT JOIN belongs l ON l.group_id = t.group_id AND l.told_time = t.event_time AND l.told_id = t.event_id
    WHERE t.command = 'after' AND t.event_time >= since AND t.event_time < until AND l.told_id IS NULL;
END
$$;

-- Works out the deliveries of one hour, of these rooms or of all (null).
CREATE FUNCTION chatsluice.rollup_deliveries(rooms text[], one timestamptz) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM chatsluice.rollup_hour_delivery r WHERE r.hour = one AND (rooms IS NULL OR r.room_id = ANY (rooms));
    INSERT INTO chatsluice.rollup_hour_delivery (hour, sdkappid, room_id, outcome, messages)
    SELECT one, d.sdkappid, d.room_id, d.outcome, count(*)
    FROM chatsluice.delivery_of(rooms, one, one + interval '1 hour') d
    WHERE d.room_id <> ''
    GROUP BY d.sdkappid, d.room_id, d.outcome;
    DELETE FROM chatsluice.rollup_hour_outcome r WHERE r.hour = one;
    INSERT INTO chatsluice.rollup_hour_outcome (hour, sdkappid, outcome, messages)
    SELECT r.hour, r.sdkappid, r.outcome, sum(r.messages)
    FROM chatsluice.rollup_hour_delivery r
    WHERE r.hour = one
    GROUP BY r.hour, r.sdkappid, r.outcome;
    DELETE FROM chatsluice.rollup_dirty r WHERE r.hour = one AND (rooms IS NULL OR r.room_id = ANY (rooms));
END
$$;

-- Works out the deliveries of the oldest hour with something due, of up to `most` of its rooms: those quiet for
-- `quiet`, or marked ten minutes ago, once the hour is over; of the running hour those marked longer than `running`
-- ago. Returns the number of rooms; null: another session counts.
CREATE FUNCTION chatsluice.rollup_settle(quiet interval DEFAULT '1 minute', running interval DEFAULT '20 minutes',
                                         most integer DEFAULT 500) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    state chatsluice.rollup_state;
    one timestamptz;
    rooms text[];
BEGIN
    SELECT s.* INTO state FROM chatsluice.rollup_state s FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- A correction that was carried out changes the outcome of its original. Those of the last minutes are marked again
    -- because a transaction may commit later than its time says.
    IF state.swept_at < now() - interval '1 minute' THEN
        INSERT INTO chatsluice.rollup_dirty AS r (hour, room_id)
        SELECT DISTINCT chatsluice.hour_of(o.event_time), o.room_id
        FROM chatsluice.outbox o
        WHERE o.action = 'send_text' AND o.state = 'done' AND o.event_time IS NOT NULL
          AND o.changed_at > state.swept_at - interval '2 minutes'
        ON CONFLICT (hour, room_id) DO UPDATE SET marked_at = excluded.marked_at;
        UPDATE chatsluice.rollup_state SET swept_at = now();
    END IF;
    SELECT d.hour, (array_agg(d.room_id))[:most] INTO one, rooms
    FROM chatsluice.rollup_dirty d
    WHERE CASE WHEN d.hour + interval '1 hour' <= now() - quiet
               THEN d.marked_at <= now() - quiet OR d.since <= now() - interval '10 minutes'
               ELSE d.since <= now() - running END
    GROUP BY d.hour
    ORDER BY d.hour
    LIMIT 1;
    IF one IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM chatsluice.rollup_deliveries(rooms, one);
    UPDATE chatsluice.rollup_state SET settled_at = now();
    RETURN cardinality(rooms);
END
$$;
CREATE INDEX outbox_carried_out ON chatsluice.outbox (changed_at)
    WHERE action = 'send_text' AND state = 'done' AND event_time IS NOT NULL;

-- Opinions ------------------------------------------------------------------------------------------------------------

-- Brings what people said, with the rules and terms it is about, up to date; up to `most` messages. Returns how many
-- changed; null: another session counts. It compares the whole, for opinions change and are few: they are made by hand.
CREATE FUNCTION chatsluice.rollup_opinions(most integer DEFAULT 10000) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed chatsluice.rollup_opinion[];
BEGIN
    PERFORM FROM chatsluice.rollup_state FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    WITH said AS (
        SELECT o.room_id, o.event_time, o.event_id, bool_or(o.reviewed) AS reviewed, bool_or(o.overturned) AS overturned,
               bool_or(o.labelled) AS labelled, bool_or(o.benign) AS benign
        FROM (SELECT r.room_id, r.event_time, r.event_id, true AS reviewed, coalesce(r.overturned, false) AS overturned,
                     false AS labelled, false AS benign
              FROM chatsluice.review r
              WHERE r.decision IS NOT NULL
              UNION ALL
              (SELECT DISTINCT ON (a.room_id, a.event_time, a.event_id)
                      a.room_id, a.event_time, a.event_id, false, false, true, a.label = 'benign'
               FROM chatsluice.annotation a
               WHERE a.label IS NOT NULL
               ORDER BY a.room_id, a.event_time, a.event_id, a.at DESC)) o
        GROUP BY o.room_id, o.event_time, o.event_id
    )
    SELECT array_agg(ROW(c.room_id, c.event_time, c.event_id, 0, '', c.reviewed, c.overturned, c.labelled,
                         c.benign)::chatsluice.rollup_opinion)
    INTO changed
    FROM (SELECT room_id, event_time, event_id, s.reviewed, s.overturned, s.labelled, s.benign
          FROM said s
          FULL JOIN chatsluice.rollup_opinion k USING (room_id, event_time, event_id)
          WHERE (s.reviewed, s.overturned, s.labelled, s.benign)
                IS DISTINCT FROM (k.reviewed, k.overturned, k.labelled, k.benign)
          LIMIT most) c;
    DELETE FROM chatsluice.rollup_opinion k USING unnest(changed) c
    WHERE k.room_id = c.room_id AND k.event_time = c.event_time AND k.event_id = c.event_id;
    DELETE FROM chatsluice.rollup_opinion_hit k USING unnest(changed) c
    WHERE k.room_id = c.room_id AND k.event_time = c.event_time AND k.event_id = c.event_id;
    INSERT INTO chatsluice.rollup_opinion
    SELECT c.room_id, c.event_time, c.event_id, coalesce(e.sdkappid, 0), coalesce(e.from_account, ''), c.reviewed,
           c.overturned, c.labelled, c.benign
    FROM unnest(changed) c
    LEFT JOIN chatsluice.event e
           ON e.group_id = c.room_id AND e.event_time = c.event_time AND e.event_id = c.event_id
    WHERE c.reviewed IS NOT NULL;
    INSERT INTO chatsluice.rollup_opinion_hit
    SELECT c.room_id, c.event_time, c.event_id, h.rule, h.list, h.term, coalesce(e.rule_revision, 0), h.acted
    FROM unnest(changed) c
    JOIN chatsluice.event e ON e.group_id = c.room_id AND e.event_time = c.event_time AND e.event_id = c.event_id
    CROSS JOIN LATERAL (SELECT r.rule, '' AS list, '' AS term, r.rule IS NOT DISTINCT FROM e.rule AS acted
                        FROM chatsluice.hits_by_rule(e.hits, e.rule) r
                        WHERE r.counted OR r.shadow
                        UNION ALL
                        SELECT '', t.list, t.term, t.acted
                        FROM chatsluice.hits_by_term(e.hits, e.rule) t
                        WHERE t.counted OR t.shadow) h
    WHERE c.reviewed IS NOT NULL;
    RETURN coalesce(cardinality(changed), 0);
END
$$;

-- Rebuilding ----------------------------------------------------------------------------------------------------------

-- Counts all days anew that lie, wholly or in part, between the two times, deliveries too. Correct beside a running
-- loader and beside passes, which wait. A day of which no event is stored any more stays as it is. Returns the number
-- of events.
CREATE FUNCTION chatsluice.rebuild_rollups(since timestamptz, until timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET work_mem = '64MB'
AS $$
DECLARE
    last_day constant date := ((until - interval '1 microsecond') AT TIME ZONE 'UTC')::date;
    one date := (since AT TIME ZONE 'UTC')::date;
    counted bigint;
    total bigint := 0;
BEGIN
    IF NOT (isfinite(since) AND isfinite(until)) OR since >= until THEN
        RAISE EXCEPTION 'from % to % is no period', since, until USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM FROM chatsluice.rollup_state FOR NO KEY UPDATE;
    WHILE one <= last_day LOOP
        counted := chatsluice.rollup_recount_day(one);
        FOR i IN 0 .. 23 LOOP
            EXIT WHEN counted IS NULL;
            PERFORM chatsluice.rollup_deliveries(NULL, one::timestamp AT TIME ZONE 'UTC' + i * interval '1 hour');
        END LOOP;
        total := total + coalesce(counted, 0);
        one := one + 1;
    END LOOP;
    RETURN total;
END
$$;

-- A person's data is erased (part of that transaction): from now on the account is called by its new name here too. app
-- null: of all applications.
CREATE FUNCTION chatsluice.rollup_rename_sender(app bigint, was text, becomes text) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM FROM chatsluice.rollup_state FOR NO KEY UPDATE; -- a pass that has read the old name is over
    UPDATE chatsluice.rollup_hour_sender r SET account = becomes WHERE r.account = was AND (app IS NULL OR r.sdkappid = app);
    UPDATE chatsluice.rollup_day_sender r SET account = becomes WHERE r.account = was AND (app IS NULL OR r.sdkappid = app);
    UPDATE chatsluice.rollup_opinion r SET account = becomes WHERE r.account = was AND (app IS NULL OR r.sdkappid = app);
END
$$;

REVOKE EXECUTE ON FUNCTION chatsluice.rollup_pass(bigint), chatsluice.rollup_summarise(),
    chatsluice.rollup_settle(interval, interval, integer), chatsluice.rollup_opinions(integer),
    chatsluice.rebuild_rollups(timestamptz, timestamptz) FROM PUBLIC;

-- Views: the contract with people -------------------------------------------------------------------------------------
--
-- All of them read rollups alone. Those named by_hour or by_minute, and latency, have a row for each bucket, to be
-- summed over any period; the functions take the period. What is not by time covers all that is kept.

CREATE VIEW moderation.verdict_by_minute AS
SELECT r.minute, r.sdkappid, r.command, nullif(r.verdict, '') AS verdict, nullif(r.decided_by, '') AS decided_by, r.events
FROM chatsluice.rollup_minute r;

CREATE VIEW moderation.verdict_by_hour AS
SELECT r.hour, r.sdkappid, r.command, nullif(r.verdict, '') AS verdict, nullif(r.decided_by, '') AS decided_by, r.events
FROM chatsluice.rollup_hour r;

CREATE VIEW moderation.room_by_hour AS
SELECT r.hour, r.sdkappid, r.room_id, r.messages, r.allowed, r.flagged, r.masked, r.replaced, r.rejected, r.discarded,
       r.unjudged, r.corrections, r.delivered, r.exceptions, r.recalls, r.first_at, r.last_at
FROM chatsluice.rollup_hour_room r;

-- acted_share: of the messages that were masked, replaced, rejected or discarded.
CREATE FUNCTION moderation.room_between(since timestamptz, until timestamptz, app bigint DEFAULT NULL,
                                        room text DEFAULT NULL)
    RETURNS TABLE (sdkappid bigint, room_id text, messages bigint, allowed bigint, flagged bigint, masked bigint,
                   replaced bigint, rejected bigint, discarded bigint, unjudged bigint, corrections bigint,
                   delivered bigint, exceptions bigint, recalls bigint, acted_share numeric, first_at timestamptz,
                   last_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.sdkappid, r.room_id, sum(r.messages)::bigint, sum(r.allowed)::bigint, sum(r.flagged)::bigint,
           sum(r.masked)::bigint, sum(r.replaced)::bigint, sum(r.rejected)::bigint, sum(r.discarded)::bigint,
           sum(r.unjudged)::bigint, sum(r.corrections)::bigint, sum(r.delivered)::bigint, sum(r.exceptions)::bigint,
           sum(r.recalls)::bigint,
           round(sum(r.masked + r.replaced + r.rejected + r.discarded) / nullif(sum(r.messages), 0)::numeric, 4),
           min(r.first_at), max(r.last_at)
    FROM chatsluice.rollup_hour_room r
    WHERE r.hour >= chatsluice.hour_of(since) AND r.hour < until AND (app IS NULL OR r.sdkappid = app)
      AND (room IS NULL OR r.room_id = room)
    GROUP BY r.sdkappid, r.room_id
$$;

CREATE VIEW moderation.room AS
SELECT r.sdkappid,
       r.room_id,
       sum(r.messages)::bigint AS messages,
       sum(r.allowed)::bigint AS allowed,
       sum(r.flagged)::bigint AS flagged,
       sum(r.masked)::bigint AS masked,
       sum(r.replaced)::bigint AS replaced,
       sum(r.rejected)::bigint AS rejected,
       sum(r.discarded)::bigint AS discarded,
       sum(r.unjudged)::bigint AS unjudged,
       sum(r.corrections)::bigint AS corrections,
       sum(r.delivered)::bigint AS delivered,
       sum(r.exceptions)::bigint AS exceptions,
       sum(r.recalls)::bigint AS recalls,
       round(sum(r.masked + r.replaced + r.rejected + r.discarded) / nullif(sum(r.messages), 0)::numeric, 4) AS acted_share,
       min(r.first_at) AS first_at,
       max(r.last_at) AS last_at
FROM chatsluice.rollup_hour_room r
GROUP BY r.sdkappid, r.room_id;

-- One row a sender of an application; ask for an account.
CREATE VIEW moderation.sender AS
SELECT d.sdkappid,
       d.account,
       d.messages,
       coalesce(h.flagged, 0)::bigint AS flagged,
       coalesce(h.masked, 0)::bigint AS masked,
       coalesce(h.replaced, 0)::bigint AS replaced,
       coalesce(h.rejected, 0)::bigint AS rejected,
       coalesce(h.discarded, 0)::bigint AS discarded,
       coalesce(h.shadowed, 0)::bigint AS shadowed,
       coalesce(o.overturned, 0)::bigint AS overturned,
       round(coalesce(h.masked + h.replaced + h.rejected + h.discarded, 0) / nullif(d.messages, 0)::numeric, 4) AS acted_share,
       coalesce(h.rooms, 0)::bigint AS rooms_with_offences,
       h.last_offence_at,
       d.first_at,
       d.last_at
FROM (SELECT s.sdkappid, s.account, sum(s.messages)::bigint AS messages, min(s.first_at) AS first_at,
             max(s.last_at) AS last_at
      FROM chatsluice.rollup_day_sender s
      GROUP BY s.account, s.sdkappid) d
LEFT JOIN LATERAL (SELECT sum(s.flagged) AS flagged, sum(s.masked) AS masked, sum(s.replaced) AS replaced,
                          sum(s.rejected) AS rejected, sum(s.discarded) AS discarded, sum(s.shadowed) AS shadowed,
                          count(DISTINCT s.room_id) FILTER (WHERE s.flagged + s.masked + s.replaced + s.rejected
                                                                  + s.discarded > 0) AS rooms,
                          max(s.last_at) FILTER (WHERE s.flagged + s.masked + s.replaced + s.rejected + s.discarded > 0)
                              AS last_offence_at
                   FROM chatsluice.rollup_hour_sender s
                   WHERE s.account = d.account AND s.sdkappid = d.sdkappid) h ON true
LEFT JOIN LATERAL (SELECT count(*) AS overturned
                   FROM chatsluice.rollup_opinion p
                   WHERE p.account = d.account AND p.sdkappid = d.sdkappid AND p.overturned) o ON true;
CREATE INDEX rollup_opinion_account ON chatsluice.rollup_opinion (account) WHERE overturned;

-- Senders by what was against them: a flag weighs 1, a mask or replacement 2, a rejection or discard 4; what a person
-- overturned is taken off again, by the 4 of what is held back. Of the same score the one with the latest offence
-- first. The score alone is made for all, the rest for those that are shown.
CREATE FUNCTION moderation.offender(since timestamptz, until timestamptz, room text DEFAULT NULL,
                                    app bigint DEFAULT NULL, most integer DEFAULT 100)
    RETURNS TABLE (rank bigint, sdkappid bigint, account text, score bigint, flagged bigint, masked bigint,
                   replaced bigint, rejected bigint, discarded bigint, overturned bigint, rooms bigint,
                   first_at timestamptz, last_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET work_mem = '64MB'
AS $$
    WITH ranked AS (
        SELECT s.sdkappid, s.account, s.score - 4 * coalesce(p.overturned, 0) AS score,
               coalesce(p.overturned, 0) AS overturned, s.last_at
        FROM (SELECT r.sdkappid, r.account,
                     sum(r.flagged + 2 * (r.masked + r.replaced) + 4 * (r.rejected + r.discarded)) AS score,
                     max(r.last_at) AS last_at
              FROM chatsluice.rollup_hour_sender r
              WHERE r.hour >= chatsluice.hour_of(since) AND r.hour < until AND (room IS NULL OR r.room_id = room)
                AND (app IS NULL OR r.sdkappid = app)
                AND r.flagged + r.masked + r.replaced + r.rejected + r.discarded > 0
              GROUP BY r.sdkappid, r.account) s
        LEFT JOIN (SELECT o.sdkappid, o.account, count(*) AS overturned
                   FROM chatsluice.rollup_opinion o
                   WHERE o.overturned AND o.event_time >= chatsluice.hour_of(since) AND o.event_time < until
                     AND (room IS NULL OR o.room_id = room)
                   GROUP BY o.sdkappid, o.account) p ON p.sdkappid = s.sdkappid AND p.account = s.account
        WHERE s.score > 4 * coalesce(p.overturned, 0)
        ORDER BY 3 DESC, s.last_at DESC, s.account, s.sdkappid
        LIMIT most
    )
    SELECT row_number() OVER (ORDER BY t.score DESC, t.last_at DESC, t.account, t.sdkappid), t.sdkappid, t.account, t.score,
           d.flagged, d.masked, d.replaced, d.rejected, d.discarded, t.overturned, d.rooms, d.first_at, t.last_at
    FROM ranked t,
         LATERAL (SELECT sum(r.flagged) AS flagged, sum(r.masked) AS masked, sum(r.replaced) AS replaced,
                         sum(r.rejected) AS rejected, sum(r.discarded) AS discarded,
                         count(DISTINCT r.room_id) AS rooms, min(r.first_at) AS first_at
                  FROM chatsluice.rollup_hour_sender r
                  WHERE r.account = t.account AND r.sdkappid = t.sdkappid AND r.hour >= chatsluice.hour_of(since)
                    AND r.hour < until AND (room IS NULL OR r.room_id = room)
                    AND r.flagged + r.masked + r.replaced + r.rejected + r.discarded > 0) d
    ORDER BY 1
$$;

-- The ranking of the last 7 days; moderation.offender(since, until) of any other period.
CREATE VIEW moderation.offender AS
SELECT * FROM moderation.offender(now() - interval '7 days', now() + interval '1 day');

CREATE VIEW moderation.rule_by_hour AS
SELECT r.hour, r.sdkappid, r.command, r.rule, nullif(r.revision, 0) AS revision, r.hits, r.acted, r.shadow, r.allowed,
       r.first_at, r.last_at
FROM chatsluice.rollup_hour_rule r;

CREATE VIEW moderation.term_by_hour AS
SELECT r.hour, r.sdkappid, r.command, r.list, r.term, r.hits, r.acted, r.shadow, r.allowed, r.first_at, r.last_at
FROM chatsluice.rollup_hour_term r;

-- One row a rule and revision. hits, acted, shadow_hits, allowed_hits: messages at the Before webhook; after_hits: at
-- the After. overturned_share: of the decisions on messages it acted on; benign_share: of the labelled messages it hit,
-- in shadow too.
CREATE VIEW moderation.rule_quality AS
SELECT rule,
       nullif(revision, 0) AS revision,
       coalesce(r.hits, 0) AS hits,
       coalesce(r.acted, 0) AS acted,
       coalesce(r.shadow_hits, 0) AS shadow_hits,
       coalesce(r.allowed_hits, 0) AS allowed_hits,
       coalesce(r.after_hits, 0) AS after_hits,
       coalesce(o.reviewed, 0) AS reviewed,
       coalesce(o.overturned, 0) AS overturned,
       round(o.overturned / nullif(o.reviewed, 0)::numeric, 4) AS overturned_share,
       coalesce(o.labelled, 0) AS labelled,
       coalesce(o.benign, 0) AS benign,
       round(o.benign / nullif(o.labelled, 0)::numeric, 4) AS benign_share,
       r.first_hit_at,
       r.last_hit_at
FROM (SELECT h.rule, h.revision,
             (sum(h.hits) FILTER (WHERE h.command = 'before'))::bigint AS hits,
             (sum(h.acted) FILTER (WHERE h.command = 'before'))::bigint AS acted,
             (sum(h.shadow) FILTER (WHERE h.command = 'before'))::bigint AS shadow_hits,
             (sum(h.allowed) FILTER (WHERE h.command = 'before'))::bigint AS allowed_hits,
             (sum(h.hits + h.shadow) FILTER (WHERE h.command = 'after'))::bigint AS after_hits,
             min(h.first_at) AS first_hit_at, max(h.last_at) AS last_hit_at
      FROM chatsluice.rollup_hour_rule h
      GROUP BY h.rule, h.revision) r
FULL JOIN (SELECT h.rule, h.revision,
                  count(*) FILTER (WHERE p.reviewed AND h.acted) AS reviewed,
                  count(*) FILTER (WHERE p.overturned AND h.acted) AS overturned,
                  count(*) FILTER (WHERE p.labelled) AS labelled,
                  count(*) FILTER (WHERE p.benign) AS benign
           FROM chatsluice.rollup_opinion_hit h
           JOIN chatsluice.rollup_opinion p USING (room_id, event_time, event_id)
           WHERE h.rule <> ''
           GROUP BY h.rule, h.revision) o USING (rule, revision);

-- The same of a list's terms. acted: the rule it counted for decided.
CREATE VIEW moderation.term_quality AS
SELECT list,
       term,
       coalesce(r.hits, 0) AS hits,
       coalesce(r.acted, 0) AS acted,
       coalesce(r.shadow_hits, 0) AS shadow_hits,
       coalesce(r.allowed_hits, 0) AS allowed_hits,
       coalesce(r.after_hits, 0) AS after_hits,
       coalesce(o.reviewed, 0) AS reviewed,
       coalesce(o.overturned, 0) AS overturned,
       round(o.overturned / nullif(o.reviewed, 0)::numeric, 4) AS overturned_share,
       coalesce(o.labelled, 0) AS labelled,
       coalesce(o.benign, 0) AS benign,
       round(o.benign / nullif(o.labelled, 0)::numeric, 4) AS benign_share,
       r.first_hit_at,
       r.last_hit_at
FROM (SELECT h.list, h.term,
             (sum(h.hits) FILTER (WHERE h.command = 'before'))::bigint AS hits,
             (sum(h.acted) FILTER (WHERE h.command = 'before'))::bigint AS acted,
             (sum(h.shadow) FILTER (WHERE h.command = 'before'))::bigint AS shadow_hits,
             (sum(h.allowed) FILTER (WHERE h.command = 'before'))::bigint AS allowed_hits,
             (sum(h.hits + h.shadow) FILTER (WHERE h.command = 'after'))::bigint AS after_hits,
             min(h.first_at) AS first_hit_at, max(h.last_at) AS last_hit_at
      FROM chatsluice.rollup_hour_term h
      GROUP BY h.list, h.term) r
FULL JOIN (SELECT h.list, h.term,
                  count(*) FILTER (WHERE p.reviewed AND h.acted) AS reviewed,
                  count(*) FILTER (WHERE p.overturned AND h.acted) AS overturned,
                  count(*) FILTER (WHERE p.labelled) AS labelled,
                  count(*) FILTER (WHERE p.benign) AS benign
           FROM chatsluice.rollup_opinion_hit h
           JOIN chatsluice.rollup_opinion p USING (room_id, event_time, event_id)
           WHERE h.list <> ''
           GROUP BY h.list, h.term) o USING (list, term);

-- From the head of the request to the verdict, in us; a percentile is the upper end of its range, 4.4 % wide.
CREATE VIEW moderation.latency AS
SELECT c.hour,
       c.sdkappid,
       c.command,
       max(c.total)::bigint AS events,
       least(chatsluice.latency_bound(min(c.bucket) FILTER (WHERE c.up_to >= 0.5 * c.total)), max(c.longest)) AS p50_us,
       least(chatsluice.latency_bound(min(c.bucket) FILTER (WHERE c.up_to >= 0.9 * c.total)), max(c.longest)) AS p90_us,
       least(chatsluice.latency_bound(min(c.bucket) FILTER (WHERE c.up_to >= 0.99 * c.total)), max(c.longest)) AS p99_us,
       least(chatsluice.latency_bound(min(c.bucket) FILTER (WHERE c.up_to >= 0.999 * c.total)), max(c.longest)) AS p999_us,
       max(c.longest) AS max_us
FROM (SELECT r.hour, r.sdkappid, r.command, r.bucket, r.longest,
             sum(r.events) OVER (PARTITION BY r.hour, r.sdkappid, r.command ORDER BY r.bucket) AS up_to,
             sum(r.events) OVER (PARTITION BY r.hour, r.sdkappid, r.command) AS total
      FROM chatsluice.rollup_hour_latency r) c
GROUP BY c.hour, c.sdkappid, c.command;

CREATE FUNCTION moderation.latency_between(since timestamptz, until timestamptz, app bigint DEFAULT NULL)
    RETURNS TABLE (command text, events bigint, p50_us bigint, p90_us bigint, p99_us bigint, p999_us bigint, max_us bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.command, max(c.total)::bigint,
           least(chatsluice.latency_bound(min(c.bucket) FILTER (WHERE c.up_to >= 0.5 * c.total)), max(c.longest)),
           least(chatsluice.latency_bound(min(c.bucket) FILTER (WHERE c.up_to >= 0.9 * c.total)), max(c.longest)),
           least(chatsluice.latency_bound(min(c.bucket) FILTER (WHERE c.up_to >= 0.99 * c.total)), max(c.longest)),
           least(chatsluice.latency_bound(min(c.bucket) FILTER (WHERE c.up_to >= 0.999 * c.total)), max(c.longest)),
           max(c.longest)
    FROM (SELECT b.command, b.bucket, b.longest, sum(b.events) OVER (PARTITION BY b.command ORDER BY b.bucket) AS up_to,
                 sum(b.events) OVER (PARTITION BY b.command) AS total
          FROM (SELECT r.command, r.bucket, sum(r.events) AS events, max(r.longest) AS longest
                FROM chatsluice.rollup_hour_latency r
                WHERE r.hour >= chatsluice.hour_of(since) AND r.hour < until AND (app IS NULL OR r.sdkappid = app)
                GROUP BY r.command, r.bucket) b) c
    GROUP BY c.command
    ORDER BY c.command
$$;

-- One row an hour, application and room. leak_rate: of the messages rejected or discarded and not corrected, the share
-- that was delivered all the same. settled: nothing has come since that may change it.
CREATE VIEW moderation.delivery_by_room_hour AS
SELECT d.hour, d.sdkappid, d.room_id, d.outcome, d.messages,
       NOT EXISTS (SELECT FROM chatsluice.rollup_dirty m WHERE m.hour = d.hour AND m.room_id = d.room_id) AS settled
FROM chatsluice.rollup_hour_delivery d;

CREATE VIEW moderation.delivery_by_hour AS
SELECT d.hour,
       d.sdkappid,
       sum(d.messages)::bigint AS messages,
       coalesce(sum(d.messages) FILTER (WHERE d.outcome = 'delivered'), 0)::bigint AS delivered,
       coalesce(sum(d.messages) FILTER (WHERE d.outcome = 'delivered rewritten'), 0)::bigint AS delivered_rewritten,
       coalesce(sum(d.messages) FILTER (WHERE d.outcome = 'blocked'), 0)::bigint AS blocked,
       coalesce(sum(d.messages) FILTER (WHERE d.outcome = 'corrected'), 0)::bigint AS corrected,
       coalesce(sum(d.messages) FILTER (WHERE d.outcome = 'rejected but delivered'), 0)::bigint AS rejected_but_delivered,
       coalesce(sum(d.messages) FILTER (WHERE d.outcome = 'dropped by the platform'), 0)::bigint AS dropped_by_the_platform,
       coalesce(sum(d.messages) FILTER (WHERE d.outcome = 'answered too late'), 0)::bigint AS answered_too_late,
       coalesce(sum(d.messages) FILTER (WHERE d.outcome = 'not confirmed'), 0)::bigint AS not_confirmed,
       coalesce(sum(d.messages) FILTER (WHERE d.outcome = 'delivered unasked'), 0)::bigint AS delivered_unasked,
       round(coalesce(sum(d.messages) FILTER (WHERE d.outcome = 'rejected but delivered'), 0)
             / nullif(sum(d.messages) FILTER (WHERE d.outcome IN ('rejected but delivered', 'blocked')), 0)::numeric, 6)
           AS leak_rate,
       NOT EXISTS (SELECT FROM chatsluice.rollup_dirty m WHERE m.hour = d.hour) AS settled
FROM chatsluice.rollup_hour_outcome d
GROUP BY d.hour, d.sdkappid;

-- How far the rollups are behind what is loaded.
CREATE VIEW chatsluice.rollup_lag AS
SELECT coalesce(l.behind, 0)::bigint AS records_behind,
       CASE WHEN coalesce(l.behind, 0) = 0 THEN 0
            ELSE greatest(extract(epoch FROM now() - s.caught_up_at), 0) END::bigint AS lag_seconds
FROM chatsluice.rollup_state s,
     (SELECT sum(r.behind) AS behind FROM chatsluice.rollup_spool r) l;

CREATE VIEW moderation.rollup_lag AS
SELECT l.records_behind, l.lag_seconds, (SELECT count(*) FROM chatsluice.rollup_dirty) AS unsettled_room_hours,
       (SELECT min(d.hour) FROM chatsluice.rollup_dirty d) AS oldest_unsettled_hour
FROM chatsluice.rollup_lag l;

REVOKE EXECUTE ON FUNCTION moderation.room_between(timestamptz, timestamptz, bigint, text),
    moderation.offender(timestamptz, timestamptz, text, bigint, integer),
    moderation.latency_between(timestamptz, timestamptz, bigint) FROM PUBLIC;

-- A person's erasure (0007).
CREATE FUNCTION chatsluice.erase_in_rollups(erased text, app bigint, token text) RETURNS void
    LANGUAGE sql
AS $$ SELECT chatsluice.rollup_rename_sender(app, erased, token) $$;
