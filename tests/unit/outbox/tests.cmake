#chatsluice_unit_test(outbox <story>) for each tests / unit / outbox / test_ < story>.c
chatsluice_unit_test(outbox outbox)
