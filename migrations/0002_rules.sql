-- Rules: what moderators edit, what was published, and which process runs it.
--
-- Edit term_list, term and rule with SQL or `chatsluice rules import`; nothing changes for the rooms until
-- `chatsluice rules publish` has compiled the whole, run its examples and added a row to rule_revision.

CREATE TABLE chatsluice.term_list (
    name       text PRIMARY KEY,
    folding    text[] NOT NULL DEFAULT '{case,invisible}',
    boundary   text NOT NULL DEFAULT 'script' CHECK (boundary IN ('script', 'any', 'word')),
    author     text NOT NULL DEFAULT current_user,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE chatsluice.term (
    list       text NOT NULL REFERENCES chatsluice.term_list (name) ON UPDATE CASCADE ON DELETE CASCADE,
    term       text NOT NULL CHECK (term <> ''),
    author     text NOT NULL DEFAULT current_user,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (list, term)
);

-- definition is the rule as in a rule file, without its name and mode.
CREATE TABLE chatsluice.rule (
    name       text PRIMARY KEY,
    mode       text NOT NULL DEFAULT 'enforce' CHECK (mode IN ('enforce', 'shadow', 'off')),
    definition jsonb NOT NULL CHECK (jsonb_typeof(definition) = 'object'),
    author     text NOT NULL DEFAULT current_user,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- Published sets. A row never changes, but for its status: a withdrawn revision steps aside for the one before it.
CREATE TABLE chatsluice.rule_revision (
    revision     bigint PRIMARY KEY CHECK (revision > 0),
    document     text NOT NULL,
    checksum     text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
    rules        integer NOT NULL,
    terms        integer NOT NULL,
    author       text NOT NULL,
    note         text NOT NULL,
    status       text NOT NULL DEFAULT 'published' CHECK (status IN ('published', 'withdrawn')),
    published_at timestamptz NOT NULL DEFAULT now()
);

-- One row, counted up by each publication: it gives revisions their number without a sequence and makes the second of
-- two publishers at once start again from what the first one left.
CREATE TABLE chatsluice.rule_publication (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_revision bigint NOT NULL
);
INSERT INTO chatsluice.rule_publication (last_revision) VALUES (0);

-- Which process took which revision; error says why it could not, NULL: it runs it.
CREATE TABLE chatsluice.rule_ack (
    revision    bigint NOT NULL,
    instance_id text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    error       text,
    PRIMARY KEY (revision, instance_id)
);

-- Running processes. One that was killed leaves its row behind, with an old seen_at.
CREATE TABLE chatsluice.instance (
    instance_id          text PRIMARY KEY,
    host                 text NOT NULL,
    pid                  integer NOT NULL,
    version              text NOT NULL,
    spool_id             text NOT NULL,
    revision             bigint NOT NULL,
    spool_records        bigint NOT NULL,
    spool_oldest_seconds bigint NOT NULL,
    started_at           timestamptz NOT NULL DEFAULT now(),
    seen_at              timestamptz NOT NULL DEFAULT now()
);
