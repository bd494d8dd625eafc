-- Messages: what moderators see of them, whether they were delivered, and how they are found.

-- Indexes of every partition, today's too. tests/bench/bench.py search measures what they cost the loading; anything heavier
-- waits until the day is over (chatsluice.heavy_index below).
--
-- Recalls and failed sends are few: a message finds its own without a look at all that the room said since.
CREATE INDEX event_rare ON chatsluice.event (group_id, event_time) WHERE command IN ('exception', 'recall');
-- So is what rules hit or acted on, and it is what moderators ask for most, of one room or all.
CREATE INDEX event_acted ON chatsluice.event (event_time) WHERE verdict <> 'allow' OR hits IS NOT NULL;
CREATE INDEX event_acted_room ON chatsluice.event (group_id, event_time) WHERE verdict <> 'allow' OR hits IS NOT NULL;
-- Names without a room: of 32 pages the index knows which names cannot be in them.
CREATE INDEX event_names ON chatsluice.event
    USING brin (event_id uuid_bloom_ops (n_distinct_per_range = 300), msg_id text_bloom_ops (n_distinct_per_range = 300),
                from_account text_bloom_ops (n_distinct_per_range = 300))
    WITH (pages_per_range = 32, autosummarize = on);

-- What a person decided about a message, for moderation.message, whose readers have no rights on the table. Nothing can be
-- decided before 0009, which puts the table under these.
CREATE FUNCTION chatsluice.review_state(room text, at timestamptz, event uuid) RETURNS text
    LANGUAGE sql STABLE
AS $$ SELECT NULL::text $$;
CREATE FUNCTION chatsluice.review_decision(room text, at timestamptz, event uuid) RETURNS text
    LANGUAGE sql STABLE
AS $$ SELECT NULL::text $$;

-- One row a message: the Before webhook joined with the After webhook that shows its delivery, or the exception that says
-- why there was none, its recall and its correction.
--
-- Webhooks belong to one message when application, group, sender and Random are equal, MsgId too when both have it, and
-- their times are near. An After webhook belongs to the last such Before, for a client that tries again sends the same
-- Random again, and a Before has one After. MsgTime is in whole seconds and may come from another clock than the Before's
-- time of receipt: hence the five seconds before it. What belongs to no Before is a row of its own: the hook was bypassed, or
-- its webhook lost (`protocol.md` section 1).
--
-- A condition on group_id, alone or with one on sent_at, uses the primary key; one on sent_at keeps to its days and finds its
-- stretch of them by event_order. The other webhooks of each row are then looked up in its room and minute: the
-- sub-selects with LIMIT keep the planner from joining whole days instead, and end at the first match.
--
-- said is what the sender wrote, whichever webhook tells it.
CREATE VIEW chatsluice.message AS
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
       a.event_id AS after_event_id,
       x.exception_code,
       x.exception_info,
       x.event_id AS exception_event_id,
       b.event_id,
       b.text AS said,
       b.cloud_custom_data_json AS custom_data_json
FROM chatsluice.event b
LEFT JOIN LATERAL (SELECT v.event_time, v.event_id, v.msg_id, v.msg_seq, v.text, v.cloud_custom_data
                   FROM chatsluice.event v
                   WHERE v.command = 'after'
                     AND v.group_id = b.group_id
                     AND v.event_time BETWEEN b.event_time - interval '5 seconds' AND b.event_time + interval '1 minute'
                     AND v.sdkappid = b.sdkappid
                     AND v.from_account = b.from_account
                     AND v.random = b.random
                     AND (v.msg_id = b.msg_id OR v.msg_id IS NULL OR b.msg_id IS NULL)
                     AND NOT EXISTS (SELECT
                                     FROM chatsluice.event later
                                     WHERE later.command = 'before'
                                       AND later.group_id = b.group_id
                                       AND later.event_time BETWEEN b.event_time AND v.event_time + interval '5 seconds'
                                       AND (later.event_time, later.event_id) > (b.event_time, b.event_id)
                                       AND later.sdkappid = b.sdkappid
                                       AND later.from_account = b.from_account
                                       AND later.random = b.random
                                       AND (v.msg_id = later.msg_id OR v.msg_id IS NULL OR later.msg_id IS NULL)
                                     OFFSET 0)
                   ORDER BY v.event_time, v.event_id
                   LIMIT 1) a ON true
