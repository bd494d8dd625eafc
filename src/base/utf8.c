#include "base/utf8.h"

/* Table 3-7 of the Unicode standard: well-formed UTF-8 byte sequences. */
size_t utf8_char_len(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char low = 0x80, high = 0xBF; /* bounds of the second byte */
    size_t need;

    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    need = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (s[0] == 0xE0)
        low = 0xA0; /* else overlong */
    else if (s[0] == 0xED)
        high = 0x9F; /* else a surrogate */
    else if (s[0] == 0xF0)
        low = 0x90; /* else overlong */
    else if (s[0] == 0xF4)
        high = 0x8F; /* else above U+10FFFF */
    if (len < need || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    }
    return need;
}

uint32_t utf8_decode(const char *text, size_t char_len)
{
    static const unsigned char first_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    const unsigned char *s = (const unsigned char *)text;
    uint32_t code = s[0] & first_mask[char_len];

    for (size_t i = 1; i < char_len; i++)
        code = code << 6 | (s[i] & 0x3F);
    return code;
}

size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

size_t utf8_valid_prefix(const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t step;
        uint64_t eight;

        while (len - at >= sizeof(eight)) {
            memcpy(&eight, text + at, sizeof(eight));
            if (eight & 0x8080808080808080u)
                break;
            at += sizeof(eight);
        }
        if (at == len)
            break;
        step = utf8_char_len(text + at, len - at);
        if (step == 0)
            break;
        at += step;
    }
    return at;
}

size_t utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)text[max] & 0xC0) == 0x80)
        max--;
    return max;
}
