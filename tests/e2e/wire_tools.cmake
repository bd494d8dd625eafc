# Programs the end-to-end tests call to hold src/wire against other people's implementations.
foreach(tool gate_postgres usersig_tool)
  add_executable(${tool} ${CMAKE_CURRENT_LIST_DIR}/${tool}.c)
  target_link_libraries(${tool} PRIVATE chatsluice_core)
  set_target_properties(${tool} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endforeach()
