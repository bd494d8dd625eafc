/* rewrite.h - the new texts of a message that is masked, replaced or corrected; judge.h says what they are.
 *
 * Life: rewriter_begin -> rewriter_mask / rewriter_replace for each counted range -> rewriter_finish. One thread; the
 * memory is kept for the next message. */
#ifndef CHATSLUICE_RULES_REWRITE_H
#define CHATSLUICE_RULES_REWRITE_H

#include "rules/ruleset_priv.h"
#include "rules/folding/unicode.h"

struct rewritten_field {
    struct span text;
    uint16_t *paint; /* for each byte: 0, or 1 + index of the rule whose mask it gets */
    size_t cap;
    bool painted;
    struct buf out;
};

struct rewritten_piece {
    bool replaced; /* becomes the replacement as a whole */
    size_t from;   /* where its new text begins in text.out */
};

struct rewriter {
    const struct message *message;
    struct rewritten_field text, custom_data;
    bool replace_custom_data;
    struct rewritten_piece *pieces; /* one for each piece of the message */
    struct text_rewrite *rewrites;
    size_t piece_cap;
    struct span new_custom_data;
    struct graphemes *graphemes; /* made when first needed */
    bool failed;
};

enum rewrite_result { REWRITE_DONE, REWRITE_IMPOSSIBLE, REWRITE_NO_MEMORY };

/* text: message->text, or the same with bytes that are no UTF-8 made harmless. Borrows all until rewriter_finish. */
void rewriter_begin(struct rewriter *w, const struct message *message, struct span text, struct span custom_data);
void rewriter_mask(struct rewriter *w, enum judged_field field, uint32_t start, uint32_t end, size_t rule);
void rewriter_replace(struct rewriter *w, enum judged_field field, uint32_t start, uint32_t end);
/* replacement: NULL when only masks are to be applied. Fills becomes, rewrites and cloud_custom_data of *out. */
enum rewrite_result rewriter_finish(struct rewriter *w, const struct ruleset *set, const char *replacement,
                                    struct verdict *out);
void rewriter_release(struct rewriter *w);
void rewriter_trim(struct rewriter *w);

#endif
