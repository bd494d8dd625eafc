/* Reads conditions: one function for each kind, one table for each map. */
#include "rules/language/json_path.h"
#include "rules/matcher.h"
#include "rules/language/rule_reader.h"
#include "rules/folding/unicode.h"

enum {
    MEASURE_MAX = 1000000000, /* characters, lines: far above any message */
    MAX_TIMES = 1000,
    MAX_TIGHTEN = 1000,
    WITHIN_MIN_MS = 1000,
    WITHIN_MAX_MS = 60 * 60 * 1000,
    ROOM_CAP = 40, /* messages a second that the platform lets into one room (`protocol.md` section 7) */
    DOMAIN_MAX = 253,
};

struct condition_reading {
    struct condition *condition, spare;
    unsigned kinds; /* how many keys it has that each make a condition */
    const struct yaml_node *folding, *tables;
};

/* The condition to fill. A second kind, which is a fault, is read for its own faults only: into one that nobody keeps,
 * as the kinds share memory. */
static struct condition *begin(void *into, enum condition_kind kind)
{
    struct condition_reading *c = into;
    struct condition *condition = c->condition;

    if (c->kinds++) {
        c->spare = (struct condition){0};
        condition = &c->spare;
    }
    condition->kind = kind;
    return condition;
}

/* Terms and expressions --------------------------------------------------------------------------- */

static void condition_terms(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition *c = begin(into, CONDITION_TERMS);

    if (node->kind != YAML_SCALAR)
        reader_fault(r, node,
                     "terms must be the name of a list; put the words into an entry of their own, - list: NAME");
    else
        c->text = read_name(r, node, "the name of the list");
}

static void condition_regex(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition *c = begin(into, CONDITION_REGEX);
    struct err err;

    c->text = read_text(r, node, "the expression", MATCHER_MAX_EXPRESSION);
    if (!c->text || r->doc->trusted)
        return;
    if (matcher_check_expression(c->text, &err) < 0)
        reader_fault(r, node, "the expression cannot be used: %s", err.text);
    else if (r->expression_count < READER_TRY_MOST)
        r->expressions[r->expression_count++] = node;
}

static void condition_folding(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition_reading *c = into;

    c->folding = node;
    read_folding(r, node, &c->condition->folding.steps);
}

static void condition_tables(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition_reading *c = into;

    c->tables = node;
    c->condition->folding.tables = read_table_names(r, node);
}

/* Links and contact data -------------------------------------------------------------------------- */

