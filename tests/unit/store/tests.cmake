# chatsluice_unit_test(store <story>) for each tests/unit/store/test_<story>.c
chatsluice_unit_test(store database)
chatsluice_unit_test(store migrate)
