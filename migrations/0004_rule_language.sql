-- Terms for a while: words of a raid, of an evening, of a case still being looked at.

ALTER TABLE chatsluice.term
    ADD COLUMN expires_at timestamptz; -- from then on exports and publications leave it out; null: it stays

-- What expires next, and what can be cleared away.
CREATE INDEX term_expires_at ON chatsluice.term (expires_at) WHERE expires_at IS NOT NULL;
