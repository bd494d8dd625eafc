-- Publication: revisions that cannot be altered, with what the gate found and who set them aside, and authors of edits.

ALTER TABLE chatsluice.rule_revision
    ADD COLUMN kind text NOT NULL DEFAULT 'publish' CHECK (kind IN ('publish', 'rollback', 'automatic rollback')),
    ADD COLUMN restores bigint,                        -- of a rollback: the revision whose document this one repeats
    ADD COLUMN overrides text[] NOT NULL DEFAULT '{}', -- what the publisher allowed: shrink, shrink:LIST, changes
    ADD COLUMN gate jsonb,                             -- the outcome of every step of the gate; null: it was not asked
    ADD COLUMN canary_judged bigint,                   -- stored events the canary judged, null: it did not run
    ADD COLUMN canary_changed bigint,                  -- and those whose verdict this revision changes
    ADD COLUMN status_by text,                         -- who changed the status, and when
    ADD COLUMN status_at timestamptz,
    ADD COLUMN rolled_back_by bigint,                  -- the revision that took its place
    DROP CONSTRAINT rule_revision_status_check,
    ADD CONSTRAINT rule_revision_status_check CHECK (status IN ('published', 'withdrawn', 'rolled back'));

-- The rest of the rule language (rule.h): scorecards, the operator's own foldings, and who counts as an admin.
ALTER TABLE chatsluice.term_list
    ADD COLUMN tables text[] NOT NULL DEFAULT '{}'; -- names of fold_table, applied first

-- definition is the scorecard as in a rule file, without its name.
CREATE TABLE chatsluice.scorecard (
    name       text PRIMARY KEY,
    definition jsonb NOT NULL CHECK (jsonb_typeof(definition) = 'object'),
    author     text NOT NULL DEFAULT current_user,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE chatsluice.fold_table (
    name       text PRIMARY KEY,
    map        jsonb NOT NULL CHECK (jsonb_typeof(map) = 'object'),
    author     text NOT NULL DEFAULT current_user,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE chatsluice.rule_admin (
    account    text PRIMARY KEY, -- a glob
    author     text NOT NULL DEFAULT current_user,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- A revision is what was published, for good: nothing but its status may change, and whoever changes that leaves a name
-- and a time. A trigger is no burden here: this table is written a few times a day.
CREATE FUNCTION chatsluice.rule_revision_stays() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    free constant text[] := '{status,status_by,status_at,rolled_back_by}';
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'a rule revision cannot be removed; set its status to withdrawn' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (to_jsonb(NEW) - free) IS DISTINCT FROM (to_jsonb(OLD) - free) THEN
        RAISE EXCEPTION 'rule revision % cannot be changed, only its status can', OLD.revision
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.status IS DISTINCT FROM OLD.status THEN
        IF NEW.status_by IS NOT DISTINCT FROM OLD.status_by THEN
            NEW.status_by := current_user;
        END IF;
        NEW.status_at := now();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER rule_revision_stays BEFORE UPDATE OR DELETE ON chatsluice.rule_revision
    FOR EACH ROW EXECUTE FUNCTION chatsluice.rule_revision_stays();
CREATE TRIGGER rule_revision_stays_whole BEFORE TRUNCATE ON chatsluice.rule_revision
    FOR EACH STATEMENT EXECUTE FUNCTION chatsluice.rule_revision_stays();

-- An edit by SQL carries the name of who made it, unless the statement says another one.
CREATE FUNCTION chatsluice.note_author() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF NEW IS DISTINCT FROM OLD AND NEW.changed_at IS NOT DISTINCT FROM OLD.changed_at THEN
        IF NEW.author IS NOT DISTINCT FROM OLD.author THEN
            NEW.author := current_user;
        END IF;
        NEW.changed_at := now();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER note_author BEFORE UPDATE ON chatsluice.rule
    FOR EACH ROW EXECUTE FUNCTION chatsluice.note_author();
CREATE TRIGGER note_author BEFORE UPDATE ON chatsluice.term_list
    FOR EACH ROW EXECUTE FUNCTION chatsluice.note_author();
CREATE TRIGGER note_author BEFORE UPDATE ON chatsluice.term
    FOR EACH ROW EXECUTE FUNCTION chatsluice.note_author();
CREATE TRIGGER note_author BEFORE UPDATE ON chatsluice.scorecard
    FOR EACH ROW EXECUTE FUNCTION chatsluice.note_author();
CREATE TRIGGER note_author BEFORE UPDATE ON chatsluice.fold_table
    FOR EACH ROW EXECUTE FUNCTION chatsluice.note_author();
CREATE TRIGGER note_author BEFORE UPDATE ON chatsluice.rule_admin
    FOR EACH ROW EXECUTE FUNCTION chatsluice.note_author();

-- What was published when, by whom and why, and who runs it. An instance counts as live while it was seen in the last
-- 15 seconds; it acknowledges a revision once it runs it or has refused it.
CREATE VIEW moderation.rule_history AS
SELECT r.revision,
       r.published_at,
       r.author,
       r.note,
       r.kind,
       r.restores,
       r.rules,
       r.terms,
       r.checksum,
       r.status,
       r.status_by,
       r.status_at,
       r.rolled_back_by,
       coalesce(r.revision = (SELECT max(n.revision) FROM chatsluice.rule_revision AS n WHERE n.status = 'published'),
                false) AS in_force,
       r.overrides,
       r.canary_judged,
       r.canary_changed,
       round(r.canary_changed::numeric / nullif(r.canary_judged, 0), 6) AS canary_share,
       r.gate,
       a.taken,
       a.refused,
       a.first_at AS first_acknowledged_at,
       a.last_at AS last_acknowledged_at
FROM chatsluice.rule_revision AS r
CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE k.error IS NULL) AS taken,
                           count(*) FILTER (WHERE k.error IS NOT NULL) AS refused,
                           min(k.at) AS first_at,
                           max(k.at) AS last_at
                    FROM chatsluice.rule_ack AS k
                    WHERE k.revision = r.revision) AS a;
