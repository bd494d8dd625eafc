# chatsluice_unit_test(report <story>) for each tests/unit/report/test_<story>.c
chatsluice_unit_test(report report)