LEFT JOIN LATERAL (SELECT v.event_id, v.exception_code, v.exception_info
                   FROM chatsluice.event v
                   WHERE a.event_id IS NULL
                     AND v.command = 'exception'
                     AND v.group_id = b.group_id
                     AND v.event_time BETWEEN b.event_time - interval '5 seconds' AND b.event_time + interval '1 minute'
                     AND v.sdkappid = b.sdkappid
                     AND v.from_account = b.from_account
                     AND v.random = b.random
                     AND (v.msg_id = b.msg_id OR v.msg_id IS NULL OR b.msg_id IS NULL)
                   ORDER BY v.event_time, v.event_id
                   LIMIT 1) x ON true
WHERE b.command = 'before'
UNION ALL
SELECT u.group_id, u.event_time, u.sdkappid, u.group_type, u.topic_id, u.from_account, u.operator_account, u.msg_id, u.random,
       u.msg_seq, CASE WHEN u.command = 'after' THEN u.event_time END, NULL, NULL, NULL, NULL, u.hits, u.rule_revision, NULL,
       NULL, CASE WHEN u.command = 'after' THEN u.text END, NULL,
       CASE WHEN u.command = 'after' THEN u.cloud_custom_data END, u.client_ip, u.platform, NULL, NULL,
       CASE WHEN u.command = 'after' THEN u.event_id END, u.exception_code, u.exception_info,
       CASE WHEN u.command = 'exception' THEN u.event_id END, u.event_id, u.text, u.cloud_custom_data_json
FROM chatsluice.event u
LEFT JOIN LATERAL (SELECT v.event_time
                   FROM chatsluice.event v
                   WHERE v.command = 'before'
                     AND v.group_id = u.group_id
                     AND v.event_time BETWEEN u.event_time - interval '1 minute' AND u.event_time + interval '5 seconds'
                     AND v.sdkappid = u.sdkappid
                     AND v.from_account = u.from_account
                     AND v.random = u.random
                     AND (v.msg_id = u.msg_id OR v.msg_id IS NULL OR u.msg_id IS NULL)
                   ORDER BY v.event_time DESC, v.event_id DESC
                   LIMIT 1) b ON true
WHERE u.command IN ('after', 'exception')
  AND (b.event_time IS NULL
       -- It has an After already, which came before this one.
       OR (u.command = 'after'
           AND EXISTS (SELECT
                       FROM chatsluice.event v
                       WHERE v.command = 'after'
                         AND v.group_id = u.group_id
                         AND v.event_time BETWEEN b.event_time - interval '5 seconds' AND u.event_time
                         AND (v.event_time, v.event_id) < (u.event_time, u.event_id)
                         AND v.sdkappid = u.sdkappid
                         AND v.from_account = u.from_account
                         AND v.random = u.random
                         AND (v.msg_id = u.msg_id OR v.msg_id IS NULL OR u.msg_id IS NULL))));

