# chatsluice_unit_test(sim <story>) for each tests/unit/sim/test_<story>.c
chatsluice_unit_test(sim latency)
chatsluice_unit_test(sim load)
chatsluice_unit_test(sim replies)
chatsluice_unit_test(sim room)
chatsluice_unit_test(sim schedule)
chatsluice_unit_test(sim simulator)
chatsluice_unit_test(sim webhook_form)
