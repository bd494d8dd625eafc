# The bare civetweb handler that `serve` is measured against.
add_executable(bare_civetweb bench/bare_civetweb.c)
target_link_libraries(bare_civetweb PRIVATE chatsluice_flags ${CIVETWEB_LIBRARY} Threads::Threads)