-- What became of a message, in one word of the ledger. The first that holds:
--   rejected but delivered    we said stop, and its After webhook came
--   corrected                 what a rule or a person sent in its place, or the original after all, is in the room
--   answered too late         our answer left when the platform did not wait for it any more: it did what its console says
--   blocked                   we said stop, and nothing shows it in the room
--   delivered rewritten, delivered
--   dropped by the platform   we let it through, and the platform says why it did not
--   not confirmed             we let it through, and nothing tells more: dropped silently, or its After webhook lost or to come
--   delivered unasked         an After webhook without a Before
--
-- Late is what took the platform's two seconds: judge_us counts from the head of the request to the verdict, and the answer
-- follows at once, or by webhook.deadline when the disk stalls. Whoever reads the views calls this function, so it names
-- nothing of a schema he has no right to.
CREATE FUNCTION chatsluice.message_outcome(verdict text, before_id uuid, after_id uuid, exception_id uuid, judge_us bigint,
                                           correction_state text) RETURNS text
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN after_id IS NOT NULL AND verdict IN ('reject', 'discard') THEN 'rejected but delivered'
        WHEN correction_state = 'done' THEN 'corrected'
        WHEN before_id IS NULL AND after_id IS NOT NULL THEN 'delivered unasked'
        WHEN judge_us >= 2000000 THEN 'answered too late'
        WHEN verdict IN ('reject', 'discard') THEN 'blocked'
        WHEN after_id IS NOT NULL AND verdict IN ('mask', 'replace') THEN 'delivered rewritten'
        WHEN after_id IS NOT NULL THEN 'delivered'
        WHEN exception_id IS NOT NULL THEN 'dropped by the platform'
        ELSE 'not confirmed'
    END
$$;

CREATE OR REPLACE VIEW moderation.message AS
SELECT m.group_id,
       m.sent_at,
       m.sdkappid,
       m.group_type,
       m.topic_id,
       m.from_account,
       m.operator_account,
       m.msg_id,
       m.random,
       m.msg_seq,
       m.delivered_at,
       m.after_event_id IS NOT NULL AS delivered,
       chatsluice.message_outcome(m.verdict, m.before_event_id, m.after_event_id, m.exception_event_id, m.judge_us, o.state)
           AS outcome,
       m.verdict,
       m.decided_by,
       m.rule,
       m.error_code,
       m.hits,
       m.rule_revision,
       m.text,
       m.rewritten,
       m.delivered_text,
       m.cloud_custom_data,
       m.delivered_cloud_custom_data,
       m.client_ip,
       m.platform,
       m.judge_us,
       m.before_event_id,
       m.after_event_id,
       m.exception_code,
       m.exception_info,
       coalesce(r.event_time, o.recalled_at) AS recalled_at,
       o.outbox_id AS correction_outbox_id,
       o.state AS correction_state,
       o.text AS corrected_text,
       chatsluice.review_state(m.group_id, m.sent_at, m.before_event_id) AS review_state,
       chatsluice.review_decision(m.group_id, m.sent_at, m.before_event_id) AS review_decision,
       m.event_id, -- of the Before, else of what told of the message
       m.said      -- text, and where there was no Before what the other webhook says
FROM chatsluice.message m
-- Topics of one community count their messages apart.
LEFT JOIN LATERAL (SELECT v.event_time
                   FROM chatsluice.event v
                   WHERE v.command = 'recall'
                     AND v.group_id = m.group_id
                     AND v.event_time >= m.delivered_at
                     AND v.sdkappid = m.sdkappid
                     AND coalesce(v.topic_id, '') = coalesce(m.topic_id, '')
                     AND m.msg_seq = ANY (v.recalled_seqs)
                   ORDER BY v.event_time
                   LIMIT 1) r ON true
-- Of several corrections the one that was carried out, else the newest. A recall of ours may have no webhook.
LEFT JOIN LATERAL (SELECT (array_agg(c.outbox_id ORDER BY c.state = 'done' DESC, c.created_at DESC)
                               FILTER (WHERE c.action = 'send_text'))[1] AS outbox_id,
                          (array_agg(c.state ORDER BY c.state = 'done' DESC, c.created_at DESC)
                               FILTER (WHERE c.action = 'send_text'))[1] AS state,
                          (array_agg(c.text ORDER BY c.state = 'done' DESC, c.created_at DESC)
                               FILTER (WHERE c.action = 'send_text'))[1] AS text,
                          min(c.delivered_at) FILTER (WHERE c.action = 'recall' AND c.state = 'done') AS recalled_at
                   FROM chatsluice.outbox c
                   WHERE c.room_id = m.group_id
                     AND c.event_id IN (m.before_event_id, m.after_event_id)) o ON true;

