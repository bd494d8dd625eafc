/* digest.h - SHA-256, for the names of rule sets and of what is cached on disk. The one file of rules/ over libcrypto.
 */
#ifndef CHATSLUICE_RULES_DIGEST_H
#define CHATSLUICE_RULES_DIGEST_H

#include "base/span.h"

enum { DIGEST_HEX = 65 }; /* with the NUL */

/* Lower-case hex of SHA-256(text). False when libcrypto has no memory; out is then "". */
bool digest_hex(struct span text, char out[DIGEST_HEX]);

#endif
