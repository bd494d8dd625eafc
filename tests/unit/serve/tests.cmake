# chatsluice_unit_test(serve <story>) for each tests/unit/serve/test_<story>.c