-- The ledger of deliveries, without what was said.
CREATE VIEW moderation.delivery AS
SELECT m.group_id AS room_id,
       m.sent_at,
       m.sdkappid,
       m.topic_id,
       m.from_account AS account,
       m.msg_id,
       m.msg_seq,
       m.outcome,
       m.verdict,
       m.decided_by,
       m.rule,
       m.error_code,
       m.rule_revision,
       m.delivered,
       m.delivered_at,
       -- Of a rewritten message: what its After webhook shows, which the platform does not promise to be what the room saw.
       CASE WHEN m.delivered AND m.rewritten IS NOT NULL
            THEN CASE m.delivered_text WHEN m.rewritten THEN 'rewritten' WHEN m.text THEN 'original' ELSE 'other' END
       END AS delivered_as,
       m.judge_us / 1000.0 AS answer_ms,
       coalesce(m.judge_us >= 2000000, false) AS answered_late,
       m.exception_code,
       m.exception_info,
       m.recalled_at,
       m.correction_outbox_id,
       m.correction_state,
       m.before_event_id,
       m.after_event_id
FROM moderation.message m;

-- Heavy indexes ---------------------------------------------------------------------------------------------------------

-- Every one- and two-character piece of a text that is not ASCII, in lower case: what an index can know of a needle too
-- short for trigrams. Chinese words mostly are.
CREATE FUNCTION chatsluice.text_pairs(said text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT array_agg(p.piece)
    FROM string_to_array(lower(said), NULL) a
    CROSS JOIN unnest(a, a[2:]) c (one, next)
    CROSS JOIN LATERAL (VALUES (c.one), (CASE WHEN ascii(c.next) > 127 THEN c.one || c.next END)) p (piece)
    WHERE ascii(c.one) > 127 AND p.piece IS NOT NULL
$$;

-- Indexes too heavy for the day that is being written: `chatsluice maintain` builds them on each partition once its day is
-- over. Building them all takes about as long as loading the day did. needs: an extension; without it search still
-- works, and reads more.
CREATE FUNCTION chatsluice.heavy_index()
    RETURNS TABLE (name text, needs text, how text)
    LANGUAGE sql IMMUTABLE
AS $$
    VALUES
        ('id',      NULL,      'btree (event_id)'),
        ('msg_id',  NULL,      'btree (msg_id) WHERE msg_id IS NOT NULL'),
        ('msg_seq', NULL,      'btree (group_id, msg_seq) WHERE msg_seq IS NOT NULL'),
        ('sender',  NULL,      'btree (from_account, event_time)'),
        ('hits',    NULL,      'gin (hits jsonb_path_ops) WHERE hits IS NOT NULL'),
        ('custom',  NULL,      'gin (cloud_custom_data_json jsonb_path_ops) WHERE cloud_custom_data_json IS NOT NULL'),
        ('pairs',   NULL,      'gin (chatsluice.text_pairs(text)) WHERE octet_length(text) > char_length(text)'),
        ('text',    'pg_trgm', 'gin (text {needs}.gin_trgm_ops)')
$$;

-- Days of chatsluice.event that are over, by so much at least. What comes late still goes in.
CREATE FUNCTION chatsluice.closed_partitions(margin interval DEFAULT '1 hour')
    RETURNS TABLE (partition_name text, day date)
    LANGUAGE sql STABLE
AS $$
    SELECT d.relname, d.day
    FROM (SELECT c.relname::text, to_date(substr(c.relname, 7), 'YYYYMMDD') AS day
          FROM pg_catalog.pg_inherits i
          JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'chatsluice.event'::regclass AND c.relname ~ '^event_[0-9]{8}$') d
    WHERE (d.day + 1)::timestamp AT TIME ZONE 'UTC' + margin <= now()
$$;

-- What heavy indexes of closed days still need: state 'missing'; 'broken', left behind by a build that did not end; 'building',
-- which is somebody's at this moment; 'unavailable', for want of an extension. Newest days first.
CREATE FUNCTION chatsluice.index_work(margin interval DEFAULT '1 hour')
    RETURNS TABLE (partition_name text, index_name text, state text, build text)
    LANGUAGE sql STABLE
AS $$
    SELECT p.partition_name, w.index_name,
           CASE WHEN b.index_relid IS NOT NULL THEN 'building' WHEN x.indexrelid IS NOT NULL THEN 'broken'
                WHEN h.needs IS NOT NULL AND e.oid IS NULL THEN 'unavailable' ELSE 'missing' END,
           format('CREATE INDEX CONCURRENTLY %I ON chatsluice.%I USING %s', w.index_name, p.partition_name,
                  replace(h.how, '{needs}', coalesce(quote_ident(n.nspname), '')))
    FROM chatsluice.closed_partitions(margin) p
    CROSS JOIN chatsluice.heavy_index() h
    CROSS JOIN LATERAL (SELECT p.partition_name || '_' || h.name AS index_name) w
    LEFT JOIN pg_catalog.pg_extension e ON e.extname = h.needs
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
    LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = to_regclass(format('chatsluice.%I', w.index_name))
    LEFT JOIN pg_catalog.pg_stat_progress_create_index b ON b.index_relid = x.indexrelid
    WHERE x.indexrelid IS NULL OR NOT x.indisvalid
    ORDER BY p.day DESC, h.name
$$;

-- Search -----------------------------------------------------------------------------------------------------------------

-- The part of a WHERE clause for the conditions that are given; values stay parameters $1 to $12 of the statement, in
-- the order of search_keys below. v is the row's name in it. pairs: the partition has the index of that name.
CREATE FUNCTION chatsluice.search_condition(v text, needle text, room text, account text, rule text, term text,
                                            verdicts text[], path jsonpath, event uuid, msg_id text, msg_seq bigint,
                                            app bigint, pairs boolean)
    RETURNS text
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT coalesce(string_agg(' AND ' || replace(c.condition, 'v.', v || '.'), ''), '')
    FROM (VALUES
        -- What has no upper case is found by the cheaper operator.
        (needle IS NOT NULL AND lower(needle) = upper(needle), 'v.text LIKE $1'),
        (needle IS NOT NULL AND lower(needle) <> upper(needle), 'v.text ILIKE $1'),
        (needle IS NOT NULL AND pairs,
         'chatsluice.text_pairs(v.text) @> $2 AND octet_length(v.text) > char_length(v.text)'),
        (room IS NOT NULL, 'v.group_id = $3'),
        (account IS NOT NULL, 'v.from_account = $4'),
        (rule IS NOT NULL, '(v.hits @> jsonb_build_array(jsonb_build_object(''rule'', $5)) OR '
                           'v.hits @> jsonb_build_array(jsonb_build_object(''scorecard'', $5)))'),
        (term IS NOT NULL, 'v.hits @> jsonb_build_array(jsonb_build_object(''term'', $6))'),
        (verdicts IS NOT NULL, 'v.verdict = ANY ($7)'),
        (path IS NOT NULL, 'v.cloud_custom_data_json @? $8'),
        (event IS NOT NULL, 'v.event_id = $9'),
        (msg_id IS NOT NULL, 'v.msg_id = $10'),
        (msg_seq IS NOT NULL, 'v.msg_seq = $11'),
        (app IS NOT NULL, 'v.sdkappid = $12')) c (given, condition)
    WHERE c.given
$$;

-- The place of an event in a search, to go on from.
CREATE FUNCTION chatsluice.search_cursor(at timestamptz, event uuid) RETURNS text
    LANGUAGE sql IMMUTABLE
AS $$ SELECT (extract(epoch FROM at) * 1000000)::bigint || ':' || event $$;

-- Messages that meet the conditions, newest first: each by its event_id and time, as moderation.message has them, and the place
-- of the webhook by which it was found. A message is found by its Before, or by another webhook of it that meets the
-- conditions when the Before does not.
--
-- It goes back through time in slices that never span two days. A slice that finds nothing is followed by a longer one, up
-- to a day, so that what is common is found in minutes of traffic and what is rare by one look into the indexes of each
-- day. A condition that has an index in order of time, on every partition, begins with days.
CREATE FUNCTION chatsluice.search_keys(needle text, room text, account text, rule text, term text, verdicts text[],
                                       path jsonpath, event uuid, msg_id text, msg_seq bigint, app bigint,
                                       since timestamptz, until timestamptz, max_rows integer, cursor text)
    RETURNS TABLE (room_id text, sent_at timestamptz, event_id uuid, found_at timestamptz, found_by uuid)
    LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
    one_day CONSTANT interval := '1 day';
    pattern CONSTANT text := '%' || regexp_replace(needle, '([\\%_])', '\\\1', 'g') || '%';
    -- Trigrams need three letters in a row. Shorter needles that are not ASCII have the index of pairs.
    pieces CONSTANT text[] := CASE WHEN needle !~ '[[:alnum:]]{3}' THEN chatsluice.text_pairs(needle) END;
    slice interval := CASE WHEN coalesce(room, rule, term, verdicts[1], event::text, msg_id) IS NULL THEN '5 minutes'
                           ELSE one_day END;
    low timestamptz;
    high timestamptz;
    start_at timestamptz;
    last_at timestamptz;
    last_id uuid;
    pairs boolean;
    wanted integer;
    seen integer;
    found integer := 0;
    r record;
BEGIN
    -- Where there are rows at all; both ends of the default partition too.
    SELECT least(min(to_date(substr(c.relname, 7), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC'), min(d.first)),
           greatest(max((to_date(substr(c.relname, 7), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC'), max(d.last))
    INTO low, high
    FROM (SELECT min(e.event_time) AS first, max(e.event_time) + interval '1 microsecond' AS last
          FROM chatsluice.event_default e) d
    LEFT JOIN pg_catalog.pg_inherits i ON i.inhparent = 'chatsluice.event'::regclass
    LEFT JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relname ~ '^event_[0-9]{8}$';
    low := greatest(since, low);
    high := least(until, high);
    IF cursor IS NOT NULL THEN
        IF cursor !~ '^[0-9]{1,18}:[0-9a-f-]{36}$' THEN
            RAISE EXCEPTION 'this is no cursor of a search' USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Give the column cursor of the last row.';
        END IF;
        last_at := timestamptz '1970-01-01 00:00:00+00' + split_part(cursor, ':', 1)::bigint * interval '1 microsecond';
        last_id := split_part(cursor, ':', 2)::uuid;
        high := least(high, last_at + interval '1 microsecond');
    END IF;

    WHILE found < max_rows AND high > low LOOP
        start_at := greatest(low, date_trunc('day', high - interval '1 microsecond', 'UTC'),
                             CASE WHEN high > now() THEN least(now(), high - interval '1 microsecond')
                                  ELSE high - slice END);
        pairs := pieces IS NOT NULL
                 AND EXISTS (SELECT FROM pg_catalog.pg_index x
                             WHERE x.indexrelid = to_regclass('chatsluice.event_' || to_char(start_at AT TIME ZONE 'UTC',
                                                                                             'YYYYMMDD') || '_pairs')
                               AND x.indisvalid);
        wanted := 2 * (max_rows - found) + 2;
        seen := 0;
        FOR r IN EXECUTE
            'SELECT f.group_id, f.event_time, f.event_id, coalesce(b.event_time, f.event_time) AS sent_at, '
            '       coalesce(b.event_id, f.event_id) AS message, b.matches IS TRUE AS twice '
            'FROM (SELECT v.* FROM chatsluice.event v '
            '      WHERE v.event_time >= $13 AND v.event_time < $14 AND (v.event_time, v.event_id) < ($15, $16)'
            '        AND v.command IN (''before'', ''after'', ''exception'')'
            || chatsluice.search_condition('v', needle, room, account, rule, term, verdicts, path, event, msg_id, msg_seq,
                                           app, pairs) ||
            '      ORDER BY v.event_time DESC, v.event_id DESC LIMIT $17) f '
            'LEFT JOIN LATERAL (SELECT e.event_time, e.event_id, coalesce(true'
            || chatsluice.search_condition('e', needle, room, account, rule, term, verdicts, path, event, msg_id, msg_seq,
                                           app, false) || ', false) AS matches '
            '                   FROM chatsluice.event e '
            '                   WHERE f.command <> ''before'' AND e.command = ''before'' AND e.group_id = f.group_id'
            '                     AND e.event_time BETWEEN f.event_time - interval ''1 minute'''
            '                                          AND f.event_time + interval ''5 seconds'''
            '                     AND e.event_time BETWEEN $13 - interval ''1 minute'' AND $14 + interval ''5 seconds'''
            '                     AND e.sdkappid = f.sdkappid AND e.from_account = f.from_account AND e.random = f.random'
            '                     AND (e.msg_id = f.msg_id OR e.msg_id IS NULL OR f.msg_id IS NULL)'
            '                   ORDER BY e.event_time DESC, e.event_id DESC LIMIT 1) b ON true '
            'ORDER BY f.event_time DESC, f.event_id DESC'
            USING pattern, pieces, room, account, rule, term, verdicts, path, event, msg_id, msg_seq, app, start_at, high,
                  coalesce(last_at, 'infinity'), coalesce(last_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'), wanted
        LOOP
            seen := seen + 1;
            last_at := r.event_time;
            last_id := r.event_id;
            IF NOT r.twice AND found < max_rows THEN
                found := found + 1;
                room_id := r.group_id;
                sent_at := r.sent_at;
                event_id := r.message;
                found_at := r.event_time;
                found_by := r.event_id;
                RETURN NEXT;
            END IF;
        END LOOP;
        IF seen = wanted THEN
            high := last_at + interval '1 microsecond'; -- there is more in this slice
        ELSE
            -- Ahead of now is nothing but what clocks that differ have put there.
            slice := CASE WHEN high > now() THEN slice ELSE least(one_day, slice * CASE WHEN seen = 0 THEN 16 ELSE 4 END) END;
            high := start_at;
        END IF;
    END LOOP;
END
$$;

-- The condition that custom_data and custom_value of a search come to.
CREATE FUNCTION chatsluice.search_path_of(custom_data text, custom_value text) RETURNS jsonpath
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT (custom_data
            || CASE WHEN custom_value ~ '^(-?[0-9]{1,30}(\.[0-9]{1,30})?|true|false)$'
                    THEN format(' ? (@ == %s || @ == %s)', to_json(custom_value), custom_value)
                    WHEN custom_value IS NOT NULL THEN format(' ? (@ == %s)', to_json(custom_value)) ELSE '' END)::jsonpath
$$;

CREATE TYPE chatsluice.found_message AS (
    room_id text, sent_at timestamptz, account text, text text, verdict text, rule text, outcome text, rewritten text,
    delivered_text text, corrected_text text, hits jsonb, custom_data text, sdkappid bigint, topic_id text, msg_id text,
    msg_seq bigint, decided_by text, error_code integer, rule_revision bigint, delivered_at timestamptz,
    recalled_at timestamptz, exception_code bigint, correction_state text, review_state text, review_decision text,
    before_event_id uuid, after_event_id uuid, event_id uuid, cursor text
);

-- Messages by what was said, where, by whom, what rules made of it, when, and by name; all that is given has to hold. Newest
-- first, at most max_rows (1,000); the column cursor of the last row, given as cursor, goes on after it.
--
--   text         a part of what was said or, as a webhook tells, delivered; upper or lower case; % and _ stand for themselves
--   rule, term   one that hit, whether or not it decided; a scorecard is a rule here
--   verdict      one, or several with commas: 'reject,discard'
--   custom_data  a JSON path that something in CloudCustomData answers to: '$.lvl ? (@ >= 30)'; with custom_value, what is at
--                the path is this text, number, true or false
--   event_id     of any webhook of the message
--   since, until from when, and before when
CREATE FUNCTION moderation.search(text text DEFAULT NULL, room text DEFAULT NULL, account text DEFAULT NULL,
                                  rule text DEFAULT NULL, term text DEFAULT NULL, verdict text DEFAULT NULL,
                                  since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity',
                                  custom_data text DEFAULT NULL, custom_value text DEFAULT NULL,
                                  event_id uuid DEFAULT NULL, msg_id text DEFAULT NULL, msg_seq bigint DEFAULT NULL,
                                  app bigint DEFAULT NULL, max_rows integer DEFAULT 50, cursor text DEFAULT NULL)
    RETURNS SETOF chatsluice.found_message
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    -- Plans over many days look dear and are not, and take longer to make than to run: once a session is enough.
    SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    verdicts CONSTANT text[] := string_to_array(replace(verdict, ' ', ''), ',');
    wrong CONSTANT text := (SELECT string_agg(v, ', ') FROM unnest(verdicts) v
                            WHERE v NOT IN ('allow', 'flag', 'mask', 'replace', 'reject', 'discard'));
BEGIN
    IF text = '' OR verdict = '' OR wrong IS NOT NULL OR (custom_value IS NOT NULL AND custom_data IS NULL)
       OR coalesce(max_rows, 0) NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION '%', CASE
            WHEN text = '' THEN 'there is no text to look for'
            WHEN verdict = '' OR wrong IS NOT NULL THEN format('"%s" is no verdict', wrong)
            WHEN custom_value IS NOT NULL AND custom_data IS NULL THEN 'custom_value needs a path in custom_data'
            ELSE 'max_rows is from 1 to 1000' END
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
    SELECT m.group_id, m.sent_at, m.from_account, m.said, m.verdict, m.rule, m.outcome, m.rewritten, m.delivered_text,
           m.corrected_text, m.hits, coalesce(m.cloud_custom_data, m.delivered_cloud_custom_data), m.sdkappid, m.topic_id,
           m.msg_id, m.msg_seq, m.decided_by, m.error_code, m.rule_revision, m.delivered_at, m.recalled_at,
           m.exception_code, m.correction_state, m.review_state, m.review_decision, m.before_event_id, m.after_event_id,
           m.event_id, chatsluice.search_cursor(k.found_at, k.found_by)
    FROM chatsluice.search_keys(search.text, search.room, search.account, search.rule, search.term, verdicts,
                                chatsluice.search_path_of(search.custom_data, search.custom_value), search.event_id,
                                search.msg_id, search.msg_seq, search.app, search.since, search.until, search.max_rows,
                                search.cursor) WITH ORDINALITY k (room_id, sent_at, event_id, found_at, found_by, place)
    -- OFFSET keeps it a look-up for each.
    CROSS JOIN LATERAL (SELECT * FROM moderation.message v
                        WHERE v.group_id = k.room_id AND v.sent_at = k.sent_at AND v.event_id = k.event_id OFFSET 0) m
    ORDER BY k.place;
END
$$;

REVOKE EXECUTE ON FUNCTION moderation.search FROM PUBLIC;
