-- Reports: the figures of a period, frozen so that the same question gets the same answer later; and incidents, which
-- nothing else in the database tells of.
--
-- The document of a report is JSON of version 1. Whole numbers only: shares are parts per million (names ending in _ppm, null
-- when there is nothing to take a share of), times of day are RFC 3339 in the report's time zone, durations are microseconds
-- (_us) or seconds (_s). Lists have an order that the data alone decides, and a bound; "left_out" counts what is beyond it.
-- Accounts of senders are not in it: offenders are numbered, and who they are stands in frozen_report_person, so that it can be
-- withheld from a reader and erased.
--
-- What as_of means. A webhook counts when it was received by then, whenever it was loaded; a decision, a publication, an
-- annotation, an acknowledgement when it was made by then; an outbox row when it was asked for by then, as 'under way' when
-- it has changed since. What was erased or has left the database by retention is not there any more for a report made after
-- that; one made before stays as it is.

-- Incidents ----------------------------------------------------------------------------------------------------------

-- What an instance lived through. It writes a row once it has a connection, so rows of an outage come after it; what it had
-- not written when it was killed is lost. seen_at: when it last said that it goes on, or the end.
CREATE TABLE chatsluice.incident (
    instance_id text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('spool filling', 'spool full', 'spool stalled', 'database away',
                                                     'breaker open')),
    subject     text        NOT NULL, -- of a breaker the application; else ''
    began_at    timestamptz NOT NULL,
    ended_at    timestamptz,          -- null: it goes on, or its instance ended without a word
    seen_at     timestamptz NOT NULL,
    detail      text        NOT NULL,
    PRIMARY KEY (instance_id, kind, subject, began_at)
);
CREATE INDEX incident_began ON chatsluice.incident (began_at);

-- Frozen answers -----------------------------------------------------------------------------------------------------

CREATE TABLE chatsluice.frozen_report (
    report_id uuid        PRIMARY KEY, -- a digest of the question
    from_time timestamptz NOT NULL,
    to_time   timestamptz NOT NULL,
    room      text,                    -- null: all
    sdkappid  bigint,                  -- null: all
    time_zone text        NOT NULL,
    as_of     timestamptz NOT NULL,
    version   integer     NOT NULL,
    made_at   timestamptz NOT NULL DEFAULT now(),
    made_by   text        NOT NULL,
    document  json        NOT NULL     -- json keeps its bytes
);

CREATE TABLE chatsluice.frozen_report_person (
    report_id uuid    NOT NULL REFERENCES chatsluice.frozen_report ON DELETE CASCADE,
    place     integer NOT NULL, -- in the document's offenders
    sdkappid  bigint  NOT NULL,
    account   text,             -- null: erased
    PRIMARY KEY (report_id, place)
);
CREATE INDEX frozen_report_person_account ON chatsluice.frozen_report_person (account);

