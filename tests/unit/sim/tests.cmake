# chatsluice_unit_test(sim <story>) for each tests/unit/sim/test_<story>.c
chatsluice_unit_test(sim fault_spec)
chatsluice_unit_test(sim faults)
chatsluice_unit_test(sim latency)
chatsluice_unit_test(sim load)
chatsluice_unit_test(sim replies)
chatsluice_unit_test(sim rest)
chatsluice_unit_test(sim room)
chatsluice_unit_test(sim schedule)
chatsluice_unit_test(sim simulator)
chatsluice_unit_test(sim webhook_form)

chatsluice_left_out(unit.sim.version left_out)
if(NOT left_out)
  add_test(NAME unit.sim.version COMMAND chatsim --version)
endif()
chatsluice_tests_properties(unit.sim.version PROPERTIES LABELS unit PASS_REGULAR_EXPRESSION "^chatsim ${PROJECT_VERSION}\n$")
foreach(arguments "" "nonsense" "serve" "serve;--webhook;http://h/;--mute" "serve;--keep;x" "serve;--webhook;http://h/;--fault;rest:rest"
        "serve;--webhook;http://h/;--block;" "serve;--reject-code;0" "load" "load;--url;https://h/"
        "load;--url;http://h/;--after-share;1.5" "load;--url;http://h/;left-over")
  string(REPLACE ";" " " words "${arguments}")
  add_test(NAME "unit.sim.usage [${words}]"
    COMMAND sh -c "\"$0\" \"$@\"; test $? -eq 2" $<TARGET_FILE:chatsim> ${arguments})
  set_tests_properties("unit.sim.usage [${words}]" PROPERTIES LABELS unit TIMEOUT 10)
endforeach()
