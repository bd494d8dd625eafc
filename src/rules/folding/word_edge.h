/* word_edge.h - where words begin and end: is the edge between two characters inside a word? */
#ifndef CHATSLUICE_RULES_FOLDING_WORD_EDGE_H
#define CHATSLUICE_RULES_FOLDING_WORD_EDGE_H

#include "rules/rule.h"
#include "rules/folding/unicode.h"

/* What the character that ends before, or begins at, byte `at` is to words (WORD_*); 0 where the text ends. */
unsigned word_class_before(struct span text, size_t at);
unsigned word_class_after(struct span text, size_t at);

/* Whether a word goes on over the edge between two characters of these classes. */
bool word_goes_on(enum term_boundary boundary, unsigned left, unsigned right);

#endif
