/* The law of allow and deny, as law: generated documents and messages, judged by the judge and by a reading of the law
 * so plain that it can be checked by eye; and again with everything shuffled that has no meaning, which must change no
 * byte.
 *
 * CHATSLUICE_LAW_ROUNDS=n makes longer runs, CHATSLUICE_LAW_SEED=n other cases. */
#include "rules_helpers.h"

#include "base/json_write.h"
#include "base/utf8.h"
#include "wire/gate.h"

enum {
    LISTS = 4,
    TERMS = 4,
    CLASSES = 2,
    RULES = 6,
    CARDS = 2,
    NODES = 12,
    PIECES = 3,
    TOKENS = 20, /* of one piece */
    MAX_HITS = 4096,
    ROUNDS = 300,
    MESSAGES = 16,
};

/* Whole user-visible characters, in any order: two of them never join into one. */
static const char *const tokens[] = {
    "a",
    "b",
    "c",
    "a",
    "b",
    " ",
    "\n",
    "\"",
    "加",
    "微",
    "e\xCC\x81",                                    /* e, combining acute */
    "\xE2\x80\x8B",                                 /* zero width space */
    "\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD",             /* thumbs up, skin tone */
    "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA7", /* man, joiner, girl */
    "\xF0\x9F\x87\xA8\xF0\x9F\x87\xB3",             /* flag of China */
    "1\xEF\xB8\x8F\xE2\x83\xA3",                    /* keycap 1 */
};

/* Parts of them: a hit of these is inside of a character. */
static const char *const parts[] = {
    "\xCC\x81", "e", "\xF0\x9F\x8F\xBD", "\xF0\x9F\x91\xA8", "\xE2\x80\x8D", "\xF0\x9F\x87\xB3", "\xE2\x83\xA3",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Chance ------------------------------------------------------------------------------------------- */

static uint64_t seed = 88172645463325252u;

static unsigned roll(size_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 20) % sides);
}

static void shuffle(size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; i > 1; i--) {
        size_t j = roll(i), kept = order[i - 1];

        order[i - 1] = order[j];
        order[j] = kept;
    }
}

/* What is generated -------------------------------------------------------------------------------- */

struct gen_node {
    enum { GEN_LIST, GEN_CLASS, GEN_ANY, GEN_ALL, GEN_NOT } kind;
    size_t leaf; /* number of a list, or of an expression */
    size_t parts[3], part_count;
};

struct gen_rule {
    char name[8];
    enum action action;
    int card, points; /* card < 0: none */
    bool shadow, waits, off;
    bool resends, replaces; /* the corrected text is a replacement */
    char mask;
    struct gen_node nodes[NODES]; /* the first is the root */
    size_t node_count;
};

struct gen_card {
    char name[8];
    int at[ACTION_COUNT]; /* 0: no threshold */
    bool resends, replaces;
    char mask;
};

struct gen_set {
    char terms[LISTS][TERMS][48];
    struct gen_rule rules[RULES];
    struct gen_card cards[CARDS];
    size_t card_count;
};

/* Expressions that match a run of letters: every end of every start, taken together, is the longest run. */
static const char *const classes[CLASSES] = {"[ab]+", "[bc]+"};

static void random_term(char *out)
{
    size_t n = 1 + roll(3);
    bool blank = true;

    *out = '\0';
    for (size_t i = 0; i < n; i++) {
        const char *piece = roll(3) ? tokens[roll(COUNT(tokens))] : parts[roll(COUNT(parts))];

        strcat(out, piece);
        blank = blank && strchr(" \n", *piece);
    }
    if (blank)
        strcat(out, "a"); /* a term of blanks is refused */
}

static size_t random_node(struct gen_rule *r, unsigned depth)
{
    size_t self = r->node_count++;
    struct gen_node *n = &r->nodes[self];

    n->kind = depth == 0 || r->node_count + 3 > NODES || roll(3) == 0 ? roll(4) == 0 : 2 + roll(3);
    if (n->kind == GEN_LIST || n->kind == GEN_CLASS) {
        n->leaf = roll(n->kind == GEN_LIST ? LISTS : CLASSES);
        return self;
    }
    n->part_count = n->kind == GEN_NOT ? 1 : 1 + roll(2);
    for (size_t i = 0; i < n->part_count; i++)
        n->parts[i] = random_node(r, depth - 1);
    return self;
}

static void random_name(char name[8], size_t number)
{
    snprintf(name, 8, "%c%zu", 'a' + (int)roll(26), number);
}

