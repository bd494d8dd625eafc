#include "base/uuid.h"

#include "base/hex.h"

#include <stddef.h>
#include <sys/random.h>

bool uuid_random(uint8_t out[UUID_BYTES])
{
    if (getrandom(out, UUID_BYTES, 0) != UUID_BYTES)
        return false;
    out[6] = (uint8_t)((out[6] & 0x0f) | 0x40);
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
    return true;
}

void uuid_write(char text[UUID_STRING], const uint8_t bytes[UUID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    char *at = text;

    for (size_t i = 0; i < UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[bytes[i] >> 4];
        *at++ = digits[bytes[i] & 15];
    }
    *at = '\0';
}

bool uuid_read(struct span text, uint8_t out[UUID_BYTES])
{
    const char *at = text.data;

    if (text.len != UUID_STRING - 1)
        return false;
    for (size_t i = 0; i < UUID_BYTES; i++) {
        int high, low;

        if (i == 4 || i == 6 || i == 8 || i == 10)
            if (*at++ != '-')
                return false;
        high = hex_digit(at[0]);
        low = hex_digit(at[1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return true;
}
