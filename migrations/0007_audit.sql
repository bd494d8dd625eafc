-- Order and proof: events by their place in the spool, and the chain that shows that none was changed, removed or added.

-- Rows lie on disk nearly in the order they were loaded, so this index of block ranges finds a stretch of a spool, or of
-- time, for next to nothing at loading; what comes late only widens a few ranges.
CREATE INDEX event_order ON chatsluice.event
    USING brin (spool_seq int8_minmax_multi_ops, event_time timestamptz_minmax_multi_ops)
    WITH (pages_per_range = 32, autosummarize = on);

-- The chain (src/store/chain.c tells its bytes) ------------------------------------------------------------------------
--
-- Each event has a leaf, a digest of everything in its row; each batch of the loader is a block: a list of the leaves it
-- brought and the digest of the block before. The loader writes it in the transaction of the rows and keeps the head of
-- the chain beside the position, so a batch that is loaded again, a second loader or a lost answer cannot fork it.

ALTER TABLE chatsluice.event
    ADD COLUMN salt            bytea,       -- 16 random bytes: nobody can guess from a leaf what stood in an erased row
    ADD COLUMN personal_digest bytea,       -- in the place of what was erased
    ADD COLUMN erased_at       timestamptz;

ALTER TABLE chatsluice.dead_letter
    ADD COLUMN salt            bytea,
    ADD COLUMN personal_digest bytea,
    ADD COLUMN erased_at       timestamptz;

ALTER TABLE chatsluice.spool_position
    ADD COLUMN chain_block    bigint NOT NULL DEFAULT 0, -- the last block
    ADD COLUMN chain_hash     bytea  NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    ADD COLUMN went_back_from bigint;                    -- the position was moved back from here, and no block says so yet

-- Rows that were loaded before this migration have no leaf: the chain of their spool begins behind them.
CREATE TABLE chatsluice.chain_block (
    spool_id       uuid        NOT NULL,
    block          bigint      NOT NULL CHECK (block > 0),
    first_seq      bigint      NOT NULL,
    last_seq       bigint      NOT NULL CHECK (last_seq >= first_seq),
    events         integer     NOT NULL, -- how many of its records became rows of event, and their times
    from_time      timestamptz,
    to_time        timestamptz,
    went_back_from bigint,               -- the records up to here were loaded before: the spool is an older copy, or was copied
    loaded_at      timestamptz NOT NULL,
    leaves         bytea       NOT NULL,
    leaves_digest  bytea       NOT NULL,
    previous_hash  bytea       NOT NULL,
    hash           bytea       NOT NULL,
    PRIMARY KEY (spool_id, block)
);
ALTER TABLE chatsluice.chain_block ALTER COLUMN leaves SET STORAGE EXTERNAL; -- digests do not compress
CREATE INDEX chain_block_order ON chatsluice.chain_block
    USING brin (first_seq int8_minmax_multi_ops, from_time timestamptz_minmax_multi_ops,
                to_time timestamptz_minmax_multi_ops)
    WITH (pages_per_range = 32, autosummarize = on);

-- States of the chain, signed by the instance that loads the spool; the same lines stand in the file checkpoints of its
-- audit.directory. What a checkpoint names can be taken back no more without the key, or by whoever kept a copy of the file.
CREATE TABLE chatsluice.checkpoint (
    spool_id    uuid        NOT NULL,
    number      bigint      NOT NULL CHECK (number > 0),
    block       bigint      NOT NULL,
    last_seq    bigint      NOT NULL,
    hash        bytea       NOT NULL,
    made_at     timestamptz NOT NULL,
    instance_id text        NOT NULL,
    line        text        NOT NULL, -- what is signed, and the signature
    PRIMARY KEY (spool_id, number)
);

-- Days (UTC, of event_time) whose rows retention has taken away: what the chain says of them is then not expected here.
CREATE TABLE chatsluice.removed_day (
    day        date        PRIMARY KEY,
    removed_at timestamptz NOT NULL DEFAULT now(),
    who        text        NOT NULL,
    why        text,
    archive    text                 -- where the rows went; null: nowhere
);

