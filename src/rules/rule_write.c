/* Writes the model of rule.h: canonical JSON, whose bytes name a rule set, and YAML for people. Both go through the
 * same description of an entry (describe_rule, describe_list), so that they cannot drift apart. Texts are written so
 * that JSON and YAML readers take them back alike: what a YAML reader would fold, refuse or strip is escaped. */
#include "rules/rule.h"

#include "base/utf8.h"
#include "rules/rule_names.h"

#include <stdlib.h>

/* A form of writing: the same calls make JSON or YAML. Keys of a YAML map stand at `indent` blanks. */
struct writer {
    struct buf *out;
    bool yaml;
    unsigned indent;
    bool first;        /* of the map or list being written */
    bool inline_first; /* YAML: the next key follows "- " on the same line */
};

/* Escaped in both forms: control characters; the line separators that YAML takes for line ends; the byte order mark
 * and non-characters, which YAML readers refuse. */
static bool needs_escape(uint32_t c)
{
    return c < 0x20 || c == '"' || c == '\\' || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF ||
           c == 0xFFFE || c == 0xFFFF;
}

static void write_quoted(struct buf *out, struct span text)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_char_len(text.data + i, text.len - i);
        uint32_t c = n ? utf8_decode(text.data + i, n) : 0xFFFD;

        if (!needs_escape(c))
            buf_add(out, n ? text.data + i : "\xEF\xBF\xBD", n ? n : 3);
        else if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", (char)c);
        else if (c == '\n')
            buf_add_text(out, "\\n");
        else if (c == '\t')
            buf_add_text(out, "\\t");
        else
            buf_addf(out, "\\u%04x", c);
        i += n ? n : 1;
    }
    buf_add_char(out, '"');
}

/* YAML: plain where nothing can be misread, in single quotes where nothing needs escaping (expressions stay readable),
 * otherwise in double quotes. */
static void write_yaml_text(struct buf *out, struct span text)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
    bool plain = text.len > 0 && text.len <= 64, single = true;

    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_char_len(text.data + i, text.len - i);
        uint32_t c = n ? utf8_decode(text.data + i, n) : 0;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')))
            plain = false;
        if (needs_escape(c) && c != '"' && c != '\\')
            single = false;
        i += n ? n : 1;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        plain = plain && !span_is_nocase(text, words[i]);
    if (plain) {
        buf_add_span(out, text);
        return;
    }
    if (!single) {
        write_quoted(out, text);
        return;
    }
    buf_add_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\'')
            buf_add_char(out, '\'');
        buf_add_char(out, text.data[i]);
    }
    buf_add_char(out, '\'');
}

static void write_text(struct writer *w, struct span text)
{
    if (w->yaml)
        write_yaml_text(w->out, text);
    else
        write_quoted(w->out, text);
}

static void write_indent(struct writer *w, unsigned indent)
{
    for (unsigned i = 0; i < indent; i++)
        buf_add_char(w->out, ' ');
}

static void write_key(struct writer *w, const char *key)
{
    if (!w->yaml) {
        if (!w->first)
            buf_add_char(w->out, ',');
        buf_addf(w->out, "\"%s\":", key);
    } else {
        if (!w->inline_first) {
            buf_add_char(w->out, '\n');
            write_indent(w, w->indent);
        }
        buf_addf(w->out, "%s: ", key);
    }
    w->first = w->inline_first = false;
}

static void write_member(struct writer *w, const char *key, struct span text)
{
    write_key(w, key);
    write_text(w, text);
}

/* A list of short texts, on one line in both forms. */
static void write_texts(struct writer *w, const char *key, const char *const *items, size_t count)
{
    write_key(w, key);
    buf_add_char(w->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_text(w->out, w->yaml ? ", " : ",");
        write_text(w, span_of(items[i]));
    }
    buf_add_char(w->out, ']');
}

static void write_folding(struct writer *w, unsigned folding)
{
    const char *steps[8];
    size_t count = 0;

    for (size_t i = 0; i < fold_step_names.count; i++)
        if (folding & (1u << i))
            steps[count++] = fold_step_names.names[i];
    write_texts(w, "folding", steps, count);
}

/* The value of a YAML key that was just written goes on in lines of its own: no blank after the colon. */
static void end_line(struct writer *w)
{
    if (w->out->len && w->out->data[w->out->len - 1] == ' ')
        w->out->len--;
}

/* Opens a map that is the value of a key just written, or an item of a JSON list. */
static struct writer open_map(struct writer *w)
{
    if (w->yaml)
        end_line(w);
    else
        buf_add_char(w->out, '{');
    return (struct writer){.out = w->out, .yaml = w->yaml, .indent = w->indent + 2, .first = true};
}

static void close_map(struct writer *inner)
{
    if (!inner->yaml)
        buf_add_char(inner->out, '}');
}

