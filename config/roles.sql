-- Database roles of Chatsluice: what the service and people may do, and no more. For psql, as the owner of the schema
-- (whoever ran `chatsluice migrate`) with CREATEROLE, or as a superuser; again after each migration.
--
--   chatsluice_service            what `chatsluice serve` needs, for database.url with database.migrate off:
--                                   CREATE ROLE chatsluice LOGIN PASSWORD '...' IN ROLE chatsluice_service;
--   chatsluice_moderator          the views and functions of schema moderation, a login for each person, for what they do is
--                                 written down under it:
--                                   CREATE ROLE alice LOGIN PASSWORD '...' IN ROLE chatsluice_moderator;
--                                   ALTER ROLE alice SET idle_in_transaction_session_timeout = '1min';
--   chatsluice_auditor            the views without what people said, who they are and where from
--   chatsluice_auditor_personal   the views whole
--
-- Events and dead letters are only ever added, rules only read: whoever takes over the service can neither change nor remove
-- what was recorded, nor publish rules. People reach no table: everything goes through functions that check and write down
-- who did it. What is new in schema moderation is nobody's before it has a line here.

BEGIN;

DO $$
BEGIN
    IF to_regrole('chatsluice_service') IS NULL THEN
        CREATE ROLE chatsluice_service NOLOGIN;
    END IF;
    IF to_regrole('chatsluice_moderator') IS NULL THEN
        CREATE ROLE chatsluice_moderator NOLOGIN;
    END IF;
    IF to_regrole('chatsluice_auditor') IS NULL THEN
        CREATE ROLE chatsluice_auditor NOLOGIN;
    END IF;
    IF to_regrole('chatsluice_auditor_personal') IS NULL THEN
        CREATE ROLE chatsluice_auditor_personal NOLOGIN;
    END IF;
    -- COPY into a temporary table is the careful way of loading.
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO chatsluice_service', current_database());
END
$$;

REVOKE ALL ON SCHEMA chatsluice, moderation FROM PUBLIC, chatsluice_service, chatsluice_moderator, chatsluice_auditor,
    chatsluice_auditor_personal;
REVOKE ALL ON ALL TABLES IN SCHEMA chatsluice, moderation FROM PUBLIC, chatsluice_service, chatsluice_moderator, chatsluice_auditor,
    chatsluice_auditor_personal;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA chatsluice FROM chatsluice_service, chatsluice_moderator, chatsluice_auditor,
    chatsluice_auditor_personal;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA moderation FROM PUBLIC, chatsluice_service, chatsluice_moderator, chatsluice_auditor,
    chatsluice_auditor_personal;
GRANT USAGE ON SCHEMA chatsluice TO chatsluice_service;
GRANT USAGE ON SCHEMA moderation TO chatsluice_moderator, chatsluice_auditor, chatsluice_auditor_personal;

-- One line a table.
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT * FROM (VALUES
            ('schema_version',   'SELECT'),                         -- is the schema the one this program knows?
            ('event',            'SELECT, INSERT'),                 -- SELECT: to know a duplicate
            ('dead_letter',      'SELECT, INSERT'),
            ('spool_position',   'SELECT, INSERT, UPDATE'),
            ('chain_block',      'SELECT, INSERT'),
            ('checkpoint',       'SELECT, INSERT'),
            ('removed_day',      'SELECT'),
            ('erasure',          'SELECT'),
            ('spool_rewind',     'SELECT, INSERT'),
            ('rollup_lag',       'SELECT'),
            ('rule_revision',    'SELECT'),
            ('rule_ack',         'SELECT, INSERT, UPDATE'),
            ('instance',         'SELECT, INSERT, UPDATE, DELETE'), -- its own row, and those of the long dead
            ('incident',         'SELECT, INSERT, UPDATE'),         -- what it lived through
            ('outbox',           'SELECT, INSERT, UPDATE'),
            ('outbox_state',     'SELECT'),
            ('outbox_move',      'SELECT'),
            ('outbox_sighting',  'SELECT, INSERT, DELETE'),         -- kept for an hour
            ('room_budget',      'SELECT, INSERT, UPDATE, DELETE'),
            ('send_budget',      'SELECT, INSERT, UPDATE'),
            ('send_lease',       'SELECT, INSERT, UPDATE, DELETE'),
            ('review',           'SELECT'),                         -- what people decided, a rule does not undo
            ('moderator_action', 'SELECT')
        ) AS t (name, privileges)
    LOOP
        EXECUTE format('GRANT %s ON chatsluice.%I TO chatsluice_service', one.privileges, one.name);
    END LOOP;
END
$$;

