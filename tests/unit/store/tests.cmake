# chatsluice_unit_test(store <story>) for each tests/unit/store/test_<story>.c
chatsluice_unit_test(store event_record)
chatsluice_unit_test(store database)
chatsluice_unit_test(store migrate)
chatsluice_unit_test(store message_view)
chatsluice_unit_test(store loader)
chatsluice_unit_test(store loader_faults)
chatsluice_unit_test(store rule_store)
# Stops and starts a server, waits out the grace of a stop, kills connections by the dozen: slow under sanitizers.
set_tests_properties(unit.store.loader_faults PROPERTIES TIMEOUT 300)