-- Erasing a person reaches into frozen reports: the figures stay, the name goes. Returns how many places had it.
CREATE FUNCTION chatsluice.scrub_reports(erased text, app bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    places bigint;
BEGIN
    UPDATE chatsluice.frozen_report_person p
    SET account = NULL
    WHERE p.account = erased AND (app IS NULL OR p.sdkappid = app);
    GET DIAGNOSTICS places = ROW_COUNT;
    RETURN places;
END
$$;

-- The question -------------------------------------------------------------------------------------------------------

CREATE TYPE chatsluice.report_question AS (
    from_time timestamptz,
    to_time   timestamptz,
    room      text,
    app       bigint,
    time_zone text,
    as_of     timestamptz
);

-- Refuses what cannot be answered.
CREATE FUNCTION chatsluice.check_report(q chatsluice.report_question) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'a report cannot be made in a % transaction: its figures would not be of one moment',
            current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state', HINT = 'BEGIN ISOLATION LEVEL REPEATABLE READ.';
    END IF;
    IF q.from_time IS NULL OR q.to_time IS NULL OR q.as_of IS NULL OR q.time_zone IS NULL
       OR NOT isfinite(q.from_time) OR NOT isfinite(q.to_time) OR NOT isfinite(q.as_of) THEN
        RAISE EXCEPTION 'a report needs a beginning, an end, a moment and a time zone'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF q.from_time >= q.to_time THEN
        RAISE EXCEPTION 'the period ends before it begins' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF q.to_time - q.from_time > interval '3700 days' THEN
        RAISE EXCEPTION 'the period is longer than ten years' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF q.as_of > now() THEN
        RAISE EXCEPTION 'as_of is in the future: what will be known then cannot be told now'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF q.from_time >= q.as_of THEN
        RAISE EXCEPTION 'the period begins after as_of' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF q.room IS NOT NULL AND NOT EXISTS (SELECT FROM chatsluice.event e WHERE e.group_id = q.room) THEN
        RAISE EXCEPTION 'no webhook of the room is stored' USING ERRCODE = 'no_data_found';
    END IF;
END
$$;

CREATE FUNCTION chatsluice.ppm(part bigint, whole bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE
AS $$ SELECT round(part * 1000000.0 / nullif(whole, 0))::bigint $$;

CREATE FUNCTION chatsluice.whole_us(t interval) RETURNS bigint
    LANGUAGE sql IMMUTABLE
AS $$ SELECT round(extract(epoch FROM t) * 1000000)::bigint $$;

-- What the sections are counted from ---------------------------------------------------------------------------------

-- pg_temp.report_event: the webhooks of the period, and those just outside that belong to its messages (inside is false).
CREATE FUNCTION chatsluice.gather_report_events(q chatsluice.report_question) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    CREATE TEMPORARY TABLE report_event AS
    SELECT e.event_time, e.event_id, e.command, e.sdkappid, e.group_id, e.from_account, e.random, e.msg_id, e.verdict,
           e.decided_by, e.rule, e.rule_revision, e.judge_us, e.hits, e.fault IS NOT NULL AS unreadable,
           e.event_time >= q.from_time AND e.event_time < q.to_time AS inside
    FROM chatsluice.event e
    WHERE e.event_time >= q.from_time - interval '65 seconds' AND e.event_time < q.to_time + interval '65 seconds'
      AND e.received_at <= q.as_of
      AND (q.room IS NULL OR e.group_id = q.room)
      AND (q.app IS NULL OR e.sdkappid = q.app);
    ANALYZE pg_temp.report_event;
END
$$;

-- pg_temp.report_message: one row a message of the period with what became of it, as moderation.delivery tells it: an After
-- belongs to the last Before of the same application, room, sender and Random in the minute before, a Before to its
-- first After.
CREATE FUNCTION chatsluice.gather_report_messages(q chatsluice.report_question) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    CREATE TEMPORARY TABLE report_pair AS
    SELECT p.*, row_number() OVER (PARTITION BY p.command, p.group_id, p.before_time, p.before_id
                                   ORDER BY p.event_time, p.event_id) = 1 AS is_first
    FROM (SELECT DISTINCT ON (a.event_time, a.event_id, a.group_id)
                 a.command, a.event_time, a.event_id, a.group_id, b.event_time AS before_time, b.event_id AS before_id
          FROM pg_temp.report_event a
          JOIN pg_temp.report_event b
            ON b.command = 'before'
           AND b.group_id = a.group_id AND b.sdkappid = a.sdkappid AND b.from_account = a.from_account
           AND b.random = a.random
           AND (a.msg_id = b.msg_id OR a.msg_id IS NULL OR b.msg_id IS NULL)
           AND b.event_time BETWEEN a.event_time - interval '1 minute' AND a.event_time + interval '5 seconds'
          WHERE a.command IN ('after', 'exception')
          ORDER BY a.event_time, a.event_id, a.group_id, b.event_time DESC, b.event_id DESC) p;
    ANALYZE pg_temp.report_pair; -- without it the joins below are planned for a few rows

    CREATE TEMPORARY TABLE report_message AS
    WITH joined AS (
        SELECT b.*, a.event_id AS after_id, x.event_id AS exception_id
        FROM pg_temp.report_event b
        LEFT JOIN pg_temp.report_pair a ON a.is_first AND a.command = 'after' AND a.group_id = b.group_id
                                       AND a.before_time = b.event_time AND a.before_id = b.event_id
        LEFT JOIN pg_temp.report_pair x ON x.is_first AND x.command = 'exception' AND x.group_id = b.group_id
                                       AND x.before_time = b.event_time AND x.before_id = b.event_id
        WHERE b.command = 'before' AND b.inside
        UNION ALL
        SELECT u.*, CASE WHEN u.command = 'after' THEN u.event_id END, CASE WHEN u.command = 'exception' THEN u.event_id END
        FROM pg_temp.report_event u
        LEFT JOIN pg_temp.report_pair p ON p.group_id = u.group_id AND p.event_time = u.event_time
                                       AND p.event_id = u.event_id
        WHERE u.inside AND u.command IN ('after', 'exception')
          AND (p.event_id IS NULL OR u.command = 'after' AND NOT p.is_first)
    ), corrected AS (
        SELECT DISTINCT o.room_id, o.event_id
        FROM chatsluice.outbox o
        WHERE o.action = 'send_text' AND o.state = 'done' AND o.delivered_at <= q.as_of AND o.event_id IS NOT NULL
          AND o.asked_at >= q.from_time - interval '1 day'
          AND (q.room IS NULL OR o.room_id = q.room)
    )
    SELECT j.event_time, j.event_id, j.command = 'before' AS asked, j.sdkappid, j.group_id, j.from_account, j.verdict,
           j.decided_by, j.rule, j.rule_revision, j.judge_us,
           CASE
               WHEN j.after_id IS NOT NULL AND j.verdict IN ('reject', 'discard') THEN 'rejected but delivered'
               WHEN (j.group_id, j.event_id) IN (SELECT c.room_id, c.event_id FROM corrected c)
                    OR (j.group_id, j.after_id) IN (SELECT c.room_id, c.event_id FROM corrected c) THEN 'corrected'
               WHEN j.command = 'after' THEN 'delivered unasked'
               WHEN j.judge_us >= 2000000 THEN 'answered too late'
               WHEN j.verdict IN ('reject', 'discard') THEN 'blocked'
               WHEN j.after_id IS NOT NULL AND j.verdict IN ('mask', 'replace') THEN 'delivered rewritten'
               WHEN j.after_id IS NOT NULL THEN 'delivered'
               WHEN j.exception_id IS NOT NULL THEN 'dropped by the platform'
               ELSE 'not confirmed'
           END AS outcome
    FROM joined j;
    DROP TABLE pg_temp.report_pair;
    ANALYZE pg_temp.report_message;
END
$$;

-- Sections -----------------------------------------------------------------------------------------------------------

-- A section is {"rows": [...], "left_out": n}: of_all is how many rows there are, shown or not.
CREATE FUNCTION chatsluice.report_section(shown jsonb, of_all bigint) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT jsonb_build_object('rows', coalesce(shown, '[]'),
                              'left_out', coalesce(of_all - jsonb_array_length(shown), 0))
$$;

-- A section of single figures: rows of name and value, in the order given.
CREATE FUNCTION chatsluice.report_figures(VARIADIC names_and_values text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT chatsluice.report_section(jsonb_agg(jsonb_build_object('name', names_and_values[i],
                                                                  'value', names_and_values[i + 1]::bigint)
                                               ORDER BY i), NULL)
    FROM generate_series(1, cardinality(names_and_values), 2) AS i
$$;

CREATE FUNCTION chatsluice.report_totals(q chatsluice.report_question) RETURNS jsonb
    LANGUAGE plpgsql
AS $$
DECLARE
    e record;
    m record;
BEGIN
    SELECT count(*) AS webhooks, count(*) FILTER (WHERE command = 'before') AS asked,
           count(*) FILTER (WHERE command = 'after') AS delivered, count(*) FILTER (WHERE command = 'recall') AS recalls,
           count(*) FILTER (WHERE unreadable) AS unreadable
    INTO e
    FROM pg_temp.report_event WHERE inside;
    SELECT count(*) FILTER (WHERE asked) AS messages, count(*) FILTER (WHERE verdict IN ('mask', 'replace')) AS changed,
           count(*) FILTER (WHERE verdict IN ('reject', 'discard')) AS stopped
    INTO m
    FROM pg_temp.report_message;
    RETURN chatsluice.report_figures(
        'messages', m.messages::text,
        'rooms', (SELECT count(*) FROM (SELECT DISTINCT sdkappid, group_id FROM pg_temp.report_event
                                        WHERE inside AND group_id <> '') d)::text,
        'senders', (SELECT count(*) FROM (SELECT DISTINCT sdkappid, from_account FROM pg_temp.report_event
                                          WHERE inside AND command IN ('before', 'after')
                                            AND from_account <> '') d)::text,
        'changed', m.changed::text,
        'stopped', m.stopped::text,
        'acted_ppm', chatsluice.ppm(m.changed + m.stopped, m.messages)::text,
        'delivered', e.delivered::text,
        'recalls', e.recalls::text,
        'webhooks', e.webhooks::text,
        'unreadable', e.unreadable::text,
        'dead_letters', (SELECT count(*) FROM chatsluice.dead_letter d
                         WHERE q.room IS NULL AND q.app IS NULL AND d.parked_at >= q.from_time AND d.parked_at < q.to_time
                           AND d.parked_at <= q.as_of)::text);
END
$$;

-- Minutes of a few hours, hours of a few days, days of a few months, else months; each step is there, with or without
-- messages.
CREATE FUNCTION chatsluice.report_step(q chatsluice.report_question) RETURNS text
    LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN q.to_time - q.from_time <= interval '3 hours' THEN 'minute'
                WHEN q.to_time - q.from_time <= interval '4 days' THEN 'hour'
                WHEN q.to_time - q.from_time <= interval '124 days' THEN 'day'
                ELSE 'month' END
$$;

CREATE FUNCTION chatsluice.report_trend(q chatsluice.report_question) RETURNS jsonb
    LANGUAGE plpgsql
AS $$
DECLARE
    step constant text := chatsluice.report_step(q);
BEGIN
    RETURN (WITH counted AS (
                SELECT date_trunc(step, m.event_time) AS at, count(*) FILTER (WHERE m.asked) AS messages,
                       count(*) FILTER (WHERE m.verdict IN ('allow', 'flag')) AS passed,
                       count(*) FILTER (WHERE m.verdict IN ('mask', 'replace')) AS changed,
                       count(*) FILTER (WHERE m.verdict IN ('reject', 'discard')) AS stopped,
                       count(*) FILTER (WHERE m.outcome = 'delivered unasked') AS unasked
                FROM pg_temp.report_message m
                GROUP BY 1
            ), r AS (
                SELECT s.at, coalesce(c.messages, 0) AS messages, coalesce(c.passed, 0) AS passed,
                       coalesce(c.changed, 0) AS changed, coalesce(c.stopped, 0) AS stopped,
                       coalesce(c.unasked, 0) AS unasked
                FROM generate_series(date_trunc(step, q.from_time), q.to_time - interval '1 microsecond',
                                     ('1 ' || step)::interval) AS s (at)
                LEFT JOIN counted c ON c.at = s.at
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(r) ORDER BY r.at), NULL) FROM r);
END
$$;

CREATE FUNCTION chatsluice.report_verdicts() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH r AS (
                SELECT v.place, v.verdict, count(m.verdict) AS messages,
                       chatsluice.ppm(count(m.verdict), (sum(count(m.verdict)) OVER ())::bigint) AS share_ppm
                FROM unnest('{allow,flag,mask,replace,reject,discard}'::text[]) WITH ORDINALITY AS v (verdict, place)
                LEFT JOIN pg_temp.report_message m ON m.asked AND m.verdict = v.verdict
                GROUP BY 1, 2
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.place), NULL) FROM r);
END
$$;

