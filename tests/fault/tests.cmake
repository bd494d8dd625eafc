# Campaigns: the suite runs their short forms, each file's head tells the long one.
function(chatsluice_fault_test story)
  chatsluice_left_out(fault.${story} left_out)
  if(left_out)
    return()
  endif()
  add_test(NAME fault.${story}
    COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_SOURCE_DIR}/tests/fault/${story}.py ${ARGN}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/fault)
  # PROCESSORS: of the places that scripts/test gives to ctest, two for each processor and one more.
  set_tests_properties(fault.${story} PROPERTIES LABELS fault TIMEOUT 600 PROCESSORS 2 SKIP_RETURN_CODE 77
    ENVIRONMENT "${e2e_environment}")
endfunction()

chatsluice_fault_test(corrections --corrections 300 --kills 3)
chatsluice_tests_properties(fault.corrections PROPERTIES PROCESSORS 1) # it waits more than it works
chatsluice_fault_test(test_proxy) # what the campaigns do their harm with
chatsluice_fault_test(kill)
chatsluice_fault_test(operations)
chatsluice_fault_test(slow_clients)
chatsluice_fault_test(all_at_once)
chatsluice_tests_properties(fault.all_at_once PROPERTIES PROCESSORS 4) # answers have to come in time on little more than one

# What attacks the spool in C. The recorder goes into any build's writer by LD_PRELOAD and is never sanitized itself.
set(tools ${CMAKE_BINARY_DIR}/fault)
add_library(power_cut_recorder MODULE fault/power_cut_recorder.c)
target_compile_definitions(power_cut_recorder PRIVATE _GNU_SOURCE)
target_compile_options(power_cut_recorder PRIVATE -Wall -Wextra -Werror -Wconversion -Wshadow -U_FORTIFY_SOURCE)
target_link_libraries(power_cut_recorder PRIVATE dl)
set_target_properties(power_cut_recorder PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${tools})

# A slow disk, likewise.
add_library(sync_stall MODULE fault/sync_stall.c)
target_compile_definitions(sync_stall PRIVATE _GNU_SOURCE)
target_compile_options(sync_stall PRIVATE -Wall -Wextra -Werror -Wconversion -Wshadow -U_FORTIFY_SOURCE)
target_link_libraries(sync_stall PRIVATE dl)
set_target_properties(sync_stall PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${tools})

function(chatsluice_fault_tool name)
  add_executable(${name} fault/${name}.c fault/known_records.c fault/survive.c)
  target_link_libraries(${name} PRIVATE chatsluice_core)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fault)
endfunction()

chatsluice_fault_tool(power_cut_writer)
chatsluice_fault_tool(power_cut_replay)
chatsluice_fault_tool(corruption)
chatsluice_fault_tool(spool_faults)
find_library(FIU_LIBRARY fiu REQUIRED)
target_sources(spool_faults PRIVATE fault/failing_calls.c)
target_link_libraries(spool_faults PRIVATE ${FIU_LIBRARY})
foreach(call pread __pread_chk pwrite fdatasync fsync openat __openat_2 open __open_2 mkdirat renameat unlinkat ftruncate
        fstat flock fdopendir readdir pthread_create malloc calloc realloc strdup)
  target_link_options(spool_faults PRIVATE -Wl,--wrap=${call})
endforeach()

chatsluice_fault_test(power_cut)
chatsluice_fault_test(corruption)
chatsluice_fault_test(spool_faults)
chatsluice_fault_test(disk_full)
