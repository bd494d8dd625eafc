/* slow_post.h - one POST written piece by piece, with a pause after each: what a bad network does to a request, which
 * libcurl will not do. Plain HTTP/1.1, a connection of its own that is closed afterwards.
 *
 * The cuts lie where they hurt: within the method, within a header's name, between CR and LF, before the blank line's
 * end, and all over the body. Threads: any; blocks. */
#ifndef CHATSLUICE_SIM_SLOW_POST_H
#define CHATSLUICE_SIM_SLOW_POST_H

#include "base/http_client.h"

/* As http_client_post(); of the answer at most max_answer_bytes are taken. The answer must have a Content-Length or end
 * with the connection. */
int slow_post(const char *url, struct span body, int64_t pause_ms, int64_t timeout_ms, size_t max_answer_bytes,
              struct http_answer *answer, struct err *err);

#endif