-- Who decided about every message that is known of, those among them that nobody was asked about.
CREATE FUNCTION chatsluice.report_coverage() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH known AS (
                SELECT CASE WHEN m.asked THEN coalesce(m.decided_by, 'nobody') ELSE 'not asked' END AS decided_by,
                       count(*) AS messages
                FROM pg_temp.report_message m
                WHERE m.asked OR m.outcome = 'delivered unasked'
                GROUP BY 1
            ), r AS (
                SELECT d.place, d.decided_by, coalesce(k.messages, 0) AS messages,
                       chatsluice.ppm(coalesce(k.messages, 0), (sum(k.messages) OVER ())::bigint) AS share_ppm
                FROM unnest('{rule,default,correction,deadline,overload,nobody,not asked}'::text[])
                     WITH ORDINALITY AS d (decided_by, place)
                LEFT JOIN known k USING (decided_by)
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.place), NULL) FROM r);
END
$$;

CREATE FUNCTION chatsluice.report_delivery() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH r AS (
                SELECT o.place, o.outcome, count(m.outcome) AS messages,
                       chatsluice.ppm(count(m.outcome), (sum(count(m.outcome)) OVER ())::bigint) AS share_ppm
                FROM unnest(ARRAY['delivered', 'delivered rewritten', 'blocked', 'corrected',
                                  'rejected but delivered', 'delivered unasked', 'answered too late',
                                  'dropped by the platform', 'not confirmed'])
                     WITH ORDINALITY AS o (outcome, place)
                LEFT JOIN pg_temp.report_message m ON m.outcome = o.outcome
                GROUP BY 1, 2
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.place), NULL) FROM r);
END
$$;

-- What reached a room against the verdict, or without being asked about.
CREATE FUNCTION chatsluice.report_leak_figures() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
DECLARE
    m record;
BEGIN
    SELECT count(*) FILTER (WHERE verdict IN ('reject', 'discard')) AS stopped,
           count(*) FILTER (WHERE outcome = 'rejected but delivered') AS leaked,
           count(*) FILTER (WHERE outcome = 'delivered unasked') AS unasked,
           count(*) FILTER (WHERE asked OR outcome = 'delivered unasked') AS known
    INTO m
    FROM pg_temp.report_message;
    RETURN chatsluice.report_figures(
        'stopped', m.stopped::text,
        'leaked', m.leaked::text,
        'leak_rate_ppm', chatsluice.ppm(m.leaked, m.stopped)::text,
        'unasked', m.unasked::text,
        'unasked_ppm', chatsluice.ppm(m.unasked, m.known)::text);
