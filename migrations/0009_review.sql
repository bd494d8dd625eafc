-- Review: what people decide about messages, and what they do to rules.
--
-- A person's decision is the last word. Every action a rule asks for passes chatsluice.outbox_claim on its way to the
-- platform, and there what a person has decided about the same message, or done to its sender since, withdraws it.

-- What a person has to do with one message. There is a row once somebody has claimed it, was given it or decided; a flagged
-- message without one simply waits.
CREATE TABLE chatsluice.review (
    room_id       text        NOT NULL,
    event_time    timestamptz NOT NULL, -- of the Before webhook; of the After one of a message nobody asked about
    event_id      uuid        NOT NULL,
    sdkappid      bigint      NOT NULL,
    account       text        NOT NULL, -- the sender; with random and msg_id it tells further webhooks of the same message
    random        bigint,
    msg_id        text,
    received_at   timestamptz NOT NULL,
    verdict       text,                 -- as the rules had it, and whose it was
    rule          text,
    state         text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'decided')),
    claimed_by    text,                 -- until claimed_until; from then on it is anybody's again
    claimed_until timestamptz,
    assigned_to   text,
    decision      text CHECK (decision IN ('approve', 'uphold', 'correct')),
    decided_by    text,
    decided_at    timestamptz,
    overturned    boolean,              -- the person said otherwise than the verdict
    outbox_id     uuid,                 -- what the decision sends
    why           text,
    PRIMARY KEY (room_id, event_time, event_id),
    CHECK ((state = 'decided') = (decision IS NOT NULL AND decided_by IS NOT NULL AND decided_at IS NOT NULL
                                  AND overturned IS NOT NULL))
);
CREATE INDEX review_open ON chatsluice.review (event_time) WHERE state = 'open';
CREATE INDEX review_decided ON chatsluice.review (decided_at) WHERE state = 'decided';
CREATE INDEX review_decided_day ON chatsluice.review (((decided_at AT TIME ZONE 'UTC')::date)) WHERE state = 'decided';
CREATE INDEX review_account ON chatsluice.review (account);

-- What people say about messages, in a word and a note. 'benign' is harmless: the quality of rules is counted by it.
CREATE TABLE chatsluice.annotation (
    room_id    text        NOT NULL,
    event_time timestamptz NOT NULL,
    event_id   uuid        NOT NULL,
    label      text        NOT NULL CHECK (label ~ '^[a-z0-9][a-z0-9 _-]{0,63}$'),
    note       text,
    who        text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, event_time, event_id, label, who)
);

-- What waits for a person. Almost no event is flagged, so loading pays for the look at the condition and little more.
CREATE INDEX event_flagged ON chatsluice.event (event_time) WHERE verdict = 'flag';

-- What people asked of the rules, for the outbox to know (outbox_heed).
CREATE INDEX outbox_person ON chatsluice.outbox (room_id, asked_at) WHERE cause <> 'rule';
CREATE INDEX moderator_action_day ON chatsluice.moderator_action (((at AT TIME ZONE 'UTC')::date));

-- Publications asked for by SQL. An instance with rules.publish_requests takes one for taken_until, runs the gate and writes
-- down what came of it; the revision and state 'done' are one transaction, so a request becomes at most one revision.
CREATE TABLE chatsluice.publication_request (
    request_id    uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    kind          text        NOT NULL CHECK (kind IN ('publish', 'rollback')),
    asked_by      text        NOT NULL,
    asked_at      timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    note          text        NOT NULL CHECK (note <> ''),
    restores      bigint,                              -- of a rollback: null is the revision before
    allow_shrink  text[]      NOT NULL DEFAULT '{}',   -- lists; '*' is all of them, and the rules
    allow_changes boolean     NOT NULL DEFAULT false,
    strict        boolean     NOT NULL DEFAULT false,
    state         text        NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'done', 'unchanged', 'refused', 'failed', 'expired', 'cancelled')),
    attempts      integer     NOT NULL DEFAULT 0,      -- tells a late answer from the last one
    taken_by      text,
    taken_until   timestamptz,
    finished_at   timestamptz,
    revision      bigint,                              -- done: the new one; unchanged: the one in force
    outcome       text,                                -- in words: what the gate refused, or warned of
    gate          jsonb
);
CREATE INDEX publication_request_open ON chatsluice.publication_request (asked_at) WHERE state IN ('waiting', 'running');

ALTER TABLE chatsluice.instance
    ADD COLUMN publishes boolean NOT NULL DEFAULT false; -- carries out publications asked for by SQL