static void random_set(struct gen_set *s)
{
    *s = (struct gen_set){.card_count = roll(CARDS + 1)};
    for (size_t l = 0; l < LISTS; l++)
        for (size_t t = 0; t < TERMS; t++)
            random_term(s->terms[l][t]);
    for (size_t i = 0; i < RULES; i++) {
        struct gen_rule *r = &s->rules[i];

        random_name(r->name, i);
        r->action = (enum action)roll(ACTION_COUNT);
        if (roll(3) == 0)
            r->action = ACTION_MASK; /* the one with most to go wrong */
        r->card = s->card_count && roll(3) == 0 ? (int)roll(s->card_count) : -1;
        r->points = (int)roll(9) - 3;
        r->points += r->points == 0;
        r->shadow = roll(8) == 0;
        r->waits = roll(12) == 0;
        r->off = roll(16) == 0;
        r->mask = "*#%_"[roll(4)];
        r->resends = roll(2);
        r->replaces = roll(3) == 0;
        random_node(r, 2);
    }
    for (size_t i = 0; i < s->card_count; i++) {
        int at = 0;

        random_name(s->cards[i].name, RULES + i);
        s->cards[i].mask = "+="[i];
        s->cards[i].resends = roll(2);
        s->cards[i].replaces = roll(3) == 0;
        for (enum action a = ACTION_FLAG; a < ACTION_COUNT; a++)
            if (roll(2) || (a == ACTION_DISCARD && !at)) {
                at += 1 + (int)roll(3);
                s->cards[i].at[a] = at;
            }
    }
}

/* What is rejected or discarded is sent again, corrected. */
static bool rule_corrects(const struct gen_rule *r)
{
    return r->card < 0 && r->action >= ACTION_REJECT && r->resends;
}

static bool card_corrects(const struct gen_card *card)
{
    return card->resends && (card->at[ACTION_REJECT] || card->at[ACTION_DISCARD]);
}

static bool rule_masks(const struct gen_rule *r)
{
    return r->card < 0 && (r->action == ACTION_MASK || rule_corrects(r));
}

static bool card_masks(const struct gen_card *card)
{
    return card->at[ACTION_MASK] || card_corrects(card);
}

static bool rule_replaces(const struct gen_rule *r)
{
    return r->card < 0 && (r->action == ACTION_REPLACE || (rule_corrects(r) && r->replaces));
}

static bool card_replaces(const struct gen_card *card)
{
    return card->at[ACTION_REPLACE] || (card_corrects(card) && card->replaces);
}

/* As a document, in some order --------------------------------------------------------------------- */

static void write_node(struct buf *out, const struct gen_rule *r, size_t node)
{
    static const char *const words[] = {[GEN_ANY] = "any", [GEN_ALL] = "all", [GEN_NOT] = "not"};
    const struct gen_node *n = &r->nodes[node];
    size_t order[3];

    if (n->kind == GEN_LIST) {
        buf_addf(out, "{\"terms\":\"l%zu\"}", n->leaf);
        return;
    }
    if (n->kind == GEN_CLASS) {
        buf_addf(out, "{\"regex\":\"%s\"}", classes[n->leaf]);
        return;
    }
    shuffle(order, n->part_count);
    buf_addf(out, "{\"%s\":%s", words[n->kind], n->kind == GEN_NOT ? "" : "[");
    for (size_t i = 0; i < n->part_count; i++) {
        if (i)
            buf_add_char(out, ',');
        write_node(out, r, n->parts[order[i]]);
    }
    buf_add_text(out, n->kind == GEN_NOT ? "}" : "]}");
}

static void write_rule(struct buf *out, const struct gen_set *s, const struct gen_rule *r)
{
    buf_addf(out, "{\"rule\":\"%s\",\"match\":", r->name);
    write_node(out, r, 0);
    if (r->card >= 0)
        buf_addf(out, ",\"score\":{\"%s\":%d}", s->cards[r->card].name, r->points);
    else
        buf_addf(out, ",\"action\":\"%s\"", action_name(r->action));
    if (rule_masks(r))
        buf_addf(out, ",\"mask\":\"%c\"", r->mask);
    if (rule_replaces(r))
        buf_addf(out, ",\"replace\":\"by %s\"", r->name);
    if (r->card < 0 && r->resends)
        buf_add_text(out, ",\"then\":[\"mute 1m\",\"resend\"]");
    if (r->off)
        buf_add_text(out, ",\"mode\":\"off\"");
    else if (r->shadow)
        buf_add_text(out, ",\"mode\":\"shadow\"");
    if (r->waits)
        buf_add_text(out, ",\"rollout\":0");
    buf_add_char(out, '}');
}

