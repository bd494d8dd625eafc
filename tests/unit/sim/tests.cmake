# chatsluice_unit_test(sim <story>) for each tests/unit/sim/test_<story>.c
