# chatsluice_unit_test(wire <story>) for each tests/unit/wire/test_<story>.c