static void write_list(struct buf *out, const struct gen_set *s, size_t list)
{
    size_t order[TERMS];

    shuffle(order, TERMS);
    buf_addf(out, "{\"list\":\"l%zu\",\"folding\":[],\"boundary\":\"any\",\"terms\":[", list);
    for (size_t i = 0; i < TERMS; i++) {
        if (i)
            buf_add_char(out, ',');
        json_add_string(out, span_of(s->terms[list][order[i]]));
    }
    buf_add_text(out, "]}");
}

static void write_card(struct buf *out, const struct gen_card *card)
{
    const char *comma = "";

    buf_addf(out, "{\"scorecard\":\"%s\",\"at\":{", card->name);
    for (enum action a = ACTION_FLAG; a < ACTION_COUNT; a++)
        if (card->at[a]) {
            buf_addf(out, "%s\"%s\":%d", comma, action_name(a), card->at[a]);
            comma = ",";
        }
    buf_add_char(out, '}');
    if (card_masks(card))
        buf_addf(out, ",\"mask\":\"%c\"", card->mask);
    if (card_replaces(card))
        buf_addf(out, ",\"replace\":\"by %s\"", card->name);
    if (card->resends)
        buf_add_text(out, ",\"then\":[\"resend\"]");
    buf_add_char(out, '}');
}

static void write_set(struct buf *out, const struct gen_set *s)
{
    size_t order[LISTS + RULES + CARDS], count = LISTS + RULES + s->card_count;

    shuffle(order, count);
    buf_reset(out);
    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_text(out, ",\n");
        if (order[i] < LISTS)
            write_list(out, s, order[i]);
        else if (order[i] < LISTS + RULES)
            write_rule(out, s, &s->rules[order[i] - LISTS]);
        else
            write_card(out, &s->cards[order[i] - LISTS - RULES]);
    }
    buf_add_char(out, ']');
}

static struct ruleset *compile_shuffled(const struct gen_set *s)
{
    struct buf json = BUF_INIT;
    struct ruleset *set;

    write_set(&json, s);
    set = set_of(buf_text(&json));
    buf_release(&json);
    return set;
}

/* Messages ----------------------------------------------------------------------------------------- */

struct gen_message {
    struct test_message t;
    struct buf custom;
    bool cluster_start[2][4096]; /* by field and byte */
};

static void add_token(struct gen_message *m, enum judged_field field, struct buf *out, const char *token)
{
    assert_true(out->len < 4000);
    m->cluster_start[field][out->len] = true;
    buf_add_text(out, token);
}

static void random_message(struct gen_message *m)
{
    size_t piece_count = 1 + roll(PIECES);

    *m = (struct gen_message){0};
    message_init(&m->t, COMMAND_BEFORE);
    for (size_t p = 0; p < piece_count; p++) {
        enum text_source source = p && roll(2) ? TEXT_CUSTOM_DESC : TEXT_TEXT;
        size_t n = roll(TOKENS / piece_count + 1), from;

        if (p && !(source == TEXT_TEXT && m->t.pieces[p - 1].source == TEXT_TEXT))
            add_token(m, FIELD_TEXT, &m->t.text, "\n");
        from = m->t.text.len;
        for (size_t i = 0; i < n; i++)
            add_token(m, FIELD_TEXT, &m->t.text, tokens[roll(COUNT(tokens))]);
        m->t.pieces[p] = (struct text_piece){source, (uint32_t)p, (uint32_t)from, (uint32_t)(m->t.text.len - from)};
    }
    m->t.message.pieces = m->t.pieces;
    m->t.message.piece_count = piece_count;
    m->t.message.text = (struct span){buf_text(&m->t.text), m->t.text.len};
    if (roll(2)) {
        bool json = roll(2);
        size_t n = roll(8);

        if (json)
            for (const char *c = "{\"a\":\""; *c; c++)
                add_token(m, FIELD_CLOUD_CUSTOM_DATA, &m->custom, (char[2]){*c, '\0'});
        for (size_t i = 0; i < n; i++) {
            const char *token = tokens[roll(COUNT(tokens))];

            if (!json || (*token != '"' && *token != '\n')) /* what JSON would escape stays out of its string */
                add_token(m, FIELD_CLOUD_CUSTOM_DATA, &m->custom, token);
        }
        if (json)
            for (const char *c = "\",\"b\":1}"; *c; c++)
                add_token(m, FIELD_CLOUD_CUSTOM_DATA, &m->custom, (char[2]){*c, '\0'});
        m->t.message.cloud_custom_data = (struct optional_text){GIVEN, {buf_text(&m->custom), m->custom.len}};
    }
}

