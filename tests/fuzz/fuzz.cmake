# Fuzz targets: in every build a program that replays saved inputs, a test over tests/fuzz/corpus/<name>. In the build
# "fuzz" (needs clang: cmake -B build-fuzz -DCHATSLUICE_BUILD=fuzz -DCMAKE_C_COMPILER=clang) also libFuzzer's own:
#   build-fuzz/fuzz/find_<name> -max_total_time=600 WORK tests/fuzz/corpus/<name>
function(chatsluice_fuzz name)
  add_executable(fuzz_${name} fuzz/fuzz_${name}.c fuzz/replay.c)
  target_link_libraries(fuzz_${name} PRIVATE chatsluice_core)
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 120)
  if(CHATSLUICE_BUILD STREQUAL "fuzz")
    add_executable(find_${name} fuzz/fuzz_${name}.c)
    target_link_libraries(find_${name} PRIVATE chatsluice_core)
    target_link_options(find_${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(find_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  endif()
endfunction()

foreach(target callback callback_judge config event_record judge marker query rest_answer rule_file spool usersig
    verdict_reply)
  chatsluice_fuzz(${target})
endforeach()
