/* What is written is read back: generated documents of everything the language has go through JSON and YAML and come
 * out byte for byte the same. CHATSLUICE_DOCUMENT_ROUNDS=n makes longer runs. */
#include "base/json_write.h"
#include "rules/rule.h"
#include "rules/language/rule_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { ROUNDS = 2000, LISTS = 3, TABLES = 2, CARDS = 2, RULES = 4 };

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static uint64_t seed = 0x2545F4914F6CDD1Du;

static unsigned roll(size_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 20) % sides);
}

/* Texts that a careless writer gets wrong. */
static const char *const texts[] = {
    "plain",     "two words", " lead",  "tail ",     "",         "true",         "null",
    "~",         "12",        "0x1F",   "1e3",       "- item",   "a: b",         "#c",
    "a #c",      "{x",        "[y",     "*",         "&anchor",  "!tag",         "%dir",
    "@at",       "`tick",     "it's",   "say \"x\"", "back\\",   "a\nb",         "\nfirst",
    "last\n",    "t\tab",     "微信",   "é",         "\xC2\x85", "\xE2\x80\xA8", "\xEF\xBB\xBFx",
    "👩🏽",  "a,b",       "key: [", "? q",       "| pipe",   "> fold",       "---",
    "...",       "<<",        "=",      "yes",       "OFF",      "2001-01-01",   "\xE2\x80\x8B.",
    "a\xC2\xA0", "'",         "\"",     ":",         "a:",
};

static const char *random_text(bool empty, bool lines)
{
    for (;;) {
        const char *text = texts[roll(COUNT(texts))];

        if ((*text || empty) && (lines || !strpbrk(text, "\n\t")))
            return text;
    }
}

/* A JSON string that YAML reads alike: what YAML takes for a line end or a byte order mark is escaped. */
static void add_text(struct buf *out, const char *text)
{
    static const struct {
        const char *raw, *escaped;
    } escapes[] = {{"\xC2\x85", "\\u0085"}, {"\xE2\x80\xA8", "\\u2028"}, {"\xEF\xBB\xBF", "\\ufeff"}};
    struct buf quoted = BUF_INIT;

    json_add_string(&quoted, span_of(text));
    for (const char *c = buf_text(&quoted); *c;) {
        size_t e = 0;

        while (e < COUNT(escapes) && strncmp(c, escapes[e].raw, strlen(escapes[e].raw)) != 0)
            e++;
        if (e == COUNT(escapes)) {
            buf_add_char(out, *c++);
            continue;
        }
        buf_add_text(out, escapes[e].escaped);
        c += strlen(escapes[e].raw);
    }
    buf_release(&quoted);
}

/* Keys may be any text; a comma where one is needed. */
static void add_member(struct buf *out, const char *key, const char *text)
{
    if (out->len && out->data[out->len - 1] != '{')
        buf_add_char(out, ',');
    add_text(out, key);
    buf_add_char(out, ':');
    add_text(out, text);
}

static void add_words(struct buf *out, const char *key, const struct name_list *names)
{
    bool any = false;

    json_add_key(out, key);
    buf_add_char(out, '[');
    for (size_t i = names->count; i > 0; i--)
        if (roll(2) || (i == 1 && !any)) {
            if (any)
                buf_add_char(out, ',');
            add_text(out, names->names[i - 1]);
            any = true;
        }
    buf_add_char(out, ']');
}

static void add_texts(struct buf *out, const char *key)
{
    size_t n = 1 + roll(3);

    json_add_key(out, key);
    buf_add_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_add_char(out, ',');
        add_text(out, random_text(false, false));
    }
    buf_add_char(out, ']');
}

static void add_folding(struct buf *out)
{
    if (roll(3) == 0)
        buf_add_text(out, ",\"folding\":[]");
    else if (roll(3) == 0)
        buf_add_text(out, ",\"folding\":[\"all\"]");
    else if (roll(2))
        add_words(out, "folding", &fold_step_names);
    if (roll(2))
        buf_addf(out, ",\"tables\":[\"t%u\",\"t0\"]", roll(TABLES));
}