static void message_release(struct gen_message *m)
{
    buf_release(&m->t.text);
    buf_release(&m->custom);
}

static struct span field_of(const struct gen_message *m, enum judged_field field)
{
    return field == FIELD_TEXT ? m->t.message.text : m->t.message.cloud_custom_data.text;
}

/* The law read literally --------------------------------------------------------------------------- */

struct naive_hit {
    size_t rule, leaf, term; /* leaf: a list, or LISTS + an expression */
    enum judged_field field;
    size_t start, end;
    bool covered, counted;
};

struct naive {
    const struct gen_set *set;
    const struct gen_message *message;
    struct naive_hit hits[MAX_HITS];
    size_t hit_count;
    bool holds[RULES];
    long points[CARDS];
    enum action reached[CARDS];
    const char *decider; /* NULL: nothing applies */
    enum action action;
};

static bool enforced(const struct gen_rule *r)
{
    return !r->off && !r->shadow && !r->waits;
}

static bool allows(const struct gen_rule *r)
{
    return r->card < 0 && r->action == ACTION_ALLOW;
}

/* The number of the first of equal terms stands for all. */
static bool is_repeated(const struct gen_set *s, size_t list, size_t term)
{
    for (size_t t = 0; t < term; t++)
        if (strcmp(s->terms[list][t], s->terms[list][term]) == 0)
            return true;
    return false;
}

static void add_hit(struct naive *n, struct naive_hit hit)
{
    assert_true(n->hit_count < MAX_HITS);
    n->hits[n->hit_count++] = hit;
}

static void find_leaf(struct naive *n, size_t rule, size_t leaf, enum judged_field field)
{
    struct span text = field_of(n->message, field);

    for (size_t term = 0; leaf < LISTS && term < TERMS; term++) {
        const char *word = n->set->terms[leaf][term];
        size_t len = strlen(word);

        for (size_t at = 0; at + len <= text.len && !is_repeated(n->set, leaf, term); at++)
            if (memcmp(text.data + at, word, len) == 0)
                add_hit(n, (struct naive_hit){rule, leaf, term, field, at, at + len, false, false});
    }
    for (size_t at = 0, end; leaf >= LISTS && at < text.len; at = end + 1) {
        const char *class = leaf == LISTS ? "ab" : "bc";

        for (end = at; end < text.len && strchr(class, text.data[end]);)
            end++;
        if (end > at)
            add_hit(n, (struct naive_hit){rule, leaf, 0, field, at, end, false, false});
    }
}

static bool has_leaf(const struct gen_rule *r, size_t leaf)
{
    for (size_t i = 0; i < r->node_count; i++)
        if ((r->nodes[i].kind == GEN_LIST && r->nodes[i].leaf == leaf) ||
            (r->nodes[i].kind == GEN_CLASS && r->nodes[i].leaf + LISTS == leaf))
            return true;
    return false;
}

static size_t leaf_of(const struct gen_node *node)
{
    return node->leaf + (node->kind == GEN_CLASS ? LISTS : 0);
}

static bool node_holds(const struct naive *n, size_t rule, size_t number)
{
    const struct gen_rule *r = &n->set->rules[rule];
    const struct gen_node *node = &r->nodes[number];
    bool any = false, all = true;

    if (node->kind == GEN_LIST || node->kind == GEN_CLASS) {
        for (size_t i = 0; i < n->hit_count; i++)
            if (n->hits[i].rule == rule && n->hits[i].leaf == leaf_of(node) && (allows(r) || !n->hits[i].covered))
                return true;
        return false;
    }
    for (size_t i = 0; i < node->part_count; i++) {
        bool holds = node_holds(n, rule, node->parts[i]);

        any = any || holds;
        all = all && holds;
    }
    return node->kind == GEN_NOT ? !any : node->kind == GEN_ANY ? any : all;
}

/* Marks the hits of the parts that make the rule hold. */
static void count_node(struct naive *n, size_t rule, size_t number)
{
    const struct gen_node *node = &n->set->rules[rule].nodes[number];

    if (node->kind == GEN_NOT || !node_holds(n, rule, number))
        return;
    for (size_t i = 0; i < node->part_count; i++)
        count_node(n, rule, node->parts[i]);
    for (size_t i = 0; i < n->hit_count && !node->part_count; i++)
        if (n->hits[i].rule == rule && n->hits[i].leaf == leaf_of(node))
            n->hits[i].counted = true;
}

