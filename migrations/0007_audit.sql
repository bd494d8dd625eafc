-- Order and proof: events by their place in the spool, and the chain that shows that none was changed, removed or added.

-- Rows lie on disk nearly in the order they were loaded, so this index of block ranges finds a stretch of a spool, or of
-- time, for next to nothing at loading; what comes late only widens a few ranges.
CREATE INDEX event_order ON chatsluice.event
    USING brin (spool_seq int8_minmax_multi_ops, event_time timestamptz_minmax_multi_ops)
    WITH (pages_per_range = 32, autosummarize = on);
