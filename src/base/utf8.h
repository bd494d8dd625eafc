/* utf8.h - UTF-8 as PostgreSQL sees it: no overlong forms, no surrogates, nothing above U+10FFFF. U+0000 is valid
 * here (it is legal on the wire); who cannot take it says so. */
#ifndef CHATSLUICE_BASE_UTF8_H
#define CHATSLUICE_BASE_UTF8_H

#include "base/span.h"

#include <stdint.h>

/* Length in bytes (1..4) of the well-formed character that starts at text, of which len bytes exist; 0 if none does. */
size_t utf8_char_len(const char *text, size_t len);

/* Decodes one character that utf8_char_len() accepted. */
uint32_t utf8_decode(const char *text, size_t char_len);

/* Writes code (not a surrogate, at most 0x10FFFF) and returns the number of bytes, 1..4. */
size_t utf8_encode(uint32_t code, char out[4]);

/* Number of leading bytes that are well-formed: equal to len when all of the text is. Runs of ASCII are skipped eight
 * bytes at a time. */
size_t utf8_valid_prefix(const char *text, size_t len);

/* The longest prefix of at most max bytes that does not cut a character. */
size_t utf8_cut(const char *text, size_t len, size_t max);

#endif
