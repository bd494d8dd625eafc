# chatsluice_unit_test(rules <story>) for each tests/unit/rules/test_<story>.c
chatsluice_unit_test(rules cases)
