#include "rules/folding/word_edge.h"

#include "base/utf8.h"

unsigned word_class_before(struct span text, size_t at)
{
    size_t start = at;

    if (at == 0)
        return 0;
    do
        start--;
    while (start && ((unsigned char)text.data[start] & 0xC0) == 0x80);
    return unicode_word_class(unicode_tables(), utf8_decode(text.data + start, at - start));
}

unsigned word_class_after(struct span text, size_t at)
{
    size_t n = at < text.len ? utf8_char_len(text.data + at, text.len - at) : 0;

    return n ? unicode_word_class(unicode_tables(), utf8_decode(text.data + at, n)) : 0;
}

bool word_goes_on(enum term_boundary boundary, unsigned left, unsigned right)
{
    if (boundary == BOUNDARY_ANY || !(left & WORD_PART) || !(right & WORD_PART))
        return false;
    return boundary == BOUNDARY_WORD || !((left | right) & WORD_UNSPACED);
}
