# build/bench/bench_loader URL: the loader against a raw COPY.
add_executable(bench_loader ${CMAKE_CURRENT_LIST_DIR}/bench_loader.c)
target_link_libraries(bench_loader PRIVATE chatsluice_core)
set_target_properties(bench_loader PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
