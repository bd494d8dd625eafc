-- Database roles of Chatsluice: what the service may do, and no more. For psql, as the owner of the schema (whoever ran
-- `chatsluice migrate`) with CREATEROLE, or as a superuser; again after each migration. Then
--   CREATE ROLE chatsluice LOGIN PASSWORD '...' IN ROLE chatsluice_service;
-- goes into database.url, and database.migrate is off: such a role cannot alter tables.
--
-- What it gives: events and dead letters are only ever added, rules only read. Whoever takes over the service can
-- neither change nor remove what was recorded, nor publish rules.

BEGIN;

DO $$
BEGIN
    IF to_regrole('chatsluice_service') IS NULL THEN
        CREATE ROLE chatsluice_service NOLOGIN;
    END IF;
    -- COPY into a temporary table is the careful way of loading.
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO chatsluice_service', current_database());
END
$$;

REVOKE ALL ON SCHEMA chatsluice, moderation FROM PUBLIC, chatsluice_service;
REVOKE ALL ON ALL TABLES IN SCHEMA chatsluice, moderation FROM PUBLIC, chatsluice_service;
GRANT USAGE ON SCHEMA chatsluice TO chatsluice_service;

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
            ('send_lease',       'SELECT, INSERT, UPDATE, DELETE')
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

-- With rules.rollback_factor above 0 instances set a revision aside by themselves, which writes one:
--   GRANT INSERT ON chatsluice.rule_revision TO chatsluice_service;
--   GRANT UPDATE (status, status_by, status_at, rolled_back_by) ON chatsluice.rule_revision TO chatsluice_service;
--   GRANT SELECT, UPDATE ON chatsluice.rule_publication TO chatsluice_service;

COMMIT;
