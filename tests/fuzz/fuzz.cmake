# Fuzz targets: in every build a program that replays saved inputs, and edited ones, a test over tests/fuzz/corpus/<name>.
# In the build "fuzz" also libFuzzer's own, find_<name>: tests/fuzz/run builds and runs them. That needs clang, 45 MB of
# packages and a build of the core by another compiler, too much for every CI run: there the edited inputs stand in.
function(chatsluice_fuzz name edited)
  add_executable(fuzz_${name} fuzz/fuzz_${name}.c fuzz/replay.c)
  target_link_libraries(fuzz_${name} PRIVATE chatsluice_core)
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  add_test(NAME fuzz.${name} COMMAND fuzz_${name} --edited ${edited} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 120)
  if(CHATSLUICE_BUILD STREQUAL "fuzz")
    add_executable(find_${name} fuzz/fuzz_${name}.c)
    target_link_libraries(find_${name} PRIVATE chatsluice_core)
    target_link_options(find_${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(find_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  endif()
endfunction()

foreach(target callback config event_record marker query rest_answer usersig verdict_reply)
  chatsluice_fuzz(${target} 20000)
endforeach()
chatsluice_fuzz(judge 3000)
chatsluice_fuzz(callback_judge 5000)
chatsluice_fuzz(rule_file 300)
chatsluice_fuzz(spool 500)