/* A label: letters and digits of any script, hyphens. */
static bool is_label(struct span label)
{
    for (size_t i = 0; i < label.len; i++) {
        unsigned char c = (unsigned char)label.data[i];

        if (!(c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return label.len > 0 && label.len <= 63 * 4 && label.data[0] != '-' && label.data[label.len - 1] != '-';
}

static bool is_domain(struct span text)
{
    size_t at = 0;

    while (at <= text.len) {
        const char *dot = at < text.len ? memchr(text.data + at, '.', text.len - at) : NULL;
        size_t end = dot ? (size_t)(dot - text.data) : text.len;

        if (!is_label((struct span){text.data + at, end - at}))
            return false;
        at = end + 1;
    }
    return true;
}

/* The host inside of what somebody took for a domain: scheme, user, port, path, "*." and dots at the ends gone. */
static struct span host_inside(struct span text)
{
    const char *scheme = memmem(text.data, text.len, "://", 3), *at;
    size_t len = 0;

    if (scheme)
        text = (struct span){scheme + 3, text.len - (size_t)(scheme - text.data) - 3};
    while (len < text.len && !strchr("/?#", text.data[len]))
        len++;
    text.len = len;
    at = memchr(text.data, '@', text.len);
    if (at)
        text = (struct span){at + 1, text.len - (size_t)(at - text.data) - 1};
    at = memchr(text.data, ':', text.len);
    if (at)
        text.len = (size_t)(at - text.data);
    while (text.len && (*text.data == '*' || *text.data == '.'))
        text = (struct span){text.data + 1, text.len - 1};
    while (text.len && text.data[text.len - 1] == '.')
        text.len--;
    return text;
}

/* Lower case, so that every writing of a domain is one. */
static const char *read_domain(struct reader *r, const struct yaml_node *item, const char *what)
{
    const char *written = read_text(r, item, what, DOMAIN_MAX);
    struct buf lower = BUF_INIT;
    const char *domain = NULL;

    if (!written)
        return NULL;
    if (fold_text(&r->folded, FOLD_CASE, span_of(written)) < 0) {
        r->arena->failed = true;
        return NULL;
    }
    buf_add_span(&lower, r->folded.text);
    if (is_domain(buf_span(&lower))) {
        domain = arena_span(r->arena, buf_span(&lower)).data;
    } else {
        struct span host = host_inside(buf_span(&lower));

        if (is_domain(host))
            reader_fault(r, item,
                         "%s is a domain without scheme, port and path, and stands for all below it; write "
                         "\"%.*s\" in place of \"%s\"",
                         what, (int)host.len, host.data, written);
        else
            reader_fault(r, item, "%s cannot be \"%s\"; write it like \"example.com\"", what, written);
    }
    buf_release(&lower);
    return domain;
}

static void links_allow(struct reader *r, const struct yaml_node *node, void *into)
{
    ((struct links_condition *)into)->allow = read_sorted(r, node, "an allowed domain", read_domain);
}

static void links_deny(struct reader *r, const struct yaml_node *node, void *into)
{
    ((struct links_condition *)into)->deny = read_sorted(r, node, "a denied domain", read_domain);
}

static const struct key links_keys[] = {
    {"allow", links_allow},
    {"deny", links_deny},
};

static void condition_links(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition *c = begin(into, CONDITION_LINKS);
    size_t faults = r->faults->count;

    if (node->kind == YAML_SCALAR && span_is(node->text, "any"))
        return;
    if (node->kind != YAML_MAP) {
        reader_fault(r, node, "links must be any, { allow: [example.com] } or { deny: [example.com] }");
        return;
    }
    if (read_map(r, node, "links", KEYS(links_keys), &c->links) && !c->links.allow.count && !c->links.deny.count &&
        r->faults->count == faults)
        reader_fault(r, node, "links names no domain; write links: any for all of them");
}

static void condition_contact(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition *c = begin(into, CONDITION_CONTACT);

    if (node->kind == YAML_SCALAR && span_is(node->text, "any"))
        c->contacts = CONTACT_ANY;
    else
        c->contacts = read_words(r, node, "contact", &contact_names);
}

/* Bounds ------------------------------------------------------------------------------------------ */

struct bounds_reading {
    struct bounds bounds;
    int64_t from, to; /* what a bound may be */
    unsigned lower, upper;
};

/* The bound that more (more_than: +1, less_than: -1) away from the number is the first that holds. */
static void read_bound(struct reader *r, const struct yaml_node *node, const char *what, struct bounds_reading *b,
                       int64_t more, bool is_lower)
{
    int64_t n;

    if (!read_number(r, node, what, b->from, b->to, &n))
        return;
    if (is_lower) {
        b->bounds.least = n + more;
        b->lower++;
    } else {
        b->bounds.most = n + more;
        b->upper++;
    }
}

static void bounds_more_than(struct reader *r, const struct yaml_node *node, void *into)
{
    read_bound(r, node, "more_than", into, 1, true);
}

static void bounds_at_least(struct reader *r, const struct yaml_node *node, void *into)
{
    read_bound(r, node, "at_least", into, 0, true);
}

static void bounds_less_than(struct reader *r, const struct yaml_node *node, void *into)
{
    read_bound(r, node, "less_than", into, -1, false);
}

static void bounds_at_most(struct reader *r, const struct yaml_node *node, void *into)
{
    read_bound(r, node, "at_most", into, 0, false);
}

static const struct key bounds_keys[] = {
    {"more_than", bounds_more_than},
    {"less_than", bounds_less_than},
    {"at_least", bounds_at_least},
    {"at_most", bounds_at_most},
};

/* What makes no sense together. */
static void check_bounds(struct reader *r, const struct yaml_node *node, const struct bounds_reading *b)
{
    if (b->lower > 1)
        reader_fault(r, node, "more_than and at_least both bound it from below; keep one");
    if (b->upper > 1)
        reader_fault(r, node, "less_than and at_most both bound it from above; keep one");
    if (b->lower <= 1 && b->upper <= 1 && b->bounds.least > b->bounds.most)
        reader_fault(r, node, "no number is at least %lld and at most %lld; correct the bounds",
                     (long long)b->bounds.least, (long long)b->bounds.most);
}

static void read_measure(struct reader *r, const struct yaml_node *node, const char *what, struct condition *c)
{
    struct bounds_reading b = {.bounds = {INT64_MIN, INT64_MAX}, .from = 0, .to = MEASURE_MAX};
    size_t faults = r->faults->count;

    if (!read_map(r, node, what, KEYS(bounds_keys), &b))
        return;
    if (!b.lower && !b.upper && r->faults->count == faults)
        reader_fault(r, node, "%s needs a bound: more_than, less_than, at_least or at_most", what);
    check_bounds(r, node, &b);
    if (b.upper && b.bounds.most < 0)
        reader_fault(r, node, "%s is never less than 0; correct the bound", what);
    else if (b.lower && !b.upper && b.bounds.least <= 0)
        reader_warn(r, node, "%s is always at least 0: this always holds", what);
    c->bounds = b.bounds;
}

static void condition_length(struct reader *r, const struct yaml_node *node, void *into)
{
    read_measure(r, node, "length", begin(into, CONDITION_LENGTH));
}

static void condition_lines(struct reader *r, const struct yaml_node *node, void *into)
{
    read_measure(r, node, "lines", begin(into, CONDITION_LINES));
}

/* Share ------------------------------------------------------------------------------------------- */

static void share_of(struct reader *r, const struct yaml_node *node, void *into)
{
    int of = read_word(r, node, "of", &share_names);

    if (of >= 0)
        ((struct share_condition *)into)->of = (enum share_of)of;
}

/* ICU's own name, so that every writing of a script is one. */
static const char *read_script(struct reader *r, const struct yaml_node *item, const char *what)
{
    static const char *const common[] = {"Latin",  "Han",      "Cyrillic",   "Arabic",   "Hebrew",  "Greek", "Thai",
                                         "Hangul", "Hiragana", "Devanagari", "Katakana", "Bengali", "Tamil"};
    const char *written = read_name(r, item, what), *name, *meant;

    if (!written)
        return NULL;
    name = unicode_script_name(written);
    if (name)
        return name;
    meant = faults_suggest(written, common, sizeof(common) / sizeof(*common));
    if (meant)
        reader_fault(r, item, "there is no script \"%s\"; did you mean \"%s\"?", written, meant);
    else
        reader_fault(r, item,
                     "there is no script \"%s\"; write its Unicode name, such as Latin, Han or Cyrillic, or "
                     "its code, such as Latn",
                     written);
    return NULL;
}

static void share_scripts(struct reader *r, const struct yaml_node *node, void *into)
{
    ((struct share_condition *)into)->scripts = read_sorted(r, node, "a script", read_script);
}

static void share_percent(struct reader *r, const struct yaml_node *node, void *into)
{
    int64_t n;

    if (read_number(r, node, "percent", 1, 100, &n))
        ((struct share_condition *)into)->percent = (unsigned)n;
}

static void share_least(struct reader *r, const struct yaml_node *node, void *into)
{
    int64_t n;

    if (read_number(r, node, "least", 1, MEASURE_MAX, &n))
        ((struct share_condition *)into)->least = (uint64_t)n;
}

static const struct key share_keys[] = {
    {"of", share_of},
    {"scripts", share_scripts},
    {"percent", share_percent},
    {"least", share_least},
};

static void condition_share(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition *c = begin(into, CONDITION_SHARE);
    const struct yaml_node *scripts = yaml_get(node, "scripts");

    c->share.least = 1;
    if (!read_map(r, node, "share", KEYS(share_keys), &c->share))
        return;
    if (!yaml_get(node, "of"))
        reader_fault(r, node, "share does not say of what; add of: one of %s", share_names.all);
    if (!yaml_get(node, "percent"))
        reader_fault(r, node, "share has no percent; add percent: 1 to 100");
    if (c->share.of == SHARE_SCRIPT && !scripts)
        reader_fault(r, node, "share of script does not say which; add scripts: [Latin]");
    if (c->share.of != SHARE_SCRIPT && scripts && yaml_get(node, "of"))
        reader_fault(r, scripts, "scripts belong to of: script; remove them");
}

/* Types and JSON ---------------------------------------------------------------------------------- */

static void condition_types(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition *c = begin(into, CONDITION_TYPES);

    c->types = read_words(r, node, "a type of element", &type_names);
}

struct json_reading {
    struct condition *condition;
    struct bounds_reading bounds;
    unsigned tests; /* bits 1 << enum json_test */
};

static void json_in(struct reader *r, const struct yaml_node *node, void *into)
{
    int in = read_word(r, node, "in", &json_where_names);

    if (in >= 0)
        ((struct json_reading *)into)->condition->json.in = (enum json_where)in;
}

static void json_path(struct reader *r, const struct yaml_node *node, void *into)
{
    const char *path = read_line(r, node, "path");
    struct json_step steps[JSON_PATH_MAX_STEPS];
    struct err err;
    size_t count;

    if (path && json_path_parse(span_of(path), steps, &count, &err) < 0)
        reader_fault(r, node, "path cannot be read: %s", err.text);
    ((struct json_reading *)into)->condition->text = path;
}

static void json_exists(struct reader *r, const struct yaml_node *node, void *into)
{
    struct json_reading *j = into;
    bool exists = true;

    if (read_bool(r, node, "exists", &exists) && !exists)
        reader_fault(r, node, "exists can only be true; put the condition under a not");
    j->tests |= 1u << JSON_EXISTS;
    j->condition->json.test = JSON_EXISTS;
}

static void json_one_of(struct reader *r, const struct yaml_node *node, void *into)
{
    struct json_reading *j = into;

    j->condition->json.values = read_sorted(r, node, "a value of one_of", read_line);
    j->tests |= 1u << JSON_IS_ONE_OF;
    j->condition->json.test = JSON_IS_ONE_OF;
    if (node->kind == YAML_LIST && !node->count)
        reader_fault(r, node, "one_of is empty and never holds; add values");
}

static void json_glob(struct reader *r, const struct yaml_node *node, void *into)
{
    struct json_reading *j = into;

    j->condition->json.values = read_sorted(r, node, "a glob", read_line);
    j->tests |= 1u << JSON_MATCHES_GLOB;
    j->condition->json.test = JSON_MATCHES_GLOB;
    if (node->kind == YAML_LIST && !node->count)
        reader_fault(r, node, "glob is empty and never holds; add one, * and ? included");
}

static void json_within(struct json_reading *j)
{
    j->tests |= 1u << JSON_WITHIN;
    j->condition->json.test = JSON_WITHIN;
}

static void json_more_than(struct reader *r, const struct yaml_node *node, void *into)
{
    json_within(into);
    bounds_more_than(r, node, &((struct json_reading *)into)->bounds);
}

static void json_less_than(struct reader *r, const struct yaml_node *node, void *into)
{
    json_within(into);
    bounds_less_than(r, node, &((struct json_reading *)into)->bounds);
}

static void json_at_least(struct reader *r, const struct yaml_node *node, void *into)
{
    json_within(into);
    bounds_at_least(r, node, &((struct json_reading *)into)->bounds);
}

static void json_at_most(struct reader *r, const struct yaml_node *node, void *into)
{
    json_within(into);
    bounds_at_most(r, node, &((struct json_reading *)into)->bounds);
}

static const struct key json_keys[] = {
    {"in", json_in},
    {"path", json_path},
    {"exists", json_exists},
    {"one_of", json_one_of},
    {"glob", json_glob},
    {"more_than", json_more_than},
    {"less_than", json_less_than},
    {"at_least", json_at_least},
    {"at_most", json_at_most},
};

static void condition_json(struct reader *r, const struct yaml_node *node, void *into)
{
    struct json_reading j = {
        .condition = begin(into, CONDITION_JSON),
        .bounds = {.bounds = {INT64_MIN, INT64_MAX}, .from = -INT64_MAX + 1, .to = INT64_MAX - 1},
    };

    if (!read_map(r, node, "json", KEYS(json_keys), &j))
        return;
    if (!yaml_get(node, "in"))
        reader_fault(r, node, "json does not say where; add in: one of %s", json_where_names.all);
    if (!yaml_get(node, "path"))
        reader_fault(r, node, "json has no path; add path: \"key.key\"");
    if (!j.tests || (j.tests & (j.tests - 1)))
        reader_fault(r, node, "json needs exactly one test: exists, one_of, glob, or bounds of a number");
    check_bounds(r, node, &j.bounds);
    if (j.tests == 1u << JSON_WITHIN)
        j.condition->json.within = j.bounds.bounds;
}

/* Repetitions and rates --------------------------------------------------------------------------- */

static void rate_times(struct reader *r, const struct yaml_node *node, void *into)
{
    int64_t n;

    if (read_number(r, node, "times", 1, MAX_TIMES, &n))
        ((struct rate_condition *)into)->times = (unsigned)n;
}

static void rate_within(struct reader *r, const struct yaml_node *node, void *into)
{
    read_duration(r, node, "within", WITHIN_MIN_MS, WITHIN_MAX_MS, "from 1s to 1h",
                  &((struct rate_condition *)into)->within_ms);
}

static void rate_by(struct reader *r, const struct yaml_node *node, void *into)
{
    int by = read_word(r, node, "by", &counted_names);

    if (by >= 0)
        ((struct rate_condition *)into)->of = (enum counted)by;
}

static void rate_tighten(struct reader *r, const struct yaml_node *node, void *into)
{
    int64_t n;

    if (read_number(r, node, "tighten", 0, MAX_TIGHTEN, &n))
        ((struct rate_condition *)into)->tighten = (unsigned)n;
}

static const struct key repeated_keys[] = {
    {"times", rate_times},
    {"within", rate_within},
    {"by", rate_by},
};

static const struct key rate_keys[] = {
    {"times", rate_times},
    {"within", rate_within},
    {"by", rate_by},
    {"tighten", rate_tighten},
};

/* What a room that the platform caps can never reach: more repetitions than messages, or the bottom of a bucket that is
 * filled as fast as the room may speak. */
static bool beyond_the_cap(const struct condition *c)
{
    const struct rate_condition *rate = &c->rate;
    int64_t messages = (int64_t)rate->times * 1000, cap = ROOM_CAP * rate->within_ms;

    if (rate->of != COUNTED_ROOM || !rate->times || !rate->within_ms || rate->tighten)
        return false;
    return c->kind == CONDITION_RATE ? messages >= cap : messages > cap;
}

static void read_rate(struct reader *r, const struct yaml_node *node, const char *what, const struct key *keys,
                      size_t count, struct condition *c)
{
    if (!read_map(r, node, what, keys, count, &c->rate))
        return;
    if (!yaml_get(node, "times") || !yaml_get(node, "within") || !yaml_get(node, "by"))
        reader_fault(r, node, "%s needs times, within and by: { times: 3, within: 60s, by: sender }", what);
    if (c->kind == CONDITION_REPEATED && c->rate.times == 1)
        reader_fault(r, node, "the first time is no repetition; times must be 2 or more");
    if (beyond_the_cap(c))
        reader_warn(r, node,
                    "%s can never be reached: the platform lets %d messages a second into a room; use fewer times or "
                    "a longer time",
                    what, ROOM_CAP);
}

static void condition_repeated(struct reader *r, const struct yaml_node *node, void *into)
{
    read_rate(r, node, "repeated", KEYS(repeated_keys), begin(into, CONDITION_REPEATED));
}

static void condition_rate(struct reader *r, const struct yaml_node *node, void *into)
{
    read_rate(r, node, "rate", KEYS(rate_keys), begin(into, CONDITION_RATE));
}

/* Conditions of conditions ------------------------------------------------------------------------ */

static void read_parts(struct reader *r, const struct yaml_node *node, const char *what, struct condition *c)
{
    struct condition **parts;

    if (node->kind != YAML_LIST || node->count == 0) {
        reader_fault(r, node, "%s must be a list of at least one condition", what);
        return;
    }
    parts = arena_array(r->arena, node->count, sizeof(*parts));
    for (size_t i = 0; i < node->count && parts; i++) {
        struct condition *part = read_condition(r, node->items[i]);

        if (part)
            parts[c->part_count++] = part;
    }
    c->parts = parts;
}

static void condition_any(struct reader *r, const struct yaml_node *node, void *into)
{
    read_parts(r, node, "any", begin(into, CONDITION_ANY));
}

static void condition_all(struct reader *r, const struct yaml_node *node, void *into)
{
    read_parts(r, node, "all", begin(into, CONDITION_ALL));
}

static void condition_not(struct reader *r, const struct yaml_node *node, void *into)
{
    struct condition *c = begin(into, CONDITION_NOT);
    struct condition **parts = arena_array(r->arena, 1, sizeof(*parts));

    if (!parts)
        return;
    parts[0] = read_condition(r, node);
    c->parts = parts;
    c->part_count = parts[0] ? 1 : 0;
}

static const struct key condition_keys[] = {
    {"terms", condition_terms},   {"regex", condition_regex}, {"folding", condition_folding},
    {"tables", condition_tables}, {"links", condition_links}, {"contact", condition_contact},
    {"length", condition_length}, {"lines", condition_lines}, {"share", condition_share},
    {"types", condition_types},   {"json", condition_json},   {"repeated", condition_repeated},
    {"rate", condition_rate},     {"any", condition_any},     {"all", condition_all},
    {"not", condition_not},
};

struct condition *read_condition(struct reader *r, const struct yaml_node *node)
{
    struct condition_reading c = {.condition = arena_alloc(r->arena, sizeof(*c.condition))};
    size_t faults = r->faults->count;

    if (!c.condition)
        return NULL;
    c.condition->place = place_of(node);
    if (!read_map(r, node, "a condition", KEYS(condition_keys), &c))
        return NULL;
    if (c.kinds == 0 && r->faults->count > faults)
        return NULL; /* an unknown key said enough */
    if (c.kinds != 1) {
        reader_fault(
            r, node,
            "a condition is one of: terms, regex, links, contact, length, lines, share, types, json, repeated, "
            "rate, any, all, not; put several into any or all");
        return NULL;
    }
    if (c.folding && c.condition->kind != CONDITION_REGEX)
        reader_fault(r, c.folding, "folding belongs to a regex or to a list, not to this condition");
    if (c.tables && c.condition->kind != CONDITION_REGEX)
        reader_fault(r, c.tables, "tables belong to a regex or to a list, not to this condition");
    return c.condition;
}