END
$$;

CREATE FUNCTION chatsluice.report_leaks() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH r AS (
                SELECT m.event_time AS at, m.group_id AS room, m.event_id AS event, m.verdict, m.rule,
                       m.rule_revision AS revision, count(*) OVER () AS of_all
                FROM pg_temp.report_message m
                WHERE m.outcome = 'rejected but delivered'
                ORDER BY m.event_time, m.event_id
                LIMIT 50
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(r) - 'of_all' ORDER BY r.at, r.event), max(r.of_all))
            FROM r);
END
$$;

-- pg_temp.report_review: decisions of people about the period's messages. benign: somebody labelled it harmless.
CREATE FUNCTION chatsluice.gather_report_reviews(q chatsluice.report_question) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    CREATE TEMPORARY TABLE report_review AS
    SELECT m.event_time, m.event_id, m.group_id, m.verdict, m.rule, m.decided_by AS decided_by_service,
           CASE WHEN v.decided_at <= q.as_of THEN v.decision END AS decision,
           CASE WHEN v.decided_at <= q.as_of THEN v.decided_by END AS who,
           CASE WHEN v.decided_at <= q.as_of THEN v.decided_at END AS decided_at,
           coalesce(v.overturned AND v.decided_at <= q.as_of, false) AS overturned,
           EXISTS (SELECT FROM chatsluice.annotation n
                   WHERE n.room_id = m.group_id AND n.event_time = m.event_time AND n.event_id = m.event_id
                     AND n.label = 'benign' AND n.at <= q.as_of) AS benign,
           v.event_id IS NOT NULL AS queued
    FROM pg_temp.report_message m
    LEFT JOIN chatsluice.review v
           ON v.room_id = m.group_id AND v.event_time = m.event_time AND v.event_id = m.event_id
          AND v.event_time >= q.from_time AND v.event_time < q.to_time
    WHERE v.event_id IS NOT NULL
       OR (m.group_id, m.event_time, m.event_id) IN (SELECT n.room_id, n.event_time, n.event_id
                                                     FROM chatsluice.annotation n
                                                     WHERE n.event_time >= q.from_time AND n.event_time < q.to_time
                                                       AND n.label = 'benign' AND n.at <= q.as_of);
    ANALYZE pg_temp.report_review;
END
$$;

-- Rules that hit, and rules and scorecards that decided. messages: that it hit, before or after their delivery, and that
-- counted; decided: whose verdict it
-- gave; shadow: that it would have counted in, had it not only been recorded.
CREATE FUNCTION chatsluice.report_rules() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH hit AS (
                SELECT h.rule, count(*) FILTER (WHERE h.counted) AS messages, count(*) FILTER (WHERE h.shadow) AS shadow,
                       min(h.event_time) AS first_at, max(h.event_time) AS last_at
                FROM (SELECT min(e.event_time) AS event_time, j.value ->> 'rule' AS rule,
                             bool_or(j.value ->> 'state' IN ('counted', 'allow')) AS counted,
                             bool_or(j.value ->> 'state' = 'shadow') AS shadow
                      FROM pg_temp.report_event e
                      CROSS JOIN jsonb_array_elements(e.hits) AS j
                      WHERE e.inside AND jsonb_typeof(e.hits) = 'array'
                      GROUP BY 2, e.sdkappid, e.group_id, e.from_account, e.random,
                               CASE WHEN e.random IS NULL THEN e.event_id END
                      HAVING bool_or(j.value ->> 'state' IN ('counted', 'allow', 'shadow'))) h
                WHERE h.rule IS NOT NULL
                GROUP BY 1
            ), decided AS (
                SELECT m.rule, count(*) AS decided, count(*) FILTER (WHERE m.verdict = 'flag') AS flagged,
                       count(*) FILTER (WHERE m.verdict IN ('mask', 'replace')) AS changed,
                       count(*) FILTER (WHERE m.verdict IN ('reject', 'discard')) AS stopped,
                       min(m.event_time) AS first_at, max(m.event_time) AS last_at
                FROM pg_temp.report_message m
                WHERE m.asked AND m.decided_by = 'rule' AND m.rule IS NOT NULL
                GROUP BY 1
            ), reviewed AS (
                SELECT v.rule, count(*) FILTER (WHERE v.decision IS NOT NULL) AS reviewed,
                       count(*) FILTER (WHERE v.overturned) AS overturned, count(*) FILTER (WHERE v.benign) AS benign
                FROM pg_temp.report_review v
                WHERE v.decided_by_service = 'rule' AND v.rule IS NOT NULL
                GROUP BY 1
            ), r AS (
                SELECT coalesce(h.rule, d.rule) AS rule, coalesce(h.messages, 0) AS messages,
                       coalesce(d.decided, 0) AS decided, coalesce(d.flagged, 0) AS flagged,
                       coalesce(d.changed, 0) AS changed, coalesce(d.stopped, 0) AS stopped,
                       coalesce(h.shadow, 0) AS shadow, coalesce(v.reviewed, 0) AS reviewed,
                       coalesce(v.overturned, 0) AS overturned, chatsluice.ppm(v.overturned, v.reviewed) AS overturned_ppm,
                       coalesce(v.benign, 0) AS benign, least(h.first_at, d.first_at) AS first_at,
                       greatest(h.last_at, d.last_at) AS last_at, count(*) OVER () AS of_all
                FROM hit h
                FULL JOIN decided d USING (rule)
                LEFT JOIN reviewed v ON v.rule = coalesce(h.rule, d.rule)
            ), top AS (
                SELECT * FROM r ORDER BY r.decided DESC, r.messages DESC, r.shadow DESC, r.rule COLLATE "C" LIMIT 200
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(t) - 'of_all'
                                                       ORDER BY t.decided DESC, t.messages DESC, t.shadow DESC,
                                                                t.rule COLLATE "C"),
                                             max(t.of_all))
            FROM top t);
END
$$;

