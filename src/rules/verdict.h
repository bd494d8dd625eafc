/* verdict.h - what the judge says about one message, and the evidence for it. */
#ifndef CHATSLUICE_RULES_VERDICT_H
#define CHATSLUICE_RULES_VERDICT_H

#include "base/buf.h"
#include "wire/reply.h"

/* In order of strength: the strongest surviving one wins. */
enum action { ACTION_ALLOW, ACTION_FLAG, ACTION_MASK, ACTION_REPLACE, ACTION_REJECT, ACTION_DISCARD, ACTION_COUNT };
const char *action_name(enum action a); /* "allow" ... as in rule files and in event.verdict */
bool action_of(struct span name, enum action *out);

enum decided_by { DECIDED_RULE, DECIDED_DEFAULT, DECIDED_DEADLINE, DECIDED_OVERLOAD, DECIDED_CORRECTION };
const char *decided_by_name(enum decided_by d);

enum judged_field { FIELD_TEXT, FIELD_CLOUD_CUSTOM_DATA };

/* Why a hit did or did not count. */
enum hit_state {
    HIT_COUNTED,
    HIT_ALLOWED, /* an allow hit covers it */
    HIT_SHADOW,  /* its rule only records */
    HIT_ALLOW,   /* itself an allow hit */
    HIT_UNMET,   /* the condition it belongs to does not hold as a whole, or it stands under a `not` */
};

struct hit {
    const char *rule; /* names are borrowed from the rule set */
    const char *list; /* NULL: no term of a list */
    struct span term; /* as written in the list; the expression; or what was measured, in words: "length 612 > 500" */
    const char *folding;
    enum judged_field field;
    uint32_t start, end; /* bytes of message.text or of CloudCustomData, end exclusive; both 0: measured */
    enum hit_state state;
    enum action action;    /* of its rule; of a rule with points what its scorecard came to, allow for nothing */
    const char *scorecard; /* that its rule gives points to; NULL: none */
    int points;
};

/* Borrowed from the judge until its next call, names from the rule set it used. */
struct verdict {
    enum action action;
    enum decided_by decided_by;
    int error_code;         /* for the reply: 0, 1, 2 or 10100..10200 */
    struct span error_info; /* text for the sender, may be empty */
    const char *rule;       /* the deciding one, or scorecard; NULL by default */
    uint64_t revision;      /* of the rule set, 0: none */
    const struct hit *hits; /* all of them, by field, start, rule */
    size_t hit_count;
    bool hits_cut; /* more than JUDGE_MAX_HITS */
    /* mask and replace: what the message is to become. Reject and discard with the follow-up `resend`: what is to be
     * sent in its place; that has no rewrites, and nothing of it is for the reply. */
    struct span becomes; /* message.text as it is to be shown; data NULL: none of these, or there is no such text */
    const struct text_rewrite *rewrites;
    size_t rewrite_count;
    const struct span *cloud_custom_data; /* its new value, NULL: leave it */
    const char *const *follow_ups;        /* the deciding rule's `then`, as written */
    size_t follow_up_count;
};

/* Whether its follow-ups hold `resend`. */
bool verdict_wants_resend(const struct verdict *verdict);

enum { VERDICT_MAX_MATCHED = 256 }; /* bytes of "matched"; start and end tell the whole range */

/* The hits as the JSON array of design.md section 11, plus "field", "state", "action" and "matched", the bytes of field
 * that matched (text and custom_data are those of the message judged). "[]" when there are none. */
void verdict_hits_json(struct buf *out, const struct verdict *verdict, struct span text, struct span custom_data);

#endif
