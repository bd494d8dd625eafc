/* fold.h - a text made comparable, with an exact way back to the original bytes.
 *
 * Steps (enum fold_step in rule.h): "case" is Unicode's NFKC casefold, "invisible" drops default-ignorable characters;
 * both together give exactly ICU's NFKC_Casefold of the whole text. With "case" alone a default-ignorable character
 * stands for itself and nothing composes over it.
 *
 * The way back: the folded text is cut into segments. An exact segment is byte for byte as long as its original, so a
 * byte maps to its own counterpart; any other segment came as a whole from one character or one run of characters that
 * combine, and any part of it maps to the whole of the original. Dropped characters belong to no segment: they are
 * covered by a range that begins before and ends after them, and by no other.
 *
 * One thread; the memory is kept between calls, so that a message costs no allocation after warm-up. */
#ifndef CHATSLUICE_RULES_FOLDING_FOLD_H
#define CHATSLUICE_RULES_FOLDING_FOLD_H

#include "base/err.h"
#include "rules/rule.h"

struct fold_segment {
    uint32_t folded; /* where it begins in the folded text; it ends where the next begins */
    uint32_t original, original_len;
    bool exact;
};

struct folded {
    struct span text; /* borrowed: either the original itself (FOLD_NONE) or out */
    struct span original;
    bool identical; /* FOLD_NONE: no segments, positions are the original's */
    struct buf out;
    struct fold_segment *segments;
    size_t segment_count, segment_cap;
};

#define FOLDED_INIT ((struct folded){0})

enum { FOLD_COMBINATIONS = (FOLD_CASE | FOLD_INVISIBLE) + 1 };

/* text: valid UTF-8, shorter than 4 GiB. 0, or ERR_FAILED when memory ran out. */
int fold_text(struct folded *f, unsigned folding, struct span text);
void folded_release(struct folded *f);
/* Gives memory back that only an unusually large text needed. */
void folded_trim(struct folded *f);

/* The bytes of the original that bytes start..end (end exclusive, not empty) of the folded text came from. */
void folded_range(const struct folded *f, size_t start, size_t end, uint32_t *original_start, uint32_t *original_end);

#endif
