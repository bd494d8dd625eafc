# chatsluice_unit_test(rules <story>) for each tests/unit/rules/test_<story>.c
chatsluice_unit_test(rules cases)
chatsluice_unit_test(rules fold)
chatsluice_unit_test(rules folding)
chatsluice_unit_test(rules document)
chatsluice_unit_test(rules document_faults)
chatsluice_unit_test(rules document_generated)
chatsluice_unit_test(rules judge)
chatsluice_unit_test(rules law_generated)
chatsluice_unit_test(rules ruleset)
chatsluice_unit_test(rules scope)
chatsluice_unit_test(rules scorecard)
chatsluice_unit_test(rules history)
chatsluice_unit_test(rules measure)

# The JSON Schema that editors use, held against the reader.
add_test(NAME unit.rules.schema
  COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/unit/rules/schema.py $<TARGET_FILE:chatsluice> ${CMAKE_SOURCE_DIR})
set_tests_properties(unit.rules.schema PROPERTIES LABELS unit TIMEOUT 120)
chatsluice_unit_test(rules conditions)
chatsluice_unit_test(rules detectors)
chatsluice_unit_test(rules no_allocation)
