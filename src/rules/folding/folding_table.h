/* folding_table.h - what each character becomes in one reading of a folding: a two-stage table over code points,
 * composed from the generated step tables when a set is compiled. Private to folding.c. */
#ifndef CHATSLUICE_RULES_FOLDING_FOLDING_TABLE_H
#define CHATSLUICE_RULES_FOLDING_FOLDING_TABLE_H

#include "rules/folding/fold_data.h"
#include "rules/folding/folding.h"

enum { FOLDING_PAGE_BITS = 7, FOLDING_PAGE = 1 << FOLDING_PAGE_BITS, FOLDING_PAGES = UNICODE_LIMIT / FOLDING_PAGE };

/* An entry:
 *   bits  0..20  the character it becomes, 0: itself; or with ENTRY_EXPANDS an index in fold_data_syllables, or with
 *                ENTRY_TWO two ASCII characters (as FOLD_PAIR_TWO)
 *   bits 21..22  ENTRY_EXPANDS, ENTRY_TWO
 *   bits 23..25  enum unit_kind
 *   bits 26..28  enum entry_does
 *   bit  29      taken once when repeated
 *   bit  30      has another reading
 *   bit  31      hides letters */
#define ENTRY_CODE       0x1FFFFFu
#define ENTRY_EXPANDS    (1u << 21)
#define ENTRY_TWO        (1u << 22)
#define ENTRY_KIND_SHIFT 23
#define ENTRY_DOES_SHIFT 26
#define ENTRY_COLLAPSES  (1u << 29)
#define ENTRY_TURNS      (1u << 30)
#define ENTRY_HIDES      (1u << 31)

enum entry_does {
    DOES_STAND,  /* is a unit */
    DOES_VANISH, /* a mark: belongs to what is before it */
    DOES_PASS,   /* of a character that the base text does not have: see what it became there */
    DOES_END,    /* ends a message */
    DOES_BLANK,  /* noise; in the order of GAP_* */
    DOES_PAUSE,
    DOES_SYMBOL,
};

struct folding_table {
    uint32_t *entries; /* pages of FOLDING_PAGE */
    uint16_t pages[FOLDING_PAGES];
    bool turns; /* some character has another reading */
};

/* steps: with FOLD_BASE. False when memory ran out. */
bool folding_table_build(struct folding_table *t, unsigned steps, enum folding_reading reading);
void folding_table_release(struct folding_table *t);

/* What c stands for in a list of pairs; 0: is not there. */
uint32_t fold_pairs_find(const struct fold_pairs *list, uint32_t c);

static inline uint32_t folding_table_entry(const struct folding_table *t, uint32_t c)
{
    return c < UNICODE_LIMIT
               ? t->entries[(size_t)t->pages[c >> FOLDING_PAGE_BITS] * FOLDING_PAGE + (c & (FOLDING_PAGE - 1))]
               : 0;
}

#endif
