chatsluice_unit_test(cli words)
# The program as people call it: words, output and exit status.
foreach(story usage serve)
  chatsluice_left_out(unit.cli.${story} left_out)
  if(left_out)
    continue()
  endif()
  add_test(NAME unit.cli.${story}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/unit/cli/${story}.sh $<TARGET_FILE:chatsluice>)
  set_tests_properties(unit.cli.${story} PROPERTIES LABELS unit TIMEOUT 120)
endforeach()
