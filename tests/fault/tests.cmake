# Campaigns: the suite runs their short forms, each file's head tells the long one.
function(chatsluice_fault_test story)
  add_test(NAME fault.${story}
    COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_SOURCE_DIR}/tests/fault/${story}.py ${ARGN}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/fault)
  set_tests_properties(fault.${story} PROPERTIES LABELS fault TIMEOUT 600 PROCESSORS 2 SKIP_RETURN_CODE 77
    ENVIRONMENT "${e2e_environment}")
endfunction()

chatsluice_fault_test(slow_clients)