static void evaluate(struct naive *n, size_t rule)
{
    n->holds[rule] = node_holds(n, rule, 0);
    if (n->holds[rule])
        count_node(n, rule, 0);
}

static void consider(struct naive *n, const char *name, enum action action)
{
    if (!n->decider || action > n->action || (action == n->action && strcmp(name, n->decider) < 0)) {
        n->decider = name;
        n->action = action;
    }
}

static void read_law(struct naive *n, const struct gen_set *set, const struct gen_message *message)
{
    *n = (struct naive){.set = set, .message = message, .action = ACTION_ALLOW};
    for (size_t r = 0; r < RULES; r++) /* 1: all matches of all rules */
        for (size_t leaf = 0; leaf < LISTS + CLASSES; leaf++)
            for (int field = 0; field < 2 && !set->rules[r].off; field++)
                if (has_leaf(&set->rules[r], leaf))
                    find_leaf(n, r, leaf, (enum judged_field)field);
    for (size_t r = 0; r < RULES; r++) /* 2: allow hits */
        if (allows(&set->rules[r]) && !set->rules[r].off)
            evaluate(n, r);
    for (size_t d = 0; d < n->hit_count; d++) /* 3: what they cover */
        for (size_t a = 0; a < n->hit_count; a++) {
            const struct naive_hit *allow = &n->hits[a], *deny = &n->hits[d];
            const struct gen_rule *by = &set->rules[allow->rule];

            if (allows(by) && enforced(by) && allow->counted && allow->field == deny->field &&
                allow->start <= deny->start && allow->end >= deny->end)
                n->hits[d].covered = true;
        }
    for (size_t r = 0; r < RULES; r++) /* 4: what applies */
        if (!allows(&set->rules[r]) && !set->rules[r].off)
            evaluate(n, r);
    for (size_t r = 0; r < RULES; r++) /* 5: points */
        if (n->holds[r] && enforced(&set->rules[r]) && set->rules[r].card >= 0)
            n->points[set->rules[r].card] += set->rules[r].points;
    for (size_t c = 0; c < set->card_count; c++)
        for (enum action a = ACTION_FLAG; a < ACTION_COUNT; a++)
            if (set->cards[c].at[a] && n->points[c] >= set->cards[c].at[a])
                n->reached[c] = a;
    for (size_t r = 0; r < RULES; r++) /* 6: the strongest */
        if (n->holds[r] && enforced(&set->rules[r]) && set->rules[r].card < 0)
            consider(n, set->rules[r].name, set->rules[r].action);
    for (size_t c = 0; c < set->card_count; c++)
        if (n->reached[c] != ACTION_ALLOW)
            consider(n, set->cards[c].name, n->reached[c]);
}

/* What the message becomes ------------------------------------------------------------------------- */

/* What decided; NULL, NULL: nothing. */
static void find_decider(const struct naive *n, const struct gen_rule **rule, const struct gen_card **card)
{
    *rule = NULL;
    *card = NULL;
    for (size_t r = 0; r < RULES && n->decider; r++)
        if (n->set->rules[r].name == n->decider)
            *rule = &n->set->rules[r];
    for (size_t c = 0; c < n->set->card_count && n->decider; c++)
        if (n->set->cards[c].name == n->decider)
            *card = &n->set->cards[c];
}

static bool corrects(const struct naive *n)
{
    const struct gen_rule *rule;
    const struct gen_card *card;

    find_decider(n, &rule, &card);
    return n->action >= ACTION_REJECT && (rule ? rule_corrects(rule) : card_corrects(card));
}

static bool replaces(const struct naive *n)
{
    const struct gen_rule *rule;
    const struct gen_card *card;

    find_decider(n, &rule, &card);
    return n->action == ACTION_REPLACE || (corrects(n) && (rule ? rule_replaces(rule) : card_replaces(card)));
}

/* Whether what acts by that name with action `its` does so here as `wanted`: a correction masks the hits of all that is
 * stronger than flag, and replaces those of what decided. */
static bool is_wanted(const struct naive *n, const char *name, enum action its, enum action wanted)
{
    if (!corrects(n))
        return its == wanted;
    return its >= ACTION_MASK && (wanted == ACTION_MASK || strcmp(name, n->decider) == 0);
}

