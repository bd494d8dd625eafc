-- What version 3 brought: the rest of the rule language, and revisions that were rolled back.
INSERT INTO chatsluice.scorecard (name, definition) VALUES ('spam', '{"at": {"flag": 3, "mask": 5}}');
INSERT INTO chatsluice.fold_table (name, map) VALUES ('slang', '{"4u": "for you"}');
INSERT INTO chatsluice.rule_admin (account) VALUES ('admin-*');
UPDATE chatsluice.term_list SET tables = '{slang}' WHERE name = 'bad-words';
INSERT INTO chatsluice.rule (name, mode, definition)
VALUES ('shouting', 'shadow', '{"match": {"length": {"more_than": 500}}, "score": {"spam": 4}}');
INSERT INTO chatsluice.rule_revision (revision, document, checksum, rules, terms, author, note, status, status_by, kind,
                                      overrides, gate, canary_judged, canary_changed, rolled_back_by)
SELECT 2, '{}', encode(sha256('{}'), 'hex'), 0, 0, 'somebody', 'too eager', 'rolled back', 'somebody', 'publish',
       '{shrink,changes}', '{"compile": {"outcome": "passed"}}', 1000, 3, 3;
INSERT INTO chatsluice.rule_revision (revision, document, checksum, rules, terms, author, note, kind, restores)
SELECT 3, document, checksum, rules, terms, 'somebody', 'back', 'rollback', 1 FROM chatsluice.rule_revision WHERE revision = 1;
UPDATE chatsluice.rule_publication SET last_revision = 3;
