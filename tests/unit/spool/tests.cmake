# chatsluice_unit_test(spool <story>) for each tests/unit/spool/test_<story>.c