-- A new day's partition is made by the owner's right, in this one way. Nothing else is found by an unqualified name.
ALTER FUNCTION chatsluice.ensure_partitions(date, date) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
REVOKE EXECUTE ON FUNCTION chatsluice.ensure_partitions(date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION chatsluice.ensure_partitions(date, date) TO chatsluice_service;

-- The same for the rollups: their tables change in no other way.
GRANT EXECUTE ON FUNCTION chatsluice.rollup_pass(bigint), chatsluice.rollup_summarise(),
    chatsluice.rollup_settle(interval, interval, integer), chatsluice.rollup_opinions(integer) TO chatsluice_service;

-- People: one line a view, and one a function. 'personal' is a view that is about persons altogether; without names a column
-- that an auditor does not see in this view alone, besides one that he does.
CREATE TEMPORARY TABLE for_views (name text, who text, without text, besides text) ON COMMIT DROP;
INSERT INTO for_views VALUES
    ('message',               'auditor', NULL, NULL),
    ('delivery',              'auditor', NULL, NULL),
    ('correction',            'auditor', NULL, NULL),
    ('corrected_event',       'auditor', NULL, NULL),
    ('action',                'auditor', NULL, NULL),
    ('review_queue',          'auditor', NULL, NULL),
    ('review',                'auditor', NULL, NULL),
    ('label',                 'auditor', 'note', NULL),
    ('moderator_activity',    'auditor', NULL, NULL),
    ('term',                  'auditor', NULL, NULL),
    ('rule',                  'auditor', NULL, NULL),
    ('rule_history',          'auditor', NULL, NULL),
    ('publication',           'auditor', NULL, NULL),
    ('verdict_by_minute',      'auditor', NULL, NULL),
    ('verdict_by_hour',        'auditor', NULL, NULL),
    ('room',                   'auditor', NULL, NULL),
    ('room_by_hour',           'auditor', NULL, NULL),
    ('sender',                 'personal', NULL, NULL),
    ('offender',               'personal', NULL, NULL),
    ('rule_by_hour',           'auditor', NULL, 'hits'),
    ('rule_quality',           'auditor', NULL, 'hits'),
    ('term_by_hour',           'auditor', NULL, 'hits'),
    ('term_quality',           'auditor', NULL, 'hits'),
    ('latency',                'auditor', NULL, NULL),
    ('delivery_by_hour',       'auditor', NULL, NULL),
    ('delivery_by_room_hour',  'auditor', NULL, NULL),
    ('rollup_lag',             'auditor', NULL, NULL),
    ('frozen_report',          'auditor', NULL, NULL),
    ('incident',               'auditor', NULL, NULL);

-- Columns that an auditor does not see in any view: words of people, what tells who they are, and notes that may repeat it.
CREATE TEMPORARY TABLE personal_columns (name text) ON COMMIT DROP;
INSERT INTO personal_columns
SELECT unnest(string_to_array(
    'text rewritten delivered_text corrected_text original_text hits cloud_custom_data delivered_cloud_custom_data '
    'custom_data original_custom_data delivered_custom_data from_account operator_account account original_sender '
    'client_ip msg_id request_id error_info exception_info said reason why detail', ' '));

-- And those that an auditor does.
CREATE TEMPORARY TABLE plain_columns (name text) ON COMMIT DROP;
INSERT INTO plain_columns
SELECT unnest(string_to_array(
    'group_id room_id sent_at sdkappid group_type topic_id random msg_seq delivered_at delivered outcome verdict '
    'decided_by rule rule_revision platform judge_us before_event_id after_event_id event_id event_time part '
    'outbox_id action state meaning final attempts transport http_status error_code drop_reason cause '
    'asked_by asked_at due_at expires_at first_sent_at answered_at time_to_delivery seconds original_event_id '
    'original_time original_verdict original_rule delivered_event_id at who age claimed_by claimed_until assigned_to '
    'sender_decided sender_upheld decision decided_at time_to_decision overturned outbox_state label day moderator '
    'decisions approved upheld corrected median_time_to_decision actions actions_by_kind list term expired author '
    'changed_at note mode definition revision published_at kind restores rules terms checksum status status_by status_at '
    'rolled_back_by in_force overrides canary_judged canary_changed canary_share gate taken refused '
    'first_acknowledged_at last_acknowledged_at allow_shrink allow_changes strict taken_by finished_at '
    'delivered_as answer_ms answered_late exception_code recalled_at correction_outbox_id correction_state review_state '
    'review_decision minute hour command events messages allowed flagged masked replaced rejected discarded unjudged '
    'corrections exceptions recalls acted acted_share first_at last_at shadow shadow_hits allowed_hits after_hits reviewed '
    'overturned_share labelled benign benign_share first_hit_at last_hit_at p50_us p90_us p99_us p999_us max_us '
    'delivered_rewritten blocked rejected_but_delivered dropped_by_the_platform answered_too_late not_confirmed '
    'delivered_unasked leak_rate settled records_behind lag_seconds unsettled_room_hours oldest_unsettled_hour report_id '
    'from_time to_time room time_zone as_of made_at made_by began_at ended_at subject instance_id seen_at', ' '));

-- 'auditor': for everybody; 'personal': not for those who may not know who people are.
CREATE TEMPORARY TABLE for_functions (name text, who text) ON COMMIT DROP;
INSERT INTO for_functions VALUES
    ('claim',        'moderator'),
    ('claim_next',   'moderator'),
    ('release',      'moderator'),
    ('assign',       'moderator'),
    ('approve',      'moderator'),
    ('uphold',       'moderator'),
    ('correct',      'moderator'),
    ('resend',       'moderator'),
    ('recall',       'moderator'),
    ('mute',         'moderator'),
    ('mute_sender',  'moderator'),
    ('unmute',       'moderator'),
    ('ban',          'moderator'),
    ('ban_sender',   'moderator'),
    ('unban',        'moderator'),
    ('cancel',       'moderator'),
    ('settle',       'moderator'),
    ('annotate',     'moderator'),
    ('add_term',     'moderator'),
    ('remove_term',  'moderator'),
    ('enable_rule',  'moderator'),
    ('shadow_rule',  'moderator'),
    ('disable_rule', 'moderator'),
    ('publish',      'moderator'),
    ('rollback',     'moderator'),
    ('search',       'moderator'),
    ('offender',        'personal'),
    ('room_between',    'auditor'),
    ('latency_between', 'auditor'),
    ('report',          'auditor'),
    ('report_people',   'personal'),
    ('erase_sender', 'owner');    -- for ever: GRANT EXECUTE ON FUNCTION moderation.erase_sender TO whoever answers for it

DO $$
DECLARE
    one record;
    columns text;
BEGIN
    FOR one IN SELECT f.name, f.who, f.without, f.besides, c.oid FROM for_views f
               JOIN pg_class c ON c.relname = f.name AND c.relnamespace = 'moderation'::regnamespace LOOP
        EXECUTE format('GRANT SELECT ON moderation.%I TO chatsluice_moderator, chatsluice_auditor_personal', one.name);
        SELECT string_agg(quote_ident(a.attname), ', ') INTO columns
        FROM pg_attribute a
        WHERE a.attrelid = one.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND (a.attname IN (SELECT p.name FROM plain_columns p) OR a.attname = one.besides)
          AND a.attname IS DISTINCT FROM one.without;
        IF one.who = 'auditor' THEN
            EXECUTE format('GRANT SELECT (%s) ON moderation.%I TO chatsluice_auditor', columns, one.name);
        END IF;
    END LOOP;
    FOR one IN SELECT f.who, p.oid::regprocedure AS signature FROM for_functions f
               JOIN pg_proc p ON p.proname = f.name AND p.pronamespace = 'moderation'::regnamespace LOOP
        CONTINUE WHEN one.who = 'owner';
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO chatsluice_moderator%s', one.signature,
                       CASE one.who WHEN 'personal' THEN ', chatsluice_auditor_personal'
                                    WHEN 'auditor' THEN ', chatsluice_auditor_personal, chatsluice_auditor' END);
    END LOOP;
END
$$;

-- The views of messages call these as whoever reads them.
GRANT EXECUTE ON FUNCTION chatsluice.review_state, chatsluice.review_decision TO chatsluice_moderator, chatsluice_auditor,
    chatsluice_auditor_personal;

-- With rules.publish_requests on, instances carry out what people ask for with moderation.publish and moderation.rollback. They
-- then read the rules' tables; what they add is one revision for each request, in the name of whoever asked:
--   GRANT SELECT ON chatsluice.rule, chatsluice.term_list, chatsluice.term, chatsluice.scorecard, chatsluice.fold_table,
--       chatsluice.rule_admin TO chatsluice_service;
--   GRANT EXECUTE ON FUNCTION chatsluice.publication_take, chatsluice.publication_turn, chatsluice.publication_add,
--       chatsluice.publication_end TO chatsluice_service;

-- With rules.rollback_factor above 0 instances set a revision aside by themselves, which writes one:
--   GRANT INSERT ON chatsluice.rule_revision TO chatsluice_service;
--   GRANT UPDATE (status, status_by, status_at, rolled_back_by) ON chatsluice.rule_revision TO chatsluice_service;
--   GRANT SELECT, UPDATE ON chatsluice.rule_publication TO chatsluice_service;

COMMIT;
