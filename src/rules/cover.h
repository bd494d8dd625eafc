/* cover.h - the ranges of one message that allow hits cover; private to the judge.
 *
 * Life: cover_begin -> cover_add for each allow hit -> cover_finish -> cover_contains. One thread; the memory is kept
 * from message to message. */
#ifndef CHATSLUICE_RULES_COVER_H
#define CHATSLUICE_RULES_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cover {
    struct cover_range {
        uint32_t field, start, end;
        uint32_t reach; /* the greatest end of this and all earlier ranges of the field */
    } * ranges;
    size_t count, cap;
};

void cover_begin(struct cover *c);
bool cover_add(struct cover *c, uint32_t field, uint32_t start, uint32_t end); /* false: no memory */
void cover_finish(struct cover *c);
/* Whether one of the ranges contains start..end; two that only do so together do not. */
bool cover_contains(const struct cover *c, uint32_t field, uint32_t start, uint32_t end);
void cover_release(struct cover *c);

#endif
