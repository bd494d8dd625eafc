# Evasion and hostile rules: `chatsluice rules try` and `check` of this build tree over generated texts and files; no
# database, no sockets. The data comes from Python and Debian's package unicode-data, never from our own tables.
function(chatsluice_evasion_test name)
  chatsluice_left_out(evasion.${name} left_out)
  if(left_out)
    return()
  endif()
  add_test(NAME evasion.${name}
    COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_SOURCE_DIR}/tests/evasion/${ARGN}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/evasion)
  set_tests_properties(evasion.${name} PROPERTIES LABELS evasion TIMEOUT 600 ENVIRONMENT "${e2e_environment}")
endfunction()

chatsluice_evasion_test(suite test_evasion.py)
chatsluice_evasion_test(benign_made ../data/make_benign.py --check)
chatsluice_evasion_test(hostile_rules test_hostile_rules.py)