/* Begins item number i of a list whose key was just written. */
static struct writer open_item(struct writer *w, size_t i)
{
    if (!w->yaml) {
        if (i)
            buf_add_char(w->out, ',');
        return open_map(w);
    }
    buf_add_char(w->out, '\n');
    write_indent(w, w->indent + 2);
    buf_add_text(w->out, "- ");
    return (struct writer){.out = w->out, .yaml = true, .indent = w->indent + 4, .first = true, .inline_first = true};
}

static void open_list(struct writer *w)
{
    if (w->yaml)
        end_line(w);
    else
        buf_add_char(w->out, '[');
}

static void close_list(struct writer *w)
{
    if (!w->yaml)
        buf_add_char(w->out, ']');
}

static void describe_condition(struct writer *w, const struct condition *c)
{
    switch (c->kind) {
    case CONDITION_TERMS:
        write_member(w, "terms", span_of(c->text));
        return;
    case CONDITION_REGEX:
        write_member(w, "regex", span_of(c->text));
        if (c->folding.steps != FOLD_NONE)
            write_folding(w, c->folding.steps);
        return;
    case CONDITION_LINKS:
    case CONDITION_CONTACT:
    case CONDITION_LENGTH:
    case CONDITION_LINES:
    case CONDITION_SHARE:
    case CONDITION_TYPES:
    case CONDITION_JSON:
    case CONDITION_REPEATED:
    case CONDITION_RATE:
        return; /* not read yet */
    case CONDITION_NOT: {
        struct writer inner;

        write_key(w, "not");
        inner = open_map(w);
        describe_condition(&inner, c->parts[0]);
        close_map(&inner);
        return;
    }
    case CONDITION_ANY:
    case CONDITION_ALL:
        write_key(w, c->kind == CONDITION_ANY ? "any" : "all");
        open_list(w);
        for (size_t i = 0; i < c->part_count; i++) {
            struct writer item = open_item(w, i);

            describe_condition(&item, c->parts[i]);
            close_map(&item);
        }
        close_list(w);
        return;
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Their order has no meaning, so they are written sorted; nothing is written for an empty list. */
static void write_sorted(struct writer *w, const char *key, const struct texts *texts)
{
    const char **sorted;

    if (!texts->count)
        return;
    sorted = calloc(texts->count, sizeof(*sorted));
    if (!sorted) {
        w->out->failed = true;
        return;
    }
    memcpy(sorted, texts->items, texts->count * sizeof(*sorted));
    qsort(sorted, texts->count, sizeof(*sorted), by_text);
    write_texts(w, key, sorted, texts->count);
    free(sorted);
}

static void describe_scope(struct writer *w, const struct rule *rule)
{
    struct writer scope;

    if (!rule->scope.only[SCOPE_GROUPS].count && !rule->scope.except[SCOPE_GROUPS].count &&
        !rule->scope.only[SCOPE_SENDERS].count && !rule->scope.except[SCOPE_SENDERS].count)
        return;
    write_key(w, "scope");
    scope = open_map(w);
    write_sorted(&scope, "groups", &rule->scope.only[SCOPE_GROUPS]);
    write_sorted(&scope, "except_groups", &rule->scope.except[SCOPE_GROUPS]);
    write_sorted(&scope, "senders", &rule->scope.only[SCOPE_SENDERS]);
    write_sorted(&scope, "except_senders", &rule->scope.except[SCOPE_SENDERS]);
    close_map(&scope);
}

static void describe_examples(struct writer *w, const struct rule *rule)
{
    if (!rule->example_count)
        return;
    write_key(w, "examples");
    open_list(w);
    for (size_t i = 0; i < rule->example_count; i++) {
        const struct example *e = &rule->examples[i];
        struct writer item = open_item(w, i);

        write_member(&item, "text", e->text);
        write_member(&item, "verdict", span_of(action_name(e->verdict)));
        if (e->has_becomes)
            write_member(&item, "becomes", e->becomes);
        close_map(&item);
    }
    close_list(w);
}

static void describe_rule(struct writer *w, const struct rule *rule)
{
    write_member(w, "rule", span_of(rule->name));
    if (rule->when != WHEN_BOTH)
        write_member(w, "when", span_of(when_names.names[rule->when - WHEN_BEFORE]));
    if (rule->mode != MODE_ENFORCE)
        write_member(w, "mode", span_of(mode_names.names[rule->mode]));
    describe_scope(w, rule);
    if (rule->match) {
        struct writer match;

        write_key(w, "match");
        match = open_map(w);
        describe_condition(&match, rule->match);
        close_map(&match);
    }
    write_member(w, "action", span_of(action_name(rule->action)));
    if (rule->action == ACTION_MASK && strcmp(rule->mask, "*") != 0)
        write_member(w, "mask", span_of(rule->mask));
    if (rule->replace)
        write_member(w, "replace", span_of(rule->replace));
    if (rule->reject_code != REPLY_REJECT) {
        write_key(w, "reject_code");
        buf_addf(w->out, "%d", rule->reject_code);
    }
    if (rule->reject_text)
        write_member(w, "reject_text", span_of(rule->reject_text));
    if (rule->then.count)
        write_texts(w, "then", rule->then.items, rule->then.count);
    if (rule->note)
        write_member(w, "note", span_of(rule->note));
    describe_examples(w, rule);
}

static int by_span(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* Sorted, each once. */
static void describe_terms(struct writer *w, const struct term_list *list)
{
    struct span *sorted = calloc(list->term_count + 1, sizeof(*sorted));
    size_t written = 0;

    if (!sorted) {
        w->out->failed = true;
        return;
    }
    if (list->term_count)
        memcpy(sorted, list->terms, list->term_count * sizeof(*sorted));
    qsort(sorted, list->term_count, sizeof(*sorted), by_span);
    write_key(w, "terms");
    open_list(w);
    for (size_t i = 0; i < list->term_count; i++) {
        if (i && span_equal(sorted[i], sorted[i - 1]))
            continue;
        if (w->yaml) {
            buf_add_char(w->out, '\n');
            write_indent(w, w->indent + 2);
            buf_add_text(w->out, "- ");
        } else if (written) {
            buf_add_char(w->out, ',');
        }
        write_text(w, sorted[i]);
        written++;
    }
    close_list(w);
    free(sorted);
}

static void describe_list(struct writer *w, const struct term_list *list, bool with_terms)
{
    write_member(w, "list", span_of(list->name));
    if (list->folding.steps != FOLD_BASE)
        write_folding(w, list->folding.steps);
    if (list->boundary != BOUNDARY_SCRIPT)
        write_member(w, "boundary", span_of(boundary_names.names[list->boundary]));
    if (with_terms)
        describe_terms(w, list);
}

void rule_write_json(const struct rule *rule, struct buf *out)
{
    struct writer top = {.out = out}, w = open_map(&top);

    describe_rule(&w, rule);
    close_map(&w);
}

void term_list_write_json(const struct term_list *list, bool with_terms, struct buf *out)
{
    struct writer top = {.out = out}, w = open_map(&top);

    describe_list(&w, list, with_terms);
    close_map(&w);
}

static int by_rule_name(const void *a, const void *b)
{
    const struct rule *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static int by_list_name(const void *a, const void *b)
{
    const struct term_list *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* Both sorted by name. False, with *out failed, when memory ran out. */
static bool sort_entries(const struct rule_document *doc, const struct rule ***rules, const struct term_list ***lists,
                         struct buf *out)
{
    const struct rule *const *r;
    const struct term_list *const *l;
    size_t rule_count = rule_document_rules(doc, &r), list_count = rule_document_lists(doc, &l);

    *rules = calloc(rule_count + 1, sizeof(**rules));
    *lists = calloc(list_count + 1, sizeof(**lists));
    if (!*rules || !*lists) {
        out->failed = true;
        return false;
    }
    for (size_t i = 0; i < rule_count; i++)
        (*rules)[i] = r[i];
    for (size_t i = 0; i < list_count; i++)
        (*lists)[i] = l[i];
    qsort(*rules, rule_count, sizeof(**rules), by_rule_name);
    qsort(*lists, list_count, sizeof(**lists), by_list_name);
    return true;
}

void rule_document_write_json(const struct rule_document *doc, struct buf *out)
{
    const struct rule **rules = NULL;
    const struct term_list **lists = NULL;

    if (sort_entries(doc, &rules, &lists, out)) {
        buf_add_text(out, "{\"lists\":[");
        for (size_t i = 0; lists[i]; i++) {
            if (i)
                buf_add_char(out, ',');
            term_list_write_json(lists[i], true, out);
        }
        buf_add_text(out, "],\"rules\":[");
        for (size_t i = 0; rules[i]; i++) {
            if (i)
                buf_add_char(out, ',');
            rule_write_json(rules[i], out);
        }
        buf_add_text(out, "]}");
    }
    free(rules);
    free(lists);
}

void rule_document_write_yaml(const struct rule_document *doc, struct buf *out)
{
    const struct rule **rules = NULL;
    const struct term_list **lists = NULL;

    if (sort_entries(doc, &rules, &lists, out)) {
        struct writer w = {.out = out, .yaml = true};

        for (size_t i = 0; lists[i]; i++) {
            w = (struct writer){.out = out, .yaml = true, .indent = 2, .inline_first = true};
            buf_add_text(out, "- ");
            describe_list(&w, lists[i], true);
            buf_add_char(out, '\n');
        }
        for (size_t i = 0; rules[i]; i++) {
            w = (struct writer){.out = out, .yaml = true, .indent = 2, .inline_first = true};
            buf_add_text(out, "- ");
            describe_rule(&w, rules[i]);
            buf_add_char(out, '\n');
        }
    }
    free(rules);
    free(lists);
}
