# End to end: real programs, a real PostgreSQL, real sockets. Each module tests/e2e/test_<story>.py is one test; the
# programs of this build tree are what it runs. The sanitizer builds are several times slower and get less traffic.
find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)

set(e2e_environment "CHATSLUICE_BUILD=${CMAKE_BINARY_DIR}" "PYTHONDONTWRITEBYTECODE=1")
if(NOT CHATSLUICE_BUILD STREQUAL "release")
  list(APPEND e2e_environment "CHATSLUICE_TEST_SCALE=0.3")
endif()

function(chatsluice_e2e_test story)
  chatsluice_left_out(e2e.${story} left_out)
  if(left_out)
    return()
  endif()
  add_test(NAME e2e.${story}
    COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_SOURCE_DIR}/tests/e2e/test_${story}.py
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/e2e)
  set_tests_properties(e2e.${story} PROPERTIES LABELS e2e TIMEOUT 300 SKIP_RETURN_CODE 77
    ENVIRONMENT "${e2e_environment}")
endfunction()

include(e2e/wire_tools.cmake)
set(stories
  answers
  audit
  chatsim
  cli
  conditions
  corrections
  database_away
  demo
  front
  gate_postgres
  journey
  migrations
  operations
  outbox_commands
  privileges
  publication
  report
  review
  rights
  roles
  rollup
  rollup_live
  rules_gate
  rules_live
  rules_tools
  search
  secrets
  sending
  usersig_vendor)
foreach(story IN LISTS stories)
  chatsluice_e2e_test(${story})
endforeach()
# These keep both processors busy: one at a time.
foreach(story database_away operations)
  chatsluice_tests_properties(e2e.${story} PROPERTIES PROCESSORS 2)
endforeach()
