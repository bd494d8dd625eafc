-- Terms that last for a while: one that has passed, one that has not.
INSERT INTO chatsluice.term (list, term, expires_at)
VALUES ('bad-words', 'yesterday', '2026-03-01 12:00+00'), ('bad-words', 'always', '2999-12-31 12:00+00');
