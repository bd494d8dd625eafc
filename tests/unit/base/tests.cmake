chatsluice_unit_test(base http_server)
chatsluice_unit_test(base observability)
chatsluice_unit_test(base text)
chatsluice_unit_test(base yaml)
