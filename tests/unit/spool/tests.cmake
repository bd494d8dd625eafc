chatsluice_unit_test(spool crc32c)
chatsluice_unit_test(spool append)
chatsluice_unit_test(spool faults)
chatsluice_unit_test(spool recovery)
chatsluice_unit_test(spool crash)
chatsluice_unit_test(spool failing_calls)
chatsluice_failing_calls(spool failing_calls)
# Several thousand lives of a spool: slow under sanitizers.
set_tests_properties(unit.spool.failing_calls PROPERTIES TIMEOUT 300)
