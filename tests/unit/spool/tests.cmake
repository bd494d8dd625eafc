chatsluice_unit_test(spool crc32c)
chatsluice_unit_test(spool append)
chatsluice_unit_test(spool faults)
chatsluice_unit_test(spool recovery)
chatsluice_unit_test(spool crash)

# The benchmark of group commit: bench_spool THREADS RECORD_BYTES SECONDS [DIRECTORY]
add_executable(bench_spool bench/bench_spool.c)
target_link_libraries(bench_spool PRIVATE chatsluice_core)