/* In whose name a hit acts, with what mask and how; NULL when it does nothing. */
static const char *acts_as(const struct naive *n, const struct naive_hit *hit, enum action action, char *mask)
{
    const struct gen_rule *r = &n->set->rules[hit->rule];
    const struct gen_card *card = r->card >= 0 ? &n->set->cards[r->card] : NULL;

    const char *name = card ? card->name : r->name;

    if (!enforced(r) || !n->holds[hit->rule] || !hit->counted || hit->covered || allows(r) ||
        !is_wanted(n, name, card ? n->reached[r->card] : r->action, action))
        return NULL;
    *mask = '*';
    if (card ? card_masks(card) : rule_masks(r))
        *mask = card ? card->mask : r->mask;
    return name;
}

static bool is_hit(const struct naive *n, enum judged_field field, size_t start, size_t end, enum action action,
                   char *mask)
{
    const char *best = NULL;

    for (size_t i = 0; i < n->hit_count; i++) {
        char its = 0;
        const char *name = acts_as(n, &n->hits[i], action, &its);

        if (name && n->hits[i].field == field && n->hits[i].start < end && n->hits[i].end > start &&
            (!best || strcmp(name, best) < 0)) {
            best = name;
            *mask = its;
        }
    }
    return best != NULL;
}

static size_t cluster_end(const struct gen_message *m, enum judged_field field, size_t at)
{
    for (at++; at < field_of(m, field).len && !m->cluster_start[field][at];)
        at++;
    return at;
}

static void add_masked(const struct naive *n, enum judged_field field, size_t start, size_t end, struct buf *out)
{
    const char *data = field_of(n->message, field).data;

    for (size_t at = start, next; at < end; at = next) {
        struct span cluster;
        char mask = 0;

        next = cluster_end(n->message, field, at);
        cluster = (struct span){data + at, next - at};
        if (!is_hit(n, field, at, next, ACTION_MASK, &mask) || span_is(cluster, "\n"))
            buf_add_span(out, cluster);
        else if (!span_is(cluster, "\xE2\x80\x8B"))
            buf_add_char(out, mask);
    }
}

static bool is_json(struct span text)
{
    struct gate_fault fault;

    return gate_check(text, GATE_WIRE, &fault);
}

/* The new text and custom data; false when they cannot be. */
static bool rewrite(const struct naive *n, struct buf *text, struct buf *custom)
{
    const struct message *m = &n->message->t.message;
    const struct span old = m->cloud_custom_data.text;
    bool replace = replaces(n), shown = false;
    size_t at = 0;
    char mask;

    for (size_t p = 0; p < m->piece_count; p++) {
        size_t start = m->pieces[p].start, end = start + m->pieces[p].len, from;
        bool is_text = m->pieces[p].source == TEXT_TEXT;
        struct span before = {m->text.data + start, end - start}, after;

        buf_add(text, m->text.data + at, start - at); /* the separator */
        from = text->len;
        if (replace && (is_text || is_hit(n, FIELD_TEXT, start, end, ACTION_REPLACE, &mask))) {
            if (!is_text || !shown)
                buf_addf(text, "by %s", n->decider);
            shown = shown || is_text;
        } else {
            add_masked(n, FIELD_TEXT, start, end, text);
        }
        after = (struct span){buf_text(text) + from, text->len - from};
        if (!is_text && is_json(before) && !is_json(after))
            return false;
        at = end;
    }
    if (replace && is_hit(n, FIELD_CLOUD_CUSTOM_DATA, 0, old.len, ACTION_REPLACE, &mask))
        buf_addf(custom, "by %s", n->decider);
    else
        add_masked(n, FIELD_CLOUD_CUSTOM_DATA, 0, old.len, custom);
    return !is_json(old) || is_json(buf_span(custom));
}

/* Comparing ---------------------------------------------------------------------------------------- */

static void add_hit_line(struct buf *out, const char *rule, const char *list, struct span term, int field, size_t start,
                         size_t end, enum hit_state state, enum action action, int points)
{
    buf_addf(out, "%s %s %.*s %d %zu %zu %d %s %d", rule, list ? list : "-", (int)term.len, term.data, field, start,
             end, (int)state, action_name(action), points);
}

static enum hit_state state_of(const struct naive *n, const struct naive_hit *hit)
{
    const struct gen_rule *r = &n->set->rules[hit->rule];

