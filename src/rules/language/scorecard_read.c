/* Reads scorecards, and what rules and scorecards say alike about the message they decide. */
#include "rules/language/rule_reader.h"
#include "rules/folding/unicode.h"

enum { MAX_POINTS = 1000000 };

/* Effects ----------------------------------------------------------------------------------------- */

void effect_mask(struct reader *r, const struct yaml_node *node, struct effect *effect)
{
    const char *mask = read_text(r, node, "mask", RULE_MAX_MASK);
    struct graphemes *g;

    if (!mask)
        return;
    g = graphemes_new();
    if (!g || !graphemes_set(g, node->text))
        r->arena->failed = true;
    else if (graphemes_end(g, 0) != node->text.len || strpbrk(mask, "\n\t"))
        reader_fault(r, node, "mask must be one character; it stands for each masked one");
    graphemes_free(g);
    effect->mask = mask;
}

void effect_replace(struct reader *r, const struct yaml_node *node, struct effect *effect)
{
    effect->replace = read_text(r, node, "replace", RULE_MAX_TEXT);
}

void effect_reject_code(struct reader *r, const struct yaml_node *node, struct effect *effect)
{
    unsigned long long code = 0;

    if (node->kind != YAML_SCALAR || !span_to_u64(node->text, &code) ||
        (code != REPLY_REJECT && (code < REPLY_CODE_MIN || code > REPLY_CODE_MAX)))
        reader_fault(r, node, "reject_code must be %d, or %d to %d with a reject_text", REPLY_REJECT, REPLY_CODE_MIN,
                     REPLY_CODE_MAX);
    else
        effect->reject_code = (int)code;
}

void effect_reject_text(struct reader *r, const struct yaml_node *node, struct effect *effect)
{
    const char *text = read_text(r, node, "reject_text", REPLY_MAX_ERROR_INFO);

    if (text && strpbrk(text, "\n\t"))
        reader_fault(r, node, "reject_text must be one line");
    effect->reject_text = text;
}

void effect_note(struct reader *r, const struct yaml_node *node, struct effect *effect)
{
    effect->note = read_text(r, node, "note", RULE_MAX_TEXT);
}

/* "resend", "recall" or "mute" with a duration such as 30s, 10m, 2h, 1d. */
static bool is_follow_up(const char *text)
{
    const char *digits;
    size_t count;

    if (strcmp(text, "resend") == 0 || strcmp(text, "recall") == 0)
        return true;
    if (strncmp(text, "mute ", 5) != 0)
        return false;
    digits = text + 5;
    count = strspn(digits, "0123456789");
    return count > 0 && count < 9 && digits[count] && strchr("smhd", digits[count]) && !digits[count + 1];
}

static const char *read_follow_up(struct reader *r, const struct yaml_node *item, const char *what)
{
    const char *text = read_text(r, item, what, RULE_MAX_TEXT);

    if (text && !is_follow_up(text)) {
        reader_fault(r, item, "\"%s\" is no follow-up; use resend, recall, or mute with a duration: mute 10m", text);
        return NULL;
    }
    return text;
}

void effect_then(struct reader *r, const struct yaml_node *node, struct effect *effect)
{
    effect->then = read_items(r, node, "a follow-up", read_follow_up);
}

/* A message that is not delivered may be sent again, corrected: masked or replaced as a delivered one would be. */
static bool corrects(const struct effect *effect, unsigned actions)
{
    for (size_t i = 0; i < effect->then.count && actions & (1u << ACTION_REJECT | 1u << ACTION_DISCARD); i++)
        if (strcmp(effect->then.items[i], "resend") == 0)
            return true;
    return false;
}

/* A mask or replacement that cannot be carried out becomes a rejection, so those two may say with which code. */
void effect_check(struct reader *r, const struct yaml_node *entry, const struct effect *effect, unsigned actions,
                  const char *where)
{
    const struct yaml_node *key;

    key = yaml_get(entry, "mask");
    if (key && !(actions & 1u << ACTION_MASK) && !corrects(effect, actions))
        reader_fault(r, key, "mask is for %s mask; remove it", where);
    key = yaml_get(entry, "replace");
    if (key && !(actions & 1u << ACTION_REPLACE) && !corrects(effect, actions))
        reader_fault(r, key, "replace is for %s replace; remove it", where);
    if (!key && actions & 1u << ACTION_REPLACE)
        reader_fault(r, entry, "%s \"%s\" has no text to replace the message with; add replace: \"...\"", r->kind,
                     r->name ? r->name : "?");
    key = yaml_get(entry, "reject_code");
    if (key && !(actions & (1u << ACTION_REJECT | 1u << ACTION_MASK | 1u << ACTION_REPLACE)))
        reader_fault(r, key, "reject_code is for %s reject, mask or replace; remove it", where);
    key = yaml_get(entry, "reject_text");
    if (key && effect->reject_code < REPLY_CODE_MIN)
        reader_fault(r, key, "the sender reads reject_text only with a code of its own; add reject_code: %d to %d",
                     REPLY_CODE_MIN, REPLY_CODE_MAX);
}

