# chatsluice_unit_test(serve <story>) for each tests/unit/serve/test_<story>.c
chatsluice_unit_test(serve correction)
chatsluice_unit_test(serve malformed)
chatsluice_unit_test(serve marker_memory)
chatsluice_unit_test(serve operations)
chatsluice_unit_test(serve query)
chatsluice_unit_test(serve webhook)
