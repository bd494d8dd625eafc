/* uuid.h - random identifiers (RFC 9562, version 4) and how any is written. Threads: any. */
#ifndef CHATSLUICE_BASE_UUID_H
#define CHATSLUICE_BASE_UUID_H

#include "base/span.h"

#include <stdint.h>

enum { UUID_BYTES = 16, UUID_STRING = 37 /* with the NUL */ };

/* False, with errno, when the kernel gives no random bytes. */
bool uuid_random(uint8_t out[UUID_BYTES]);
/* In lower case. */
void uuid_write(char text[UUID_STRING], const uint8_t bytes[UUID_BYTES]);
/* Of either case, with its four hyphens. False, with out undefined, when it is anything else. */
bool uuid_read(struct span text, uint8_t out[UUID_BYTES]);

#endif