/* Scorecards -------------------------------------------------------------------------------------- */

struct scorecard_reading {
    struct scorecard *card;
    struct effect effect;
};

static void card_name(struct reader *r, const struct yaml_node *node, void *into)
{
    ((struct scorecard_reading *)into)->card->name = read_name(r, node, "the name of the scorecard");
}

static void read_threshold(struct reader *r, const struct yaml_node *node, void *into, enum action action)
{
    struct threshold *threshold = &((struct scorecard *)into)->thresholds[action];
    int64_t points;

    if (read_number(r, node, action_name(action), 1, MAX_POINTS, &points))
        *threshold = (struct threshold){true, (int)points};
}

static void at_flag(struct reader *r, const struct yaml_node *node, void *into)
{
    read_threshold(r, node, into, ACTION_FLAG);
}

static void at_mask(struct reader *r, const struct yaml_node *node, void *into)
{
    read_threshold(r, node, into, ACTION_MASK);
}

static void at_replace(struct reader *r, const struct yaml_node *node, void *into)
{
    read_threshold(r, node, into, ACTION_REPLACE);
}

static void at_reject(struct reader *r, const struct yaml_node *node, void *into)
{
    read_threshold(r, node, into, ACTION_REJECT);
}

static void at_discard(struct reader *r, const struct yaml_node *node, void *into)
{
    read_threshold(r, node, into, ACTION_DISCARD);
}

static const struct key at_keys[] = {
    {"flag", at_flag}, {"mask", at_mask}, {"replace", at_replace}, {"reject", at_reject}, {"discard", at_discard},
};

/* A stronger action needs more points, or the weaker one could never apply. */
static void card_at(struct reader *r, const struct yaml_node *node, void *into)
{
    struct scorecard *card = ((struct scorecard_reading *)into)->card;
    const struct threshold *weaker = NULL;
    size_t faults = r->faults->count;

    if (!read_map(r, node, "at", KEYS(at_keys), card))
        return;
    if (!node->count)
        reader_fault(r, node, "at has no threshold; add one: { mask: 5 }");
    for (enum action a = ACTION_FLAG; a < ACTION_COUNT && r->faults->count == faults; a++) {
        const struct threshold *t = &card->thresholds[a];

        if (!t->given)
            continue;
        if (weaker && t->points <= weaker->points)
            reader_fault(r, yaml_get(node, action_name(a)),
                         "%s must need more points than the weaker %s, which needs %d", action_name(a),
                         action_name((enum action)(weaker - card->thresholds)), weaker->points);
        weaker = t;
    }
}

#define CARD_READER(key)                                                                                               \
    static void card_##key(struct reader *r, const struct yaml_node *node, void *into)                                 \
    {                                                                                                                  \
        effect_##key(r, node, &((struct scorecard_reading *)into)->effect);                                            \
    }

CARD_READER(mask)
CARD_READER(replace)
CARD_READER(reject_code)
CARD_READER(reject_text)
CARD_READER(then)
CARD_READER(note)

static const struct key scorecard_keys[] = {
    {"scorecard", card_name},
    {"at", card_at},
    {"mask", card_mask},
    {"replace", card_replace},
    {"reject_code", card_reject_code},
    {"reject_text", card_reject_text},
    {"then", card_then},
    {"note", card_note},
};

void read_scorecard(struct reader *r, const struct yaml_node *node)
{
    struct scorecard_entry *entry = arena_alloc(r->arena, sizeof(*entry));
    struct scorecard *card = entry ? &entry->card : NULL;
    struct scorecard_reading reading = {card, EFFECT_DEFAULT};
    const struct effect *e = &reading.effect;
    unsigned actions = 0;

    if (!card)
        return;
    entry->source = r->source;
    card->place = place_of(node);
    if (!read_map(r, node, "a scorecard", KEYS(scorecard_keys), &reading))
        return;
    if (!yaml_get(node, "scorecard"))
        reader_fault(r, node, "this scorecard has no name; add scorecard: NAME");
    if (!yaml_get(node, "at"))
        reader_fault(r, node, "scorecard \"%s\" has no thresholds; add at: { mask: 5 }", r->name ? r->name : "?");
    for (size_t a = 0; a < ACTION_COUNT; a++)
        actions |= card->thresholds[a].given ? 1u << a : 0;
    if (actions)
        effect_check(r, node, e, actions, "scorecards with a threshold for");
    card->mask = e->mask;
    card->replace = e->replace;
    card->reject_text = e->reject_text;
    card->note = e->note;
    card->reject_code = e->reject_code;
    card->then = e->then;
    if (card->name)
        rule_document_keep_scorecard(r->doc, entry);
}