-- Erasing a person's data ----------------------------------------------------------------------------------------------

-- What was erased, told without the name; each record names the hash of the one before, and checkpoints the last.
CREATE TABLE chatsluice.erasure (
    number          bigint      PRIMARY KEY CHECK (number > 0),
    at              timestamptz NOT NULL, -- erased_at of the rows
    who             text        NOT NULL,
    why             text        NOT NULL,
    sdkappid        bigint,               -- null: of all applications
    account_digest  text        NOT NULL, -- of whose data: SHA-256 of number, blank and account, as hex
    events          bigint      NOT NULL,
    dead_letters    bigint      NOT NULL,
    outbox_rows     bigint      NOT NULL,
    actions         bigint      NOT NULL,
    hash            bytea       NOT NULL
);

-- Bytes as the chain digests them (src/store/chain.c). Not the types' send functions: those follow the client's encoding.
CREATE FUNCTION chatsluice.image(value bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT coalesce(int4send(octet_length(value)) || value, int4send(-1))
$$;
CREATE FUNCTION chatsluice.image(value text) RETURNS bytea
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT chatsluice.image(convert_to(value, 'UTF8'))
$$;

-- What stays of the personal columns of a row in the chain.
CREATE FUNCTION chatsluice.personal_digest(e chatsluice.event) RETURNS bytea
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT sha256(e.salt || chatsluice.image(e.from_account) || chatsluice.image(e.operator_account)
                  || chatsluice.image(e.msg_id) || chatsluice.image(e.client_ip) || chatsluice.image(e.request_id)
                  || chatsluice.image(e.text) || chatsluice.image(e.cloud_custom_data)
                  || chatsluice.image('\x01'::bytea || convert_to(e.hits::text, 'UTF8')) || chatsluice.image(e.rewritten)
                  || chatsluice.image(e.rewritten_custom_data) || chatsluice.image(e.raw))
$$;

-- The hash of a record of an erasure: of its values and the hash of the record before, each on a line of its own.
CREATE FUNCTION chatsluice.erasure_hash(e chatsluice.erasure, previous bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT sha256(convert_to(concat_ws(E'\n', 'chatsluice erasure 1', encode(coalesce(previous, ''), 'hex'), e.number,
                                       (extract(epoch FROM e.at) * 1000000)::bigint, to_json(e.who), to_json(e.why),
                                       coalesce(e.sdkappid, 0), e.account_digest, e.events, e.dead_letters, e.outbox_rows,
                                       e.actions), 'UTF8'))
$$;

-- Erases the events of one partition; chained rows keep the digest of what was in them. At most `most` rows a call, so that
-- whoever may commit in between can go in steps. Returns how many it was.
CREATE FUNCTION chatsluice.erase_events(part regclass, account text, app bigint, token text, erased timestamptz,
                                        most bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('UPDATE %s AS e SET personal_digest = chatsluice.personal_digest(o), salt = NULL, erased_at = $4, '
                   'from_account = CASE WHEN e.from_account IS NOT NULL THEN $3 END, operator_account = NULL, '
                   'msg_id = NULL, client_ip = NULL, request_id = NULL, text = NULL, cloud_custom_data = NULL, '
                   'cloud_custom_data_json = NULL, hits = NULL, rewritten = NULL, rewritten_custom_data = NULL, raw = '''' '
                   'FROM (SELECT v.* FROM chatsluice.event v WHERE v.tableoid = $5 '
                   'AND (v.from_account = $1 OR (v.from_account IS NULL AND v.operator_account = $1)) '
                   'AND ($2 IS NULL OR v.sdkappid = $2) AND v.erased_at IS NULL LIMIT $6) AS o '
                   'WHERE e.group_id = o.group_id AND e.event_time = o.event_time AND e.event_id = o.event_id', part)
    USING account, app, token, erased, part::oid, most;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;

-- Takes a person's data out of everything that is stored, for good, and records that. Tables of other parts are cleared by
-- the functions chatsluice.erase_in_...(account text, app bigint, token text) there are. Returns the number of events.
CREATE FUNCTION chatsluice.erase_account(by_whom text, account text, reason text, app bigint) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    token constant text := 'erased-' || replace(gen_random_uuid()::text, '-', '');
    words constant text := replace(reason, account, token);
    entry chatsluice.erasure;
    previous bytea;
    part regclass;
    helper regprocedure;
    n bigint;
BEGIN
    IF coalesce(account, '') = '' OR coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'name an account and say why' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF account LIKE 'erased-%' THEN
        RAISE EXCEPTION 'the data of % has been erased', account USING ERRCODE = 'invalid_parameter_value';
    END IF;
    LOCK TABLE chatsluice.erasure IN EXCLUSIVE MODE; -- one after the other: they are numbered without gaps
    SELECT e.number, e.hash INTO entry.number, previous FROM chatsluice.erasure e ORDER BY e.number DESC LIMIT 1;
    entry.number := coalesce(entry.number, 0) + 1;
    entry.at := clock_timestamp();
    entry.who := by_whom;
    entry.why := words;
    entry.sdkappid := app;
    entry.account_digest := encode(sha256(convert_to(entry.number || ' ' || account, 'UTF8')), 'hex');

    entry.events := 0;
    FOR part IN SELECT i.inhrelid::regclass FROM pg_inherits i WHERE i.inhparent = 'chatsluice.event'::regclass LOOP
        entry.events := entry.events + chatsluice.erase_events(part, account, app, token, entry.at);
    END LOOP;

    -- A parked record could not be read: it is the person's when it has the name in it as JSON writes it.
    UPDATE chatsluice.dead_letter d
    SET record = '', salt = NULL, erased_at = entry.at,
        personal_digest = sha256(d.salt || chatsluice.image(d.record))
    WHERE position(convert_to(to_json(account)::text, 'UTF8') IN d.record) > 0;
    GET DIAGNOSTICS n = ROW_COUNT;
    entry.dead_letters := n;

    -- What is still to be sent, or may yet turn up, is left until that is settled.
    UPDATE chatsluice.outbox o
    SET account = token, text = CASE WHEN o.text IS NOT NULL THEN '' END, custom_data = NULL, note = NULL
    FROM chatsluice.outbox_state s
    WHERE o.account = erase_account.account AND (app IS NULL OR o.sdkappid = app) AND s.state = o.state AND s.final;
    GET DIAGNOSTICS n = ROW_COUNT;
    entry.outbox_rows := n;
    DELETE FROM chatsluice.outbox_sighting s WHERE s.account = erase_account.account;

    UPDATE chatsluice.moderator_action a
    SET account = token, detail = replace(a.detail, erase_account.account, token),
        why = replace(a.why, erase_account.account, token)
    WHERE a.account = erase_account.account;
    GET DIAGNOSTICS n = ROW_COUNT;
    entry.actions := n;

    FOR helper IN SELECT p.oid::regprocedure FROM pg_proc p
                  WHERE p.pronamespace = 'chatsluice'::regnamespace AND starts_with(p.proname, 'erase_in_') LOOP
        EXECUTE format('SELECT %s($1, $2, $3)', helper::oid::regproc) USING account, app, token;
    END LOOP;

    entry.hash := chatsluice.erasure_hash(entry, previous);
    INSERT INTO chatsluice.erasure SELECT entry.*;
    PERFORM chatsluice.note_action(by_whom, 'erase_sender', '', entry.account_digest, NULL, NULL,
                                   entry.events || ' events', words);
    RETURN entry.events;
END
$$;

-- For a person who wants their data gone (GDPR article 17, PIPL article 47). app: only of this application.
CREATE FUNCTION moderation.erase_sender(account text, why text, app bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT chatsluice.erase_account(session_user, account, why, app)
$$;
REVOKE EXECUTE ON FUNCTION moderation.erase_sender(text, text, bigint) FROM PUBLIC;