-- Terms of lists. What an expression matched is the sender's own words and is left out.
CREATE FUNCTION chatsluice.report_terms() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH hit AS (
                SELECT j.value ->> 'list' AS list, j.value ->> 'term' AS term,
                       bool_or(j.value ->> 'state' IN ('counted', 'allow')) AS counted
                FROM pg_temp.report_event e
                CROSS JOIN jsonb_array_elements(e.hits) AS j
                WHERE e.inside AND jsonb_typeof(e.hits) = 'array' AND j.value ->> 'list' IS NOT NULL
                  AND j.value ->> 'state' IN ('counted', 'allow', 'shadow')
                GROUP BY 1, 2, e.sdkappid, e.group_id, e.from_account, e.random,
                         CASE WHEN e.random IS NULL THEN e.event_id END
            ), r AS (
                SELECT h.list, h.term, count(*) FILTER (WHERE h.counted) AS messages,
                       count(*) FILTER (WHERE NOT h.counted) AS shadow, count(*) OVER () AS of_all
                FROM hit h
                GROUP BY 1, 2
            ), top AS (
                SELECT * FROM r ORDER BY r.messages DESC, r.shadow DESC, r.list COLLATE "C", r.term COLLATE "C" LIMIT 100
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(t) - 'of_all'
                                                       ORDER BY t.messages DESC, t.shadow DESC, t.list COLLATE "C",
                                                                t.term COLLATE "C"),
                                             max(t.of_all))
            FROM top t);
END
$$;

CREATE FUNCTION chatsluice.report_rooms() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH r AS (
                SELECT m.sdkappid AS app, m.group_id AS room, count(*) FILTER (WHERE m.asked) AS messages,
                       count(*) FILTER (WHERE m.verdict IN ('mask', 'replace')) AS changed,
                       count(*) FILTER (WHERE m.verdict IN ('reject', 'discard')) AS stopped,
                       chatsluice.ppm(count(*) FILTER (WHERE m.verdict IN ('mask', 'replace', 'reject', 'discard')),
                                      count(*) FILTER (WHERE m.asked)) AS acted_ppm,
                       count(*) FILTER (WHERE m.outcome = 'rejected but delivered') AS leaked,
                       count(*) FILTER (WHERE m.outcome = 'delivered unasked') AS unasked, count(*) OVER () AS of_all
                FROM pg_temp.report_message m
                GROUP BY 1, 2
            ), top AS (
                SELECT * FROM r ORDER BY r.messages DESC, r.room COLLATE "C", r.app LIMIT 50
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(t) - 'of_all'
                                                       ORDER BY t.messages DESC, t.room COLLATE "C", t.app),
                                             max(t.of_all))
            FROM top t);
END
$$;

-- pg_temp.report_offender: the senders whom rules stopped or changed most.
CREATE FUNCTION chatsluice.gather_report_offenders(q chatsluice.report_question) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    CREATE TEMPORARY TABLE report_offender AS
    WITH sender AS (
        SELECT m.sdkappid, m.from_account, count(*) AS messages,
               count(*) FILTER (WHERE m.decided_by = 'rule' AND m.verdict IN ('reject', 'discard')) AS stopped,
               count(*) FILTER (WHERE m.decided_by = 'rule' AND m.verdict IN ('mask', 'replace')) AS changed,
               count(*) FILTER (WHERE m.decided_by = 'rule' AND m.verdict = 'flag') AS flagged
        FROM pg_temp.report_message m
        WHERE m.asked AND m.from_account <> ''
        GROUP BY 1, 2
    ), placed AS (
        SELECT row_number() OVER (ORDER BY s.stopped DESC, s.changed DESC, s.flagged DESC, s.messages,
                                           s.from_account COLLATE "C", s.sdkappid)::integer AS place,
               s.*, count(*) OVER () AS of_all
        FROM sender s
        WHERE s.stopped + s.changed > 0
    )
    SELECT p.place, p.sdkappid AS app, p.from_account AS account, p.messages, p.stopped, p.changed, p.flagged,
           (SELECT count(*) FROM chatsluice.outbox o
            WHERE o.action IN ('mute', 'ban') AND o.state = 'done' AND o.delivered_at <= q.as_of
              AND o.asked_at >= q.from_time AND o.asked_at < q.to_time AND o.sdkappid = p.sdkappid
              AND o.account = p.from_account AND (q.room IS NULL OR o.room_id = q.room)) AS restricted,
           p.of_all
    FROM placed p
    WHERE p.place <= 50;
END
$$;

CREATE FUNCTION chatsluice.report_offenders() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (SELECT chatsluice.report_section(jsonb_agg(to_jsonb(o) - '{account,of_all}'::text[] ORDER BY o.place),
                                             max(o.of_all))
            FROM pg_temp.report_offender o);
END
$$;

-- From the webhook's head to the verdict.
CREATE FUNCTION chatsluice.report_latency() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
DECLARE
    p bigint[];
    m record;
BEGIN
    SELECT percentile_disc('{0.5,0.9,0.95,0.99,0.999}'::float8[]) WITHIN GROUP (ORDER BY e.judge_us) INTO p
    FROM pg_temp.report_event e WHERE e.inside AND e.command = 'before' AND e.judge_us IS NOT NULL;
    SELECT count(e.judge_us) AS answers, max(e.judge_us) AS most,
           count(*) FILTER (WHERE e.judge_us >= 2000000) AS late
    INTO m
    FROM pg_temp.report_event e WHERE e.inside AND e.command = 'before';
    RETURN chatsluice.report_figures(
        'answers', m.answers::text, 'p50_us', p[1]::text, 'p90_us', p[2]::text, 'p95_us', p[3]::text,
        'p99_us', p[4]::text, 'p999_us', p[5]::text, 'max_us', m.most::text, 'late', m.late::text,
        'late_ppm', chatsluice.ppm(m.late, m.answers)::text);
END
$$;

