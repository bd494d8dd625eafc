#chatsluice_unit_test(outbox <story>) for each tests / unit / outbox / test_ < story>.c
chatsluice_unit_test(outbox outbox)
chatsluice_unit_test(outbox call)
chatsluice_unit_test(outbox outcome)
chatsluice_unit_test(outbox pacer)
