# Deterministic simulation: the service's own threads, clocks, disk, database and HTTP calls, by --wrap, on one seed.
if(CHATSLUICE_BUILD MATCHES "thread|fuzz") # one real thread has no races; and the fibers of sanitizers are gcc's here
  return()
endif()
add_executable(simulation
  simulation/database.c
  simulation/disk.c
  simulation/instance.c
  simulation/ledger.c
  simulation/plan.c
  simulation/plant.c
  simulation/platform.c
  simulation/scheduler.c
  simulation/simulation.c
  simulation/threads.c
  simulation/world.c)
target_link_libraries(simulation PRIVATE chatsluice_core)
target_include_directories(simulation PRIVATE simulation)
set_target_properties(simulation PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
foreach(call
    # threads.c
    pthread_mutex_init pthread_mutex_destroy pthread_mutex_lock pthread_mutex_unlock pthread_cond_init
    pthread_cond_destroy pthread_cond_wait pthread_cond_timedwait pthread_cond_signal pthread_cond_broadcast
    pthread_create pthread_join pthread_tryjoin_np sched_yield syscall clock_mono_us clock_wall_us clock_sleep_ms
    uuid_random getrandom getpid log_write
    # disk.c
    open __open_2 openat __openat_2 close closedir
    # database.c
    db_open db_close db_alive db_cancel db_exec db_query db_begin db_end db_copy_begin db_copy_put db_copy_end
    # platform.c
    http_calls_new http_calls_free http_calls_under_way http_calls_begin http_calls_wait http_calls_next
    http_calls_wake
    # plant.c
    outcome_settle pacer_end)
  target_link_options(simulation PRIVATE -Wl,--wrap=${call})
endforeach()

add_test(NAME simulation
  COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_SOURCE_DIR}/tests/simulation/simulation.py
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/simulation)
set_tests_properties(simulation PROPERTIES LABELS fault TIMEOUT 600 ENVIRONMENT "${e2e_environment}")