static void add_bounds(struct buf *out)
{
    unsigned low = roll(50), high = low + 2 + roll(50), which = 1 + roll(3);

    if (which & 1)
        buf_addf(out, "\"%s\":%u%s", roll(2) ? "more_than" : "at_least", low, which & 2 ? "," : "");
    if (which & 2)
        buf_addf(out, "\"%s\":%u", roll(2) ? "less_than" : "at_most", high);
}

static void add_json_condition(struct buf *out)
{
    static const char *const paths[] = {"a", "mod.tags[0]", "[\"a.b\"].c", "[\"it's: #\"][12]", "微信.x"};

    buf_add_text(out, "{\"json\":{");
    add_member(out, "in", json_where_names.names[roll(2)]);
    add_member(out, "path", paths[roll(COUNT(paths))]);
    switch (roll(4)) {
    case 0:
        buf_add_text(out, ",\"exists\":true");
        break;
    case 1:
        add_texts(out, "one_of");
        break;
    case 2:
        add_texts(out, "glob");
        break;
    default:
        buf_add_char(out, ',');
        add_bounds(out);
        break;
    }
    buf_add_text(out, "}}");
}

static void add_share(struct buf *out)
{
    unsigned of = roll(share_names.count);

    buf_addf(out, "{\"share\":{\"of\":\"%s\",\"percent\":%u", share_names.names[of], 1 + roll(100));
    if (of == SHARE_SCRIPT)
        buf_add_text(out, roll(2) ? ",\"scripts\":[\"Latin\",\"hani\",\"Latn\"]" : ",\"scripts\":\"Cyrillic\"");
    if (roll(2))
        buf_addf(out, ",\"least\":%u", 1 + roll(9));
    buf_add_text(out, "}}");
}

static void add_rate(struct buf *out)
{
    static const char *const times[] = {"1s", "90s", "60s", "10m", "1h", "1500ms", "3600s"};

    buf_addf(out, "{\"rate\":{\"times\":%u,\"within\":\"%s\",\"by\":\"%s\"", 1 + roll(30), times[roll(COUNT(times))],
             counted_names.names[roll(3)]);
    if (roll(2))
        buf_addf(out, ",\"tighten\":%u", roll(4));
    buf_add_text(out, "}}");
}

static void add_condition(struct buf *out, unsigned depth);

static void add_parts(struct buf *out, const char *key, unsigned depth)
{
    size_t n = 1 + roll(3);

    buf_addf(out, "{\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_add_char(out, ',');
        add_condition(out, depth - 1);
    }
    buf_add_text(out, "]}");
}

static void add_condition(struct buf *out, unsigned depth)
{
    static const char *const links[] = {"\"any\"", "{\"allow\":[\"Example.COM\",\"b.example\"]}",
                                        "{\"deny\":[\"bit.ly\",\"a.example\",\"bit.ly\"],\"allow\":\"ÉCOLE.example\"}"};
    static const char *const expressions[] = {"x+", "it's", "\\bx\\b", "#[0-9]: ", "\"q\"", "微{2}"};

    switch (roll(depth ? 14 : 11)) {
    case 0:
        buf_addf(out, "{\"terms\":\"l%u\"}", roll(LISTS));
        return;
    case 1:
        buf_add_char(out, '{');
        add_member(out, "regex", expressions[roll(COUNT(expressions))]);
        add_folding(out);
        buf_add_char(out, '}');
        return;
    case 2:
        buf_addf(out, "{\"links\":%s}", links[roll(COUNT(links))]);
        return;
    case 3:
        buf_add_char(out, '{');
        if (roll(2))
            add_words(out, "contact", &contact_names);
        else
            buf_add_text(out, "\"contact\":\"any\"");
        buf_add_char(out, '}');
        return;
    case 4:
    case 5:
        buf_addf(out, "{\"%s\":{", roll(2) ? "length" : "lines");
        add_bounds(out);
        buf_add_text(out, "}}");
        return;
    case 6:
        add_share(out);
        return;
    case 7:
        buf_add_char(out, '{');
        add_words(out, "types", &type_names);
        buf_add_char(out, '}');
        return;
    case 8:
        add_json_condition(out);
        return;
    case 9:
        buf_addf(out, "{\"repeated\":{\"times\":%u,\"within\":\"%us\",\"by\":\"%s\"}}", 2 + roll(9), 1 + roll(3600),
                 counted_names.names[roll(3)]);
        return;
    case 10:
        add_rate(out);
        return;
    case 11:
        add_parts(out, "any", depth);
        return;
    case 12:
        add_parts(out, "all", depth);
        return;
    default:
        buf_add_text(out, "{\"not\":");
        add_condition(out, depth - 1);
        buf_add_char(out, '}');
        return;
    }
}

