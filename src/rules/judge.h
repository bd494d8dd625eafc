/* judge.h - message in, verdict out. Pure: no I/O, no clock, no lock; after warm-up no allocation.
 *
 * A judge is one thread's scratch: vectorscan scratch, folded text, hit list. The law of allow and deny (design.md
 * section 8):
 *
 *   1. Find all matches of all rules in the message's phase and scope.
 *   2. An allow rule whose condition holds on its matches makes allow hits of them.
 *   3. A match of any other rule survives only if no allow hit in the same field covers it (contains its range).
 *   4. Any other rule whose condition holds on the surviving matches applies; those of its matches that make the
 *      condition hold count. Shadow rules, and rules whose rollout has not reached the room, go the same way, but
 *      neither cover nor apply nor score: they only record.
 *   5. A rule that applies and has points in place of an action gives them, once, to its scorecard. The strongest
 *      threshold that a scorecard's points reach applies as if a rule with its name and all those matches did.
 *   6. The strongest action wins. Of equally strong rules and scorecards the one with the smallest name decides code,
 *      text and follow-ups; masks of all of them are applied together, and a replacement masks what is left beside it.
 *
 * What holds for the message as a whole (measure.h) has no match: it is reported as a hit without list and range, and
 * in it nothing is covered, masked or replaced.
 *
 * So the order of rules, lists and terms never matters.
 *
 * Mask: each user-visible character that a counted hit touches becomes one mask character; invisible characters among
 * them go away, line ends stay. Replace: the first text element becomes the replacement, further ones become empty
 * (removing an element could leave an empty MsgBody, which the protocol does not define); any other piece of text, and
 * CloudCustomData, becomes the replacement only if a counted hit of a replace rule stands in it. What cannot be carried
 * out, such as text inside a relay or JSON that would stop being JSON, becomes reject. A mask rule that holds without
 * any hit (a `not`) changes nothing: the verdict is mask, without rewrites.
 *
 * Corrected text, of a rejection or discard whose follow-ups hold `resend`: the replacement of what decides, if it has
 * one, made as above with the hits of that rule; beside it, and without one, the counted hits of all rules that apply
 * and are stronger than flag are masked. There is none when nothing changes, when it cannot be made, or when there was
 * more in the message than could be looked at and no replacement covers it. */
#ifndef CHATSLUICE_RULES_JUDGE_H
#define CHATSLUICE_RULES_JUDGE_H

#include "rules/ruleset.h"
#include "rules/verdict.h"
#include "wire/message.h"

enum {
    JUDGE_MAX_HITS = 256, /* reported: rather those that decided. The verdict knows all */
    /* Bytes of text and CloudCustomData together; a message of more is rejected unread. The platform delivers 12 KB;
     * the worst of this length made against 10,000 terms takes 50 ms. */
    JUDGE_MAX_TEXT = 64 * 1024,
    JUDGE_MAX_MATCHES = 1 << 15, /* looked at in one message; one with more cannot be judged exactly and is rejected */
};

/* What a message does not say of itself, but rules may ask: where it came from and what went before. All zero: nothing
 * is known, then scopes that name an app or a platform do not hold, and neither do rates and repetitions. Borrowed. */
struct circumstances {
    uint64_t sdkappid;
    struct span platform; /* OptPlatform */
    /* What the sender said in this room just before, the oldest first, each message ended by U+001F; for words split
     * over messages (FOLD_SPLIT). */
    struct span earlier;
    /* By meter of the set (ruleset.h): how many messages are counted, this one included; NULL: none. */
    const uint32_t *meters;
};

struct judge;

struct judge *judge_new(void); /* NULL: no memory */
void judge_free(struct judge *j);

/* Judges message by set (NULL: allow by default); circumstances may be NULL: all zero. Both message.text and
 * CloudCustomData are looked at, each for itself. Phase is taken from message->command: Before rules for
 * COMMAND_BEFORE, After rules for COMMAND_AFTER; other commands are allowed by default. A mask or replacement that
 * cannot be carried out in the message (text inside a relay) becomes reject. Always gives a verdict; running out of
 * memory gives the default one with decided_by overload, and too much to be judged whole a rejection by overload. */
void judge_message(struct judge *j, const struct ruleset *set, const struct message *message,
                   const struct circumstances *circumstances, struct verdict *out);

/* A plain text as one Before message with one text element, for `rules try`. It comes from no room and no sender, so
 * rules take part whatever their scope. Bytes that are not valid UTF-8 count as '?', in becomes too. */
void judge_text(struct judge *j, const struct ruleset *set, struct span text, struct verdict *out);

#endif
