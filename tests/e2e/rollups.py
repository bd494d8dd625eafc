"""rollups.py - what the rollups must hold: the same counts, made from the events by statements of their own."""

HOUR = "date_trunc('hour', e.event_time, 'UTC')"
SAID = "e.command = 'before' AND e.decided_by <> 'correction'"


def counts(condition):
    return f"count(CASE WHEN {condition} THEN 1 END)"


HIT = "jsonb_array_elements(coalesce(e.hits, '[]'))"
NAMED = f"""(SELECT e.*, h ->> 'rule' AS named, h ->> 'state' AS state FROM chatsluice.event e, {HIT} h
             UNION ALL SELECT e.*, e.rule, 'counted' FROM chatsluice.event e WHERE e.rule IS NOT NULL) e"""

# An After or exception belongs to the last Before like it from a minute before to five seconds after.
LIKE = """{0}.group_id = {1}.group_id AND {0}.sdkappid = {1}.sdkappid AND {0}.from_account = {1}.from_account
    AND {0}.random = {1}.random AND coalesce({0}.msg_id = {1}.msg_id, true)"""
ASKED = f"""(SELECT (b.event_time, b.event_id)::text FROM chatsluice.event b
             WHERE b.command = 'before' AND {LIKE.format("b", "t")}
               AND b.event_time BETWEEN t.event_time - interval '1 minute' AND t.event_time + interval '5 seconds'
             ORDER BY b.event_time DESC, b.event_id DESC LIMIT 1)"""
DELIVERY = f"""
    WITH told AS MATERIALIZED (SELECT t.*, {ASKED} AS asked FROM chatsluice.event t
                               WHERE t.command IN ('after', 'exception') AND t.group_id <> ''),
    outcomes AS (
        SELECT e.event_time, e.sdkappid, e.group_id,
               CASE WHEN e.verdict IN ('reject', 'discard')
                    THEN CASE WHEN 'after' = ANY (x.told) THEN 'rejected but delivered'
                              WHEN x.corrected THEN 'corrected' ELSE 'blocked' END
                    WHEN x.corrected THEN 'corrected'
                    WHEN 'after' = ANY (x.told)
                    THEN CASE WHEN e.verdict IN ('mask', 'replace') THEN 'delivered rewritten' ELSE 'delivered' END
                    WHEN 'exception' = ANY (x.told) THEN 'dropped by the platform'
                    WHEN e.judge_us > 2000000 THEN 'answered too late' ELSE 'not confirmed' END AS outcome
        FROM chatsluice.event e
        LEFT JOIN (SELECT t.asked, array_agg(t.command) AS told FROM told t GROUP BY t.asked) w
               ON w.asked = (e.event_time, e.event_id)::text,
             LATERAL (SELECT coalesce(w.told, '{{}}') AS told,
                             EXISTS (SELECT FROM chatsluice.outbox o WHERE o.event_id = e.event_id AND o.state = 'done'
                                     AND o.action = 'send_text') AS corrected) x
        WHERE e.command = 'before' AND e.group_id <> ''
        UNION ALL
        SELECT t.event_time, t.sdkappid, t.group_id, 'delivered unasked' FROM told t
        WHERE t.command = 'after' AND t.asked IS NULL)
    SELECT {HOUR} AS hour, e.sdkappid, e.group_id AS room_id, e.outcome, count(*) AS messages
    FROM outcomes e GROUP BY 1, 2, 3, 4"""

