# The benchmark of group commit: bench_spool THREADS RECORD_BYTES SECONDS [DIRECTORY]
add_executable(bench_spool bench/bench_spool.c)
target_link_libraries(bench_spool PRIVATE chatsluice_core)
