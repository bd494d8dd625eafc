/* hex.h - hexadecimal of either case. */
#ifndef CHATSLUICE_BASE_HEX_H
#define CHATSLUICE_BASE_HEX_H

#include "base/span.h"

#include <stdint.h>

/* The value of a digit, -1 of anything else. */
static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Reads exactly count bytes. False, with out undefined, when hex is anything else. */
static inline bool hex_decode(struct span hex, uint8_t *out, size_t count)
{
    if (hex.len != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++) {
        int high = hex_digit(hex.data[2 * i]), low = hex_digit(hex.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

#endif
