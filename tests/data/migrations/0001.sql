-- A message as version 1 kept it: asked about, masked, delivered; a recall; a spool that is loaded; a parked record.
SELECT chatsluice.ensure_partitions('2026-03-01', '2026-03-02');
INSERT INTO chatsluice.event (event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id, command,
                              command_word, group_type, from_account, operator_account, msg_id, random, msg_seq, msg_time,
                              client_ip, platform, text, cloud_custom_data, cloud_custom_data_json, verdict, decided_by,
                              rule, error_code, hits, rewritten, rule_revision, judge_us, recalled_seqs, duplicate_keys, raw)
VALUES
    ('2026-03-01 12:00:00.5+00', '2026-03-01 12:00:00.6+00', 1400000001, 1, '00000000-0000-0000-0000-000000000001',
     '00000000-0000-0000-0000-0000000000aa', 'old-room', 'before', 'Group.CallbackBeforeSendMsg', 'Live', 'viewer_19',
     'viewer_19', 'm-1', 3204417755, NULL, NULL, '203.0.113.7', 'Android', 'oh darn it', '{"a": 1}', '{"a": 1}', 'mask',
     'rule', 'swearing', 0, '[{"rule": "swearing", "start": 3, "end": 7}]', 'oh **** it', 1, 180, NULL, false,
     '\x7b22726177223a2022c3a900227d'),
    ('2026-03-01 12:00:01+00', '2026-03-01 12:00:01.2+00', 1400000001, 2, '00000000-0000-0000-0000-000000000002',
     '00000000-0000-0000-0000-0000000000aa', 'old-room', 'after', 'Group.CallbackAfterSendMsg', 'Live', 'viewer_19',
     'viewer_19', 'm-1', 3204417755, 812, '2026-03-01 12:00:01+00', '203.0.113.7', 'Android', 'oh **** it', NULL, NULL,
     'allow', 'default', NULL, 0, NULL, NULL, 1, 90, NULL, false, '\x7b7d'),
    ('1999-12-31 23:59:59+00', '2026-03-01 12:00:02+00', 1400000001, 3, '00000000-0000-0000-0000-000000000003',
     '00000000-0000-0000-0000-0000000000aa', 'old-room', 'recall', 'Group.CallbackAfterRecallMsg', 'Live', NULL, 'admin',
     NULL, NULL, NULL, NULL, '203.0.113.7', 'RESTAPI', NULL, NULL, NULL, 'allow', 'default', NULL, 0, NULL, NULL, NULL, 5,
     '{812}', true, '\x7b7d'),
    ('2026-03-01 12:00:03+00', '2026-03-01 12:00:03+00', 1400000001, 4, '00000000-0000-0000-0000-000000000004',
     '00000000-0000-0000-0000-0000000000aa', '', 'other', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, 'reject', 'overload', NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, '\xff00');
INSERT INTO chatsluice.spool_position (spool_id, seq, owner)
VALUES ('00000000-0000-0000-0000-0000000000aa', 4, 'an instance of long ago');
INSERT INTO chatsluice.dead_letter (dead_letter_id, spool_id, spool_seq, record, sqlstate, error)
VALUES ('00000000-0000-0000-0000-0000000000dd', '00000000-0000-0000-0000-0000000000aa', 5, '\x0167', NULL, 'unreadable');