static void add_scope(struct buf *out)
{
    buf_add_text(out, ",\"scope\":{");
    for (size_t k = 0; k < SCOPE_KINDS; k++)
        for (int except = 0; except < 2; except++) {
            const char *key = (except ? except_names : scope_names).names[k];

            if (roll(3))
                continue;
            if (k != SCOPE_APPS) {
                add_texts(out, key);
                continue;
            }
            json_add_key(out, key);
            buf_add_text(out, "[\"14*\",1400000001]");
        }
    json_add_member_bool(out, "exempt_admins", roll(2));
    buf_add_char(out, '}');
}

static void add_codes(struct buf *out)
{
    bool own = roll(2);

    if (own || roll(2))
        buf_addf(out, ",\"reject_code\":%u", own ? 10100 + roll(101) : 1);
    if (own && roll(2))
        add_member(out, "reject_text", random_text(false, false));
}

static void add_effect(struct buf *out, bool masks, bool replaces, bool rejects, bool discards)
{
    bool follow_ups = roll(3) == 0, corrects = follow_ups && (rejects || discards);

    if ((masks || corrects) && roll(2))
        add_member(out, "mask", roll(2) ? "#" : "👩🏽");
    if (replaces || (corrects && roll(2)))
        add_member(out, "replace", random_text(false, true));
    if (masks || replaces || rejects)
        add_codes(out);
    if (follow_ups)
        buf_add_text(out, ",\"then\":[\"resend\",\"mute 10m\",\"recall\"]");
}

static void add_rule(struct buf *out, size_t number)
{
    enum action action = (enum action)roll(ACTION_COUNT);

    buf_addf(out, "{\"rule\":\"r%zu\"", number);
    add_member(out, "when", when_names.names[roll(3)]);
    add_member(out, "mode", mode_names.names[roll(3)]);
    if (roll(2))
        buf_addf(out, ",\"rollout\":%u", roll(101));
    if (roll(2))
        add_scope(out);
    buf_add_text(out, ",\"match\":");
    add_condition(out, 3);
    if (roll(3) == 0) {
        buf_addf(out, ",\"score\":{\"c%u\":%d}", roll(CARDS), roll(2) ? 3 : -3);
    } else {
        add_member(out, "action", action_name(action));
        add_effect(out, action == ACTION_MASK, action == ACTION_REPLACE, action == ACTION_REJECT,
                   action == ACTION_DISCARD);
    }
    if (roll(2))
        add_member(out, "note", random_text(false, true));
    if (roll(2)) {
        buf_add_text(out, ",\"examples\":[{");
        add_member(out, "text", random_text(true, true));
        add_member(out, "verdict", "mask");
        if (roll(2))
            add_member(out, "becomes", random_text(true, true));
        buf_add_text(out, "},{\"text\":\"x\",\"verdict\":\"allow\"}]");
    }
    buf_add_char(out, '}');
}

static void add_card(struct buf *out, size_t number)
{
    bool has[ACTION_COUNT] = {false};
    unsigned at = 0;

    buf_addf(out, "{\"scorecard\":\"c%zu\",\"at\":{", number);
    for (enum action a = ACTION_FLAG; a < ACTION_COUNT; a++)
        if (roll(2) || (a == ACTION_DISCARD && !at)) {
            at += 1 + roll(5);
            has[a] = true;
            json_add_member_u64(out, action_name(a), at);
        }
    buf_add_char(out, '}');
    add_effect(out, has[ACTION_MASK], has[ACTION_REPLACE], has[ACTION_REJECT], has[ACTION_DISCARD]);
    buf_add_char(out, '}');
}

