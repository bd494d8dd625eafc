#chatsluice_unit_test(outbox <story>) for each tests / unit / outbox / test_ < story>.c
chatsluice_unit_test(outbox outbox)
chatsluice_unit_test(outbox call)
chatsluice_unit_test(outbox outcome)
chatsluice_unit_test(outbox pacer)
# Fills a minute with calls at the rate the platform allows, and waits out a breaker: slower still under sanitizers.
chatsluice_tests_properties(unit.outbox.outbox PROPERTIES TIMEOUT 300)