CREATE FUNCTION chatsluice.report_latency_spread() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH bound AS (
                SELECT b.up_to_us, lag(b.up_to_us, 1, -1) OVER (ORDER BY b.up_to_us) AS above_us
                FROM unnest('{1000,2000,5000,10000,20000,50000,100000,200000,500000,1000000,1999999,9223372036854775807}'
                            ::bigint[]) AS b (up_to_us)
            ), counted AS (
                SELECT b.up_to_us, count(*) AS answers
                FROM pg_temp.report_event e
                JOIN bound b ON e.judge_us > b.above_us AND e.judge_us <= b.up_to_us
                WHERE e.inside AND e.command = 'before'
                GROUP BY 1
            ), r AS (
                SELECT b.up_to_us AS place, nullif(b.up_to_us, 9223372036854775807) AS up_to_us,
                       coalesce(c.answers, 0) AS answers,
                       chatsluice.ppm(coalesce(c.answers, 0), (sum(c.answers) OVER ())::bigint) AS share_ppm
                FROM bound b
                LEFT JOIN counted c USING (up_to_us)
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.place), NULL) FROM r);
END
$$;

-- People's decisions about the period's messages. The time of a review is from the message to the decision.
CREATE FUNCTION chatsluice.report_review_figures() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
DECLARE
    p interval[];
    m record;
BEGIN
    SELECT percentile_disc('{0.5,0.9}'::float8[]) WITHIN GROUP (ORDER BY v.decided_at - v.event_time) INTO p
    FROM pg_temp.report_review v WHERE v.decision IS NOT NULL;
    SELECT count(*) FILTER (WHERE v.queued) AS queued, count(v.decision) AS reviewed,
           count(*) FILTER (WHERE v.queued AND v.decision IS NULL) AS open,
           count(*) FILTER (WHERE v.overturned) AS overturned,
           max(v.decided_at - v.event_time) AS slowest
    INTO m
    FROM pg_temp.report_review v;
    RETURN chatsluice.report_figures(
        'queued', m.queued::text, 'reviewed', m.reviewed::text, 'open', m.open::text, 'overturned', m.overturned::text,
        'overturned_ppm', chatsluice.ppm(m.overturned, m.reviewed)::text,
        'review_p50_us', chatsluice.whole_us(p[1])::text, 'review_p90_us', chatsluice.whole_us(p[2])::text,
        'review_max_us', chatsluice.whole_us(m.slowest)::text);
END
$$;

-- By person: decisions about the period's messages, and everything else done in the period. Actions know a room, no
-- application: of one application those in its rooms of the period count.
CREATE FUNCTION chatsluice.report_moderators(q chatsluice.report_question) RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH done AS (
                SELECT a.who, a.action, count(*) AS times
                FROM chatsluice.moderator_action a
                WHERE a.at >= q.from_time AND a.at < q.to_time AND a.at <= q.as_of
                  AND (q.room IS NULL OR a.room_id = q.room)
                  AND (q.app IS NULL OR a.room_id IN (SELECT e.group_id FROM pg_temp.report_event e WHERE e.inside))
                GROUP BY 1, 2
            ), reviewed AS (
                SELECT v.who, count(*) AS reviewed, count(*) FILTER (WHERE v.overturned) AS overturned,
                       percentile_disc(0.5) WITHIN GROUP (ORDER BY v.decided_at - v.event_time) AS middle
                FROM pg_temp.report_review v
                WHERE v.decision IS NOT NULL AND v.who IS NOT NULL
                GROUP BY 1
            ), summed AS (
                SELECT d.who, sum(d.times)::bigint AS actions,
                       string_agg(d.action || ' ' || d.times, ', ' ORDER BY d.action COLLATE "C") AS actions_by_kind
                FROM done d
                GROUP BY 1
            ), r AS (
                SELECT coalesce(s.who, v.who) AS who, coalesce(s.actions, 0) AS actions,
                       coalesce(s.actions_by_kind, '') AS actions_by_kind, coalesce(v.reviewed, 0) AS reviewed,
                       coalesce(v.overturned, 0) AS overturned, chatsluice.whole_us(v.middle) AS review_p50_us,
                       count(*) OVER () AS of_all
                FROM summed s
                FULL JOIN reviewed v USING (who)
            ), top AS (
                SELECT * FROM r ORDER BY r.actions DESC, r.reviewed DESC, r.who COLLATE "C" LIMIT 100
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(t) - 'of_all'
                                                       ORDER BY t.actions DESC, t.reviewed DESC, t.who COLLATE "C"),
                                             max(t.of_all))
            FROM top t);
END
$$;

CREATE FUNCTION chatsluice.report_corrections(q chatsluice.report_question) RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH asked AS (
                SELECT o.action, o.cause,
                       CASE WHEN o.state = 'done' AND o.delivered_at <= q.as_of THEN 'done'
                            WHEN o.changed_at <= q.as_of AND s.final THEN o.state
                            WHEN o.changed_at <= q.as_of AND o.state = 'uncertain' THEN 'uncertain'
                            ELSE 'under way' END AS state,
                       o.delivered_at - o.asked_at AS took
                FROM chatsluice.outbox o
                JOIN chatsluice.outbox_state s USING (state)
                WHERE o.asked_at >= q.from_time AND o.asked_at < q.to_time AND o.asked_at <= q.as_of
                  AND (q.room IS NULL OR o.room_id = q.room) AND (q.app IS NULL OR o.sdkappid = q.app)
            ), r AS (
                SELECT a.action, a.cause, count(*) AS asked, count(*) FILTER (WHERE a.state = 'done') AS done,
                       count(*) FILTER (WHERE a.state = 'failed') AS failed,
                       count(*) FILTER (WHERE a.state = 'expired') AS expired,
                       count(*) FILTER (WHERE a.state = 'cancelled') AS cancelled,
                       count(*) FILTER (WHERE a.state = 'uncertain') AS uncertain,
                       count(*) FILTER (WHERE a.state = 'under way') AS under_way,
                       chatsluice.whole_us(percentile_disc(0.5) WITHIN GROUP (ORDER BY a.took)
                                           FILTER (WHERE a.state = 'done')) AS done_p50_us
                FROM asked a
                GROUP BY 1, 2
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(r) ORDER BY r.action COLLATE "C", r.cause COLLATE "C"), NULL)
            FROM r);
END
$$;

