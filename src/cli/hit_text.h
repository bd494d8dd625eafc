/* hit_text.h - verdicts and hits in words for people; shared by the rules commands, private to cli. */
#ifndef CHATSLUICE_CLI_HIT_TEXT_H
#define CHATSLUICE_CLI_HIT_TEXT_H

#include "rules/tools/explain.h"
#include "rules/judge.h"

struct judged_text { /* the two fields rules look at; data NULL: absent */
    struct span text, custom_data;
};

struct judged_text judged_text_of(const struct message *message);
struct span judged_field(const struct judged_text *fields, enum judged_field field);

/* Each field that has hits, with the hits marked; the text also without any. */
void hit_text_marked(struct buf *out, const char *indent, const struct judged_text *fields, const struct verdict *v,
                     bool reverse);
/* One line a hit: rule, list, bytes, what matched, the term as listed, the folding, and what became of it. A measure
 * (length, a rate: what holds for the message as a whole) has no bytes. With an explanation the lines that show it. */
void hit_text_add(struct buf *out, const char *indent, const struct judged_text *fields, const struct hit *hit);
void hit_text_explain(struct buf *out, const char *indent, const struct explanation *e);
/* Whether the hit is a measure. */
bool hit_is_measure(const struct hit *hit);

/* A stage for each step: {"found":true,"from":"..","steps":[{"step":"case","text":".."}]} */
void hit_explanation_json(struct buf *out, const struct explanation *e);

#endif
