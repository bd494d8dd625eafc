-- Messages: what moderators see of them, whether they were delivered, and how they are found.

-- Recalls and failed sends are few, so this index costs the loading next to nothing, and a message finds its own without a
-- look at all that the room said since.
CREATE INDEX event_rare ON chatsluice.event (group_id, event_time) WHERE command IN ('exception', 'recall');

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

-- The platform waits two seconds for an answer. judge_us counts from the head of the request to the verdict; the answer
-- follows at once, or by webhook.deadline when the disk stalls.
CREATE FUNCTION chatsluice.answered_late(judge_us bigint) RETURNS boolean
    LANGUAGE sql IMMUTABLE
AS $$ SELECT coalesce(judge_us >= 2000000, false) $$;

-- What became of a message, in one word of the ledger. The first that holds:
--   rejected but delivered    we said stop, and its After webhook came
--   corrected                 what a rule or a person sent in its place, or the original after all, is in the room
--   answered too late         our answer left when the platform did not wait for it any more: it did what its console says
--   blocked                   we said stop, and nothing shows it in the room
--   delivered rewritten, delivered
--   dropped by the platform   we let it through, and the platform says why it did not
--   not confirmed             we let it through, and nothing tells more: dropped silently, or its After webhook lost or to come
--   delivered unasked         an After webhook without a Before
CREATE FUNCTION chatsluice.message_outcome(verdict text, before_id uuid, after_id uuid, exception_id uuid, judge_us bigint,
                                           correction_state text) RETURNS text
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN after_id IS NOT NULL AND verdict IN ('reject', 'discard') THEN 'rejected but delivered'
        WHEN correction_state = 'done' THEN 'corrected'
        WHEN before_id IS NULL AND after_id IS NOT NULL THEN 'delivered unasked'
        WHEN chatsluice.answered_late(judge_us) THEN 'answered too late'
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
       chatsluice.review_decision(m.group_id, m.sent_at, m.before_event_id) AS review_decision
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
       chatsluice.answered_late(m.judge_us) AS answered_late,
       m.exception_code,
       m.exception_info,
       m.recalled_at,
       m.correction_outbox_id,
       m.correction_state,
       m.before_event_id,
       m.after_event_id
FROM moderation.message m;