static void add_list(struct buf *out, size_t number)
{
    size_t n = 1 + roll(5);

    buf_addf(out, "{\"list\":\"l%zu\"", number);
    add_folding(out);
    add_member(out, "boundary", boundary_names.names[roll(3)]);
    buf_add_text(out, ",\"terms\":[\"word\"");
    for (size_t i = 0; i < n; i++) {
        struct buf term = BUF_INIT;

        /* with a word in it, for a term must not fold to nothing */
        buf_addf(&term, "%sword%u", random_text(false, true), roll(9));
        buf_add_char(out, ',');
        add_text(out, buf_text(&term));
        buf_release(&term);
    }
    buf_add_text(out, "]}");
}

static void add_table(struct buf *out, size_t number)
{
    size_t first = roll(COUNT(texts) / 2), n = 1 + roll(COUNT(texts) / 2 - 1);

    buf_addf(out, "{\"table\":\"t%zu\",\"map\":{\"from\":\"to\"", number);
    for (size_t i = first; i < first + n; i++) {
        const char *to = random_text(true, true);

        if (*texts[i] && strcmp(to, texts[i]) != 0)
            add_member(out, texts[i], to);
    }
    buf_add_text(out, "}}");
}

static void random_document(struct buf *out)
{
    static void (*const add[])(struct buf *, size_t) = {add_list, add_table, add_card, add_rule};
    static const size_t counts[] = {LISTS, TABLES, CARDS, RULES};

    buf_reset(out);
    buf_add_char(out, '[');
    for (size_t kind = 0; kind < COUNT(add); kind++)
        for (size_t i = 0; i < counts[kind]; i++) {
            add[kind](out, i);
            buf_add_text(out, ",\n");
        }
    buf_add_char(out, '{');
    add_texts(out, "admins");
    buf_add_text(out, "}]");
}

static void canonical(struct span text, struct buf *json, struct buf *yaml)
{
    struct rule_document *doc = rule_document_new();
    struct faults faults = FAULTS_INIT;

    buf_reset(json);
    if (rule_document_read_text(doc, "text", text, &faults) < 0 || rule_document_check(doc, &faults) < 0)
        print_error("%s\n%.*s\n", buf_text(&faults.text), (int)text.len, text.data);
    assert_int_equal(faults.count, 0);
    rule_document_write_json(doc, json);
    if (yaml) {
        buf_reset(yaml);
        rule_document_write_yaml(doc, yaml);
        assert_false(buf_failed(yaml));
    }
    assert_false(buf_failed(json));
    faults_release(&faults);
    rule_document_free(doc);
}

static void assert_same(const struct buf *got, const struct buf *wanted, const struct buf *written)
{
    if (strcmp(buf_text(got), buf_text(wanted)) != 0)
        print_error("written:\n%s\nread back:\n%s\nwanted:\n%s\n", buf_text(written), buf_text(got), buf_text(wanted));
    assert_string_equal(buf_text(got), buf_text(wanted));
}

static void documents_come_back(void **state)
{
    const char *more = getenv("CHATSLUICE_DOCUMENT_ROUNDS");
    unsigned long rounds = more && *more ? strtoul(more, NULL, 10) : ROUNDS;
    struct buf source = BUF_INIT, json = BUF_INIT, yaml = BUF_INIT, again = BUF_INIT;

    (void)state;
    for (unsigned long round = 0; round < rounds; round++) {
        random_document(&source);
        canonical(buf_span(&source), &json, &yaml);
        canonical(buf_span(&json), &again, NULL);
        assert_same(&again, &json, &json);
        canonical(buf_span(&yaml), &again, NULL);
        assert_same(&again, &json, &yaml);
    }
    buf_release(&source);
    buf_release(&json);
    buf_release(&yaml);
    buf_release(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(documents_come_back)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
