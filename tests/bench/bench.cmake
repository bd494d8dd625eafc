# Benchmarks print figures and assert nothing: build/bench/*; bench.py measures the whole service.
function(chatsluice_bench name)
  add_executable(${name} bench/${name}.c)
  target_link_libraries(${name} PRIVATE chatsluice_core)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endfunction()

chatsluice_bench(bare_civetweb) # what the service is measured against
chatsluice_bench(bench_conditions)
chatsluice_bench(bench_judge)
chatsluice_bench(bench_loader)
chatsluice_bench(bench_outbox)
chatsluice_bench(bench_spool)
chatsluice_bench(bench_worst)
