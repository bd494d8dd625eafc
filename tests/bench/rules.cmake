# Benchmarks of the rules: build/tests/bench_judge prints its figures, nothing is asserted.
add_executable(bench_judge bench/bench_judge.c)
target_link_libraries(bench_judge PRIVATE chatsluice_core)
set_target_properties(bench_judge PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