-- Rules are the same for every room and application.
CREATE FUNCTION chatsluice.report_rule_changes(q chatsluice.report_question) RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH r AS (
                SELECT n.revision, n.published_at AS at, n.author, n.note, n.kind, n.restores, n.rules, n.terms,
                       CASE WHEN n.status_at > q.as_of THEN 'published' ELSE n.status END AS status,
                       CASE WHEN n.status_at <= q.as_of THEN n.status_by END AS status_by,
                       array_to_string(n.overrides, ', ') AS overrides, n.canary_judged, n.canary_changed,
                       count(k.instance_id) FILTER (WHERE k.error IS NULL) AS taken,
                       count(k.instance_id) FILTER (WHERE k.error IS NOT NULL) AS refused,
                       count(*) OVER () AS of_all
                FROM chatsluice.rule_revision n
                LEFT JOIN chatsluice.rule_ack k ON k.revision = n.revision AND k.at <= q.as_of
                WHERE n.published_at >= q.from_time AND n.published_at < q.to_time AND n.published_at <= q.as_of
                GROUP BY n.revision
                ORDER BY n.revision
                LIMIT 500
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(r) - 'of_all' ORDER BY r.revision), max(r.of_all)) FROM r);
END
$$;

-- lasted_s is null while nothing tells the end.
CREATE FUNCTION chatsluice.report_incidents(q chatsluice.report_question) RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH r AS (
                SELECT i.began_at, i.kind, i.subject, i.instance_id AS instance, i.detail,
                       CASE WHEN i.ended_at <= q.as_of THEN i.ended_at END AS ended_at,
                       CASE WHEN i.ended_at <= q.as_of
                            THEN ceil(extract(epoch FROM i.ended_at - i.began_at))::bigint END AS lasted_s,
                       count(*) OVER () AS of_all
                FROM chatsluice.incident i
                WHERE i.began_at < q.to_time AND i.began_at <= q.as_of AND coalesce(i.ended_at, i.seen_at) >= q.from_time
                ORDER BY i.began_at, i.kind, i.subject, i.instance_id
                LIMIT 200
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(r) - 'of_all'
                                                       ORDER BY r.began_at, r.kind COLLATE "C", r.subject COLLATE "C",
                                                                r.instance COLLATE "C"), max(r.of_all))
            FROM r);
END
$$;

-- In the manner of the transparency reports that large platforms publish (EU Digital Services Act, Discord). An appeal is a
-- review of a message a rule acted on; accuracy is the share of them that was upheld.
CREATE FUNCTION chatsluice.report_transparency(q chatsluice.report_question) RETURNS jsonb
    LANGUAGE plpgsql
AS $$
DECLARE
    m record;
    v record;
    a record;
    o record;
    middle_us bigint;
BEGIN
    SELECT count(*) FILTER (WHERE asked) AS messages, count(*) FILTER (WHERE asked AND decided_by = 'rule') AS automated,
           count(*) FILTER (WHERE decided_by = 'rule' AND verdict NOT IN ('allow', 'flag')) AS acted
    INTO m
    FROM pg_temp.report_message;
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY judge_us) INTO middle_us
    FROM pg_temp.report_message
    WHERE decided_by = 'rule' AND verdict NOT IN ('allow', 'flag');
    SELECT count(*) FILTER (WHERE r.verdict <> 'allow' AND r.decided_by_service = 'rule') AS appeals,
           count(*) FILTER (WHERE r.verdict <> 'allow' AND r.decided_by_service = 'rule' AND r.overturned) AS overturned,
           count(*) AS decisions, percentile_disc(0.5) WITHIN GROUP (ORDER BY r.decided_at - r.event_time) AS middle
    INTO v
    FROM pg_temp.report_review r
    WHERE r.decision IS NOT NULL;
    SELECT count(*) AS actions INTO a
    FROM chatsluice.moderator_action x
    WHERE x.at >= q.from_time AND x.at < q.to_time AND x.at <= q.as_of AND (q.room IS NULL OR x.room_id = q.room)
      AND (q.app IS NULL OR x.room_id IN (SELECT e.group_id FROM pg_temp.report_event e WHERE e.inside));
    SELECT count(*) FILTER (WHERE b.action = 'mute' AND b.cause = 'rule') AS rule_mutes,
           count(*) FILTER (WHERE b.action = 'mute' AND b.cause <> 'rule') AS mutes,
           count(*) FILTER (WHERE b.action = 'ban') AS bans, count(*) FILTER (WHERE b.action = 'recall') AS recalls
    INTO o
    FROM chatsluice.outbox b
    WHERE b.state = 'done' AND b.delivered_at <= q.as_of AND b.asked_at >= q.from_time AND b.asked_at < q.to_time
      AND (q.room IS NULL OR b.room_id = q.room) AND (q.app IS NULL OR b.sdkappid = q.app);
    RETURN chatsluice.report_figures(
        'messages', m.messages::text,
        'acted', m.acted::text,
        'acted_ppm', chatsluice.ppm(m.acted, m.messages)::text,
        'automated', m.automated::text,
        'human_decisions', v.decisions::text,
        'human_actions', a.actions::text,
        'automated_ppm', chatsluice.ppm(m.automated, m.automated + v.decisions)::text,
        'automated_p50_us', middle_us::text,
        'human_p50_us', chatsluice.whole_us(v.middle)::text,
        'mutes_by_rule', o.rule_mutes::text,
        'mutes_by_people', o.mutes::text,
        'bans', o.bans::text,
        'recalls_done', o.recalls::text,
        'appeals', v.appeals::text,
        'appeals_granted', v.overturned::text,
        'accuracy_ppm', chatsluice.ppm(v.appeals - v.overturned, v.appeals)::text,
        'error_ppm', chatsluice.ppm(v.overturned, v.appeals)::text);
END
$$;

