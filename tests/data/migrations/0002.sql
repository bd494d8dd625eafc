-- Rules as version 2 kept them, published once and in force.
INSERT INTO chatsluice.term_list (name, folding) VALUES ('bad-words', '{case,invisible}');
INSERT INTO chatsluice.term (list, term) VALUES ('bad-words', 'darn');
INSERT INTO chatsluice.rule (name, mode, definition)
VALUES ('swearing', 'enforce',
        '{"when": "before", "match": {"any": [{"terms": "bad-words"}]}, "action": "mask"}');
INSERT INTO chatsluice.rule_revision (revision, document, checksum, rules, terms, author, note)
SELECT 1, document, encode(sha256(convert_to(document, 'UTF8')), 'hex'), 1, 1, 'somebody', 'the first'
FROM (VALUES ('{"lists":[{"list":"bad-words","terms":["darn"]}],"rules":[{"rule":"swearing","when":"before",'
              '"match":{"any":[{"terms":"bad-words"}]},"action":"mask"}]}')) AS d (document);
UPDATE chatsluice.rule_publication SET last_revision = 1;
INSERT INTO chatsluice.rule_ack (revision, instance_id, error) VALUES (1, 'gone', NULL), (1, 'old', 'does not know it');
INSERT INTO chatsluice.instance (instance_id, host, pid, version, spool_id, revision, spool_records,
                                 spool_oldest_seconds, seen_at)
VALUES ('gone', 'db1', 4711, '0.0.2', '00000000-0000-0000-0000-0000000000aa', 1, 0, 0, '2026-03-01 13:00+00');