FRESH = {
    "rollup_minute": """
        SELECT date_trunc('minute', e.event_time), e.sdkappid, e.command, coalesce(e.verdict, ''),
               coalesce(e.decided_by, ''), count(*) FROM chatsluice.event e GROUP BY 1, 2, 3, 4, 5""",
    "rollup_hour": f"""
        SELECT {HOUR}, e.sdkappid, e.command, coalesce(e.verdict, ''), coalesce(e.decided_by, ''), count(*)
        FROM chatsluice.event e GROUP BY 1, 2, 3, 4, 5""",
    "rollup_hour_latency": f"""
        SELECT {HOUR}, e.sdkappid, e.command, chatsluice.latency_bucket(e.judge_us), count(*), max(e.judge_us)
        FROM chatsluice.event e WHERE e.command IN ('before', 'after') AND e.judge_us IS NOT NULL GROUP BY 1, 2, 3, 4""",
    "rollup_hour_room": f"""
        SELECT {HOUR}, e.sdkappid, e.group_id, {counts(SAID)},
               {", ".join(counts(f"{SAID} AND e.verdict = '{v}'")
                          for v in ("allow", "flag", "mask", "replace", "reject", "discard"))},
               {counts(f"{SAID} AND e.decided_by IN ('deadline', 'overload')")},
               {counts("e.command = 'before' AND e.decided_by = 'correction'")}, {counts("e.command = 'after'")},
               {counts("e.command = 'exception'")}, {counts("e.command = 'recall'")}, min(e.event_time), max(e.event_time)
        FROM chatsluice.event e WHERE e.group_id <> '' AND e.command <> 'other' GROUP BY 1, 2, 3""",
    "rollup_hour_sender": f"""
        SELECT {HOUR}, e.sdkappid, e.group_id, e.from_account,
               {", ".join(counts(f"e.verdict = '{v}'")
                          for v in ("flag", "mask", "replace", "reject", "discard", "allow"))},
               min(e.event_time), max(e.event_time)
        FROM chatsluice.event e
        WHERE {SAID} AND e.from_account <> ''
          AND (e.verdict <> 'allow' OR EXISTS (SELECT FROM {HIT} h WHERE h ->> 'state' = 'shadow'))
        GROUP BY 1, 2, 3, 4""",
    "rollup_day_sender": f"""
        SELECT e.from_account, e.sdkappid, (e.event_time AT TIME ZONE 'UTC')::date, count(*), min(e.event_time),
               max(e.event_time)
        FROM chatsluice.event e WHERE {SAID} AND e.from_account <> '' GROUP BY 1, 2, 3""",
    "rollup_hour_rule": f"""
        SELECT {HOUR}, e.sdkappid, e.command, e.named, coalesce(e.rule_revision, 0),
               count(DISTINCT CASE WHEN e.state = 'counted' THEN e.event_id END),
               count(DISTINCT CASE WHEN e.rule = e.named THEN e.event_id END),
               count(DISTINCT CASE WHEN e.state = 'shadow' THEN e.event_id END),
               count(DISTINCT CASE WHEN e.state = 'allowed' AND e.rule IS DISTINCT FROM e.named AND NOT EXISTS (
                         SELECT FROM {HIT} h WHERE h ->> 'rule' = e.named AND h ->> 'state' = 'counted')
                     THEN e.event_id END),
               min(e.event_time), max(e.event_time)
        FROM {NAMED} WHERE e.state IN ('counted', 'shadow', 'allowed') GROUP BY 1, 2, 3, 4, 5""",
    "rollup_hour_term": f"""
        SELECT {HOUR}, e.sdkappid, e.command, e.list, e.term,
               count(DISTINCT CASE WHEN e.state = 'counted' THEN e.event_id END),
               count(DISTINCT CASE WHEN e.state = 'counted' AND e.rule = e.named THEN e.event_id END),
               count(DISTINCT CASE WHEN e.state = 'shadow' THEN e.event_id END),
               count(DISTINCT CASE WHEN e.state = 'allowed' AND NOT EXISTS (
                         SELECT FROM {HIT} h WHERE h ->> 'list' = e.list AND h ->> 'term' = e.term
                                               AND h ->> 'state' = 'counted') THEN e.event_id END),
               min(e.event_time), max(e.event_time)
        FROM (SELECT e.*, h ->> 'rule' AS named, h ->> 'list' AS list, h ->> 'term' AS term, h ->> 'state' AS state
              FROM chatsluice.event e, {HIT} h) e
        WHERE e.list IS NOT NULL AND e.state IN ('counted', 'shadow', 'allowed') GROUP BY 1, 2, 3, 4, 5""",
    "rollup_hour_delivery": DELIVERY,
    "rollup_hour_outcome": f"SELECT hour, sdkappid, outcome, sum(messages) FROM ({DELIVERY}) d GROUP BY 1, 2, 3",
}


def difference(database, tables=tuple(FRESH)):
    """Rows the tables have and should not, and the other way round."""
    return database.rows(" UNION ALL ".join(f"""
        (WITH fresh AS MATERIALIZED ({FRESH[table]}), stored AS MATERIALIZED (SELECT * FROM chatsluice.{table})
         SELECT '{table}' AS table, 'surplus' AS what, to_jsonb(a) AS row FROM (TABLE stored EXCEPT ALL TABLE fresh) a
         UNION ALL SELECT '{table}', 'missing', to_jsonb(a) FROM (TABLE fresh EXCEPT ALL TABLE stored) a LIMIT 20)"""
                                            for table in tables))


def settle(database):
    """Counts all there is to count, and works out every delivery."""
    database.execute("""DO $$ BEGIN
        WHILE (SELECT behind FROM chatsluice.rollup_pass(1000)) > 0 LOOP END LOOP;
        WHILE chatsluice.rollup_settle('0', '0') > 0 LOOP END LOOP;
    END $$""")


def assert_rollups_equal_events(test, database):
    test.assertEqual(difference(database), [])