-- Messages acted on, by rule and what was done: the categories of the transparency section.
CREATE FUNCTION chatsluice.report_categories() RETURNS jsonb
    LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (WITH r AS (
                SELECT m.rule, count(*) FILTER (WHERE m.verdict = 'mask') AS mask,
                       count(*) FILTER (WHERE m.verdict = 'replace') AS replace,
                       count(*) FILTER (WHERE m.verdict = 'reject') AS reject,
                       count(*) FILTER (WHERE m.verdict = 'discard') AS discard, count(*) AS acted,
                       count(*) OVER () AS of_all
                FROM pg_temp.report_message m
                WHERE m.decided_by = 'rule' AND m.verdict NOT IN ('allow', 'flag') AND m.rule IS NOT NULL
                GROUP BY 1
            ), top AS (
                SELECT * FROM r ORDER BY r.acted DESC, r.rule COLLATE "C" LIMIT 100
            )
            SELECT chatsluice.report_section(jsonb_agg(to_jsonb(t) - 'of_all'
                                                       ORDER BY t.acted DESC, t.rule COLLATE "C"),
                                             max(t.of_all))
            FROM top t);
END
$$;

-- The whole -----------------------------------------------------------------------------------------------------------

-- The document of a report, made now. Leaves pg_temp.report_offender behind for who is meant.
CREATE FUNCTION chatsluice.report_data(q chatsluice.report_question) RETURNS jsonb
    LANGUAGE plpgsql
    SET timezone = 'UTC'
    SET work_mem = '64MB'
    SET jit = off
AS $$
DECLARE
    document jsonb;
BEGIN
    PERFORM set_config('TimeZone', q.time_zone, true); -- until this function ends
    PERFORM chatsluice.gather_report_events(q);
    PERFORM chatsluice.gather_report_messages(q);
    PERFORM chatsluice.gather_report_reviews(q);
    PERFORM chatsluice.gather_report_offenders(q);
    document := jsonb_build_object(
        'version', 1,
        'from', q.from_time, 'to', q.to_time, 'as_of', q.as_of, 'over', q.to_time <= q.as_of,
        'time_zone', q.time_zone, 'room', q.room, 'app', q.app, 'step', chatsluice.report_step(q),
        'totals', chatsluice.report_totals(q),
        'trend', chatsluice.report_trend(q),
        'verdicts', chatsluice.report_verdicts(),
        'coverage', chatsluice.report_coverage(),
        'rules', chatsluice.report_rules(),
        'terms', chatsluice.report_terms(),
        'rooms', chatsluice.report_rooms(),
        'offenders', chatsluice.report_offenders(),
        'delivery', chatsluice.report_delivery(),
        'leak_figures', chatsluice.report_leak_figures(),
        'leaks', chatsluice.report_leaks(),
        'latency', chatsluice.report_latency(),
        'latency_spread', chatsluice.report_latency_spread(),
        'review', chatsluice.report_review_figures(),
        'moderators', chatsluice.report_moderators(q),
        'corrections', chatsluice.report_corrections(q),
        'rule_changes', chatsluice.report_rule_changes(q),
        'incidents', chatsluice.report_incidents(q),
        'transparency', chatsluice.report_transparency(q),
        'categories', chatsluice.report_categories());
    DROP TABLE pg_temp.report_event, pg_temp.report_message, pg_temp.report_review;
    RETURN document;
END
$$;

-- The frozen document of the question, made if this is the first time it is asked. Returns its id.
CREATE FUNCTION chatsluice.freeze_report(q chatsluice.report_question, who text) RETURNS uuid
    LANGUAGE plpgsql
AS $$
DECLARE
    id uuid;
    document jsonb;
BEGIN
    id := chatsluice.outbox_digest(jsonb_build_array('report', 1, extract(epoch FROM q.from_time),
                                                     extract(epoch FROM q.to_time), q.room, q.app, q.time_zone,
                                                     extract(epoch FROM q.as_of))::text);
    IF EXISTS (SELECT FROM chatsluice.frozen_report f WHERE f.report_id = id) THEN
        RETURN id;
    END IF;
    PERFORM chatsluice.check_report(q);
    document := chatsluice.report_data(q);
    INSERT INTO chatsluice.frozen_report (report_id, from_time, to_time, room, sdkappid, time_zone, as_of, version, made_by,
                                          document)
    VALUES (id, q.from_time, q.to_time, q.room, q.app, q.time_zone, q.as_of, 1, who, jsonb_pretty(document)::json);
    INSERT INTO chatsluice.frozen_report_person (report_id, place, sdkappid, account)
    SELECT id, o.place, o.app, o.account FROM pg_temp.report_offender o;
    DROP TABLE pg_temp.report_offender;
    RETURN id;
END
$$;

-- The contract. as_of: the moment the report speaks from, null for now in whole seconds. In a transaction with one snapshot
-- for all: BEGIN ISOLATION LEVEL REPEATABLE READ.
CREATE FUNCTION moderation.report(from_time timestamptz, to_time timestamptz, room text DEFAULT NULL,
                                  app bigint DEFAULT NULL, time_zone text DEFAULT 'UTC', as_of timestamptz DEFAULT NULL,
                                  OUT report_id uuid, OUT document json)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
BEGIN
    report_id := chatsluice.freeze_report(ROW(from_time, to_time, room, app, time_zone,
                                              coalesce(as_of, date_trunc('second', now()))), session_user);
    SELECT f.document INTO document FROM chatsluice.frozen_report f WHERE f.report_id = report.report_id;
END
$$;

-- Who the numbered offenders of a report are: personal data, so granted by itself. account is null once erased.
CREATE FUNCTION moderation.report_people(report uuid) RETURNS TABLE (place integer, app bigint, account text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.place, p.sdkappid, p.account
    FROM chatsluice.frozen_report_person p WHERE p.report_id = report ORDER BY p.place
$$;

-- Which reports there are.
CREATE VIEW moderation.frozen_report AS
SELECT f.report_id, f.from_time, f.to_time, f.room, f.sdkappid, f.time_zone, f.as_of, f.made_at, f.made_by
FROM chatsluice.frozen_report f;

CREATE VIEW moderation.incident AS
SELECT i.began_at, i.ended_at, i.kind, i.subject, i.instance_id, i.seen_at, i.detail
FROM chatsluice.incident i;

REVOKE EXECUTE ON FUNCTION moderation.report, moderation.report_people FROM PUBLIC;

-- A person's erasure (0007).
CREATE FUNCTION chatsluice.erase_in_reports(erased text, app bigint, token text) RETURNS void
    LANGUAGE sql
AS $$ SELECT chatsluice.scrub_reports(erased, app) $$;
