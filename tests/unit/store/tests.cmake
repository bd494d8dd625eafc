# chatsluice_unit_test(store <story>) for each tests/unit/store/test_<story>.c
chatsluice_unit_test(store event_record)
chatsluice_unit_test(store database)
chatsluice_unit_test(store migrate)
chatsluice_unit_test(store message_view)
chatsluice_unit_test(store loader)
chatsluice_unit_test(store loader_faults)
chatsluice_unit_test(store rule_store)
