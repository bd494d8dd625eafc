# Which tests run in which build. The release build runs all of them. The sanitizer builds leave out, by these expressions,
# what they could show nothing about and what another test shows them already; on a fresh machine all of it has to be
# over within twenty minutes.

set(not_with_sanitizers
  # what is tested is a script, the schema, a package of the vendor's or our own data, not a program of this build
  "e2e\\.(demo|migrations|review|rights|roles|rollup|search|usersig_vendor)" "evasion\\.benign_made"
  "unit\\.store\\.(message_view|moderation|outbox_sql)"
  # what compiling hostile rules costs, and whether answers come in time on a bad day
  "evasion\\.hostile_rules" "fault\\.all_at_once")

set(not_with_address)

set(not_with_thread
  # one thread from beginning to end
  "fuzz\\..*" "evasion\\..*" "unit\\.wire\\..*" "unit\\.cli\\.(usage|words)" "unit\\.base\\.(config|crypto|siphash|text|yaml)"
  "unit\\.rules\\.(cases|conditions|detectors|document.*|evade|explain|failing_calls|fold|folding|judge|law_generated|lint)"
  "unit\\.rules\\.(measure|no_allocation|schema|scope|scorecard)" "unit\\.spool\\.crc32c" "unit\\.serve\\.query"
  "unit\\.sim\\.(fault_spec|latency|replies|schedule|version|webhook_form)"
  "unit\\.store\\.(event_record|follow_up|migrate|publish_gate|rejudge|rule_diff|rule_store)" "unit\\.report\\..*"
  "e2e\\.(cli|gate_postgres|outbox_commands|report|rules_tools)"
  # threads that e2e.rules_live and e2e.operations meet, too
  "e2e\\.(conditions|publication|rules_gate|secrets)" "fault\\.(corruption|test_proxy)"
  # the same failures meet the same threads in fault.spool_faults, unit.spool.faults and unit.store.loader_faults
  "unit\\.(spool|store)\\.failing_calls"
  # the longest ones; their programs meet the same requests in e2e.journey, e2e.database_away and unit.base.http_crowd
  "fault\\.(kill|operations|slow_clients)")

# Sets out to whether the test of this name is left out of this build.
function(chatsluice_left_out name out)
  set(left_out FALSE)
  if(CHATSLUICE_BUILD MATCHES "^(address|thread)$")
    foreach(expression IN LISTS not_with_sanitizers not_with_${CHATSLUICE_BUILD})
      if(name MATCHES "^(${expression})$")
        set(left_out TRUE)
      endif()
    endforeach()
  endif()
  set(${out} ${left_out} PARENT_SCOPE)
endfunction()

# set_tests_properties for tests that may be left out.
function(chatsluice_tests_properties)
  cmake_parse_arguments(PARSE_ARGV 0 given "" "" "PROPERTIES")
  foreach(name IN LISTS given_UNPARSED_ARGUMENTS)
    if(TEST ${name})
      set_tests_properties(${name} PROPERTIES ${given_PROPERTIES})
    endif()
  endforeach()
endfunction()
