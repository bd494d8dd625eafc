/* signature.h - Sign and RequestTime of a webhook URL (`protocol.md` section 2): lower-case hex of
 * SHA-256(token || RequestTime). It proves origin within a minute and nothing about the body; it is no replay nonce. */
#ifndef CHATSLUICE_WIRE_SIGNATURE_H
#define CHATSLUICE_WIRE_SIGNATURE_H

#include "base/span.h"

#include <stdint.h>

enum {
    SIGNATURE_HEX = 64,
    SIGNATURE_WINDOW_S = 60,
    SIGNATURE_MAX_TIME = 19 /* digits: all that fits 64 bits */
};

enum signature_result { SIGNATURE_OK, SIGNATURE_MALFORMED, SIGNATURE_STALE, SIGNATURE_WRONG };

void signature_make(const char *token, struct span request_time, char out[SIGNATURE_HEX + 1]);

/* Tries every token (NULL ones are skipped), in constant time for each; upper-case hex is fine. A signature that no
 * token made is WRONG whatever its time, so that STALE always means a real difference of clocks, or a replay. */
enum signature_result signature_check(const char *const *tokens, size_t count, struct span request_time,
                                      struct span sign, int64_t now_s);

/* "bad RequestTime or Sign", "clock differs by more than 60 s"...: for logs and the refusal. */
const char *signature_result_text(enum signature_result r);

#endif
