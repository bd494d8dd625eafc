/* judge.h - message in, verdict out. Pure: no I/O, no clock, no lock; after warm-up no allocation.
 *
 * A judge is one thread's scratch: vectorscan scratch, folded text, hit list. The law of allow and deny (design.md
 * section 8): find all hits; a deny hit survives only if no allow hit covers it; a rule whose condition holds on the
 * surviving hits applies; the strongest action wins. The order of rules and lists never matters: of equally strong
 * rules the one with the smallest name decides code and text; masks of all of them are applied together. */
#ifndef CHATSLUICE_RULES_JUDGE_H
#define CHATSLUICE_RULES_JUDGE_H

#include "rules/ruleset.h"
#include "rules/verdict.h"
#include "wire/message.h"

enum { JUDGE_MAX_HITS = 256 };

struct judge;

struct judge *judge_new(void); /* NULL: no memory */
void judge_free(struct judge *j);

/* Judges message by set (NULL: allow by default). Phase is taken from message->command: Before rules for
 * COMMAND_BEFORE, After rules for COMMAND_AFTER; other commands are allowed by default. A mask or replacement that
 * cannot be carried out in the message (text inside a relay) becomes reject. Always gives a verdict; running out of
 * memory gives the default one with decided_by overload. */
void judge_message(struct judge *j, const struct ruleset *set, const struct message *message, struct verdict *out);

/* A plain text as one Before message with one text element, for examples and `rules try`. */
void judge_text(struct judge *j, const struct ruleset *set, struct span text, struct verdict *out);

#endif