    if (!allows(r) && hit->covered)
        return HIT_ALLOWED;
    if (!hit->counted)
        return HIT_UNMET;
    if (!enforced(r))
        return HIT_SHADOW;
    return allows(r) ? HIT_ALLOW : HIT_COUNTED;
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **lines_of(size_t count)
{
    char **lines = calloc(count + 1, sizeof(*lines));

    assert_non_null(lines);
    return lines;
}

static void free_lines(char **lines)
{
    for (size_t i = 0; lines[i]; i++)
        free(lines[i]);
    free(lines);
}

static void compare_hits(const struct naive *n, const struct verdict *v)
{
    char **wanted = lines_of(n->hit_count), **got = lines_of(v->hit_count);
    struct buf line = BUF_INIT;

    for (size_t i = 0; i < n->hit_count; i++) {
        const struct naive_hit *h = &n->hits[i];
        const struct gen_rule *r = &n->set->rules[h->rule];
        char list[8];

        snprintf(list, sizeof(list), "l%zu", h->leaf);
        buf_reset(&line);
        add_hit_line(&line, r->name, h->leaf < LISTS ? list : NULL,
                     span_of(h->leaf < LISTS ? n->set->terms[h->leaf][h->term] : classes[h->leaf - LISTS]), h->field,
                     h->start, h->end, state_of(n, h), r->card >= 0 ? n->reached[r->card] : r->action,
                     r->card >= 0 ? r->points : 0);
        wanted[i] = strdup(buf_text(&line));
    }
    for (size_t i = 0; i < v->hit_count; i++) {
        const struct hit *h = &v->hits[i];

        buf_reset(&line);
        add_hit_line(&line, h->rule, h->list, h->term, h->field, h->start, h->end, h->state, h->action, h->points);
        got[i] = strdup(buf_text(&line));
    }
    qsort(wanted, n->hit_count, sizeof(*wanted), by_line);
    qsort(got, v->hit_count, sizeof(*got), by_line);
    assert_int_equal(v->hits_cut, n->hit_count > JUDGE_MAX_HITS);
    if (!v->hits_cut) {
        assert_int_equal(v->hit_count, n->hit_count);
        for (size_t i = 0; i < n->hit_count; i++)
            assert_string_equal(got[i], wanted[i]);
    }
    free_lines(wanted);
    free_lines(got);
    buf_release(&line);
}

/* The pieces with their rewrites, joined as the room would see them. */
static void apply_rewrites(const struct message *m, const struct verdict *v, struct buf *out)
{
    size_t at = 0, next = 0;

    for (size_t p = 0; p < m->piece_count; p++) {
        buf_add(out, m->text.data + at, m->pieces[p].start - at);
        if (next < v->rewrite_count && v->rewrites[next].piece == p)
            buf_add_span(out, v->rewrites[next++].text);
        else
            buf_add(out, m->text.data + m->pieces[p].start, m->pieces[p].len);
        at = (size_t)m->pieces[p].start + m->pieces[p].len;
    }
    assert_int_equal(next, v->rewrite_count);
}

static void assert_same_text(struct span got, const struct buf *wanted)
{
    assert_int_equal(utf8_valid_prefix(got.data, got.len), got.len);
    assert_span(got, buf_text(wanted));
}

static size_t corrected;

static void compare(const struct naive *n, const struct verdict *v)
{
    const struct message *m = &n->message->t.message;
    bool resent = corrects(n), rewrites = n->action == ACTION_MASK || n->action == ACTION_REPLACE || resent;
    struct buf text = BUF_INIT, custom = BUF_INIT, seen = BUF_INIT;
    bool possible = !rewrites || rewrite(n, &text, &custom);

    assert_string_equal(v->rule ? v->rule : "-", n->decider ? n->decider : "-");
    assert_int_equal(v->decided_by, n->decider ? DECIDED_RULE : DECIDED_DEFAULT);
    assert_int_equal(v->action, possible || resent ? n->action : ACTION_REJECT);
    if (resent && possible && span_equal(buf_span(&text), m->text) &&
        span_equal(buf_span(&custom), m->cloud_custom_data.text))
        possible = false; /* nothing to correct */
    corrected += resent && possible;
    if (rewrites && possible) {
        assert_same_text(v->becomes, &text);
        apply_rewrites(m, v, &seen);
        if (!resent)
            assert_same_text(buf_span(&seen), &text);
        else
            assert_int_equal(v->rewrite_count, 0);
        if (v->cloud_custom_data)
            assert_same_text(*v->cloud_custom_data, &custom);
        else
            assert_true(span_equal(m->cloud_custom_data.text, buf_span(&custom)));
    } else {
        assert_null(v->becomes.data);
        assert_int_equal(v->rewrite_count, 0);
        assert_null(v->cloud_custom_data);
    }
    compare_hits(n, v);
    buf_release(&text);
    buf_release(&custom);
    buf_release(&seen);
}

static void describe(struct buf *out, const struct verdict *v, const struct gen_message *m)
{
    buf_reset(out);
    buf_addf(out, "%s %s %d [%.*s] [%.*s] ", action_name(v->action), v->rule ? v->rule : "-", v->error_code,
             (int)v->becomes.len, v->becomes.data ? v->becomes.data : "",
             v->cloud_custom_data ? (int)v->cloud_custom_data->len : 0,
             v->cloud_custom_data ? v->cloud_custom_data->data : "");
    verdict_hits_json(out, v, m->t.message.text, m->t.message.cloud_custom_data.text);
}

/* Running ------------------------------------------------------------------------------------------ */

/* What a failure needs to be looked at; printed by the fixture's end, as a failed assertion does not return. */
static struct buf last_set, last_message;
static size_t verdicts[ACTION_COUNT], impossible, cases;

static void remember_message(const struct gen_message *m)
{
    buf_reset(&last_message);
    json_add_string(&last_message, m->t.message.text);
    buf_add_text(&last_message, " with custom data ");
    json_add_string(&last_message, m->t.message.cloud_custom_data.text);
}

static unsigned long number_of(const char *variable, unsigned long otherwise)
{
    const char *text = getenv(variable);

    return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

static void verdicts_follow_the_law_in_any_order(void **state)
{
    unsigned long rounds = number_of("CHATSLUICE_LAW_ROUNDS", ROUNDS);
    struct judge *judge = judge_new(), *other_judge = judge_new();
    struct naive *naive = malloc(sizeof(*naive));
    struct gen_message *m = malloc(sizeof(*m));
    struct buf one = BUF_INIT, other = BUF_INIT;
    struct gen_set s;

    (void)state;
    seed += number_of("CHATSLUICE_LAW_SEED", 0) * 0x9E3779B97F4A7C15u;
    for (unsigned long round = 0; round < rounds; round++) {
        struct ruleset *set, *shuffled;

        random_set(&s);
        write_set(&last_set, &s);
        set = compile_shuffled(&s);
        shuffled = compile_shuffled(&s);
        assert_int_equal(ruleset_rule_count(set), ruleset_rule_count(shuffled));
        for (int i = 0; i < MESSAGES; i++) {
            struct verdict v, w;

            random_message(m);
            remember_message(m);
            judge_message(judge, set, &m->t.message, NULL, &v);
            judge_message(other_judge, shuffled, &m->t.message, NULL, &w);
            describe(&one, &v, m);
            describe(&other, &w, m);
            assert_string_equal(buf_text(&one), buf_text(&other));
            read_law(naive, &s, m);
            compare(naive, &v);
            verdicts[v.action]++;
            impossible += v.action != naive->action;
            cases++;
            message_release(m);
        }
        ruleset_unref(set);
        ruleset_unref(shuffled);
    }
    buf_reset(&last_set);
    judge_free(judge);
    judge_free(other_judge);
    buf_release(&one);
    buf_release(&other);
    free(naive);
    free(m);
}

/* Cases that never come to some verdict would prove nothing about it. */
static void every_verdict_was_seen_often(void **state)
{
    (void)state;
    print_message("%zu cases: %zu allow, %zu flag, %zu mask, %zu replace, %zu reject (%zu could not be rewritten), %zu "
                  "discard\n",
                  cases, verdicts[ACTION_ALLOW], verdicts[ACTION_FLAG], verdicts[ACTION_MASK], verdicts[ACTION_REPLACE],
                  verdicts[ACTION_REJECT], impossible, verdicts[ACTION_DISCARD]);
    for (enum action a = ACTION_ALLOW; a < ACTION_COUNT; a++)
        assert_true(verdicts[a] * 50 > cases);
    assert_true(impossible * 500 > cases);
    assert_true(corrected * 50 > cases);
}

static int print_what_failed(void **state)
{
    (void)state;
    if (last_set.len)
        print_error("%s\n%s\n", buf_text(&last_set), buf_text(&last_message));
    buf_release(&last_set);
    buf_release(&last_message);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(verdicts_follow_the_law_in_any_order, print_what_failed),
        cmocka_unit_test(every_verdict_was_seen_often),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
