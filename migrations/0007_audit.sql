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
