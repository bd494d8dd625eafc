# chatsluice_unit_test(rules <story>) for each tests/unit/rules/test_<story>.c
chatsluice_unit_test(rules cases)
chatsluice_unit_test(rules evade)
chatsluice_unit_test(rules fold)
chatsluice_unit_test(rules document)
chatsluice_unit_test(rules judge)
chatsluice_unit_test(rules law)
chatsluice_unit_test(rules lint)
chatsluice_unit_test(rules ruleset)
