/* Writes conditions and scopes. */
#include "rules/language/rule_writer.h"

#include <stdio.h>

static void write_bounds(struct writer *w, const struct bounds *bounds)
{
    if (bounds->least != INT64_MIN)
        write_number(w, "at_least", bounds->least);
    if (bounds->most != INT64_MAX)
        write_number(w, "at_most", bounds->most);
}

static void describe_measure(struct writer *w, const char *key, const struct bounds *bounds)
{
    struct writer inner;

    write_key(w, key);
    inner = open_map(w);
    write_bounds(&inner, bounds);
    close_map(&inner);
}

static void describe_links(struct writer *w, const struct links_condition *links)
{
    struct writer inner;

    if (!links->allow.count && !links->deny.count) {
        write_member(w, "links", SPAN("any"));
        return;
    }
    write_key(w, "links");
    inner = open_map(w);
    write_some(&inner, "allow", links->allow);
    write_some(&inner, "deny", links->deny);
    close_map(&inner);
}

static void describe_share(struct writer *w, const struct share_condition *share)
{
    struct writer inner;

    write_key(w, "share");
    inner = open_map(w);
    write_member(&inner, "of", span_of(share_names.names[share->of]));
    write_some(&inner, "scripts", share->scripts);
    write_number(&inner, "percent", share->percent);
    if (share->least != 1)
        write_number(&inner, "least", (int64_t)share->least);
    close_map(&inner);
}

static void describe_json(struct writer *w, const struct condition *c)
{
    struct writer inner;

    write_key(w, "json");
    inner = open_map(w);
    write_member(&inner, "in", span_of(json_where_names.names[c->json.in]));
    write_member(&inner, "path", span_of(c->text));
    switch (c->json.test) {
    case JSON_EXISTS:
        write_true(&inner, "exists");
        break;
    case JSON_IS_ONE_OF:
        write_some(&inner, "one_of", c->json.values);
        break;
    case JSON_MATCHES_GLOB:
        write_some(&inner, "glob", c->json.values);
        break;
    case JSON_WITHIN:
        write_bounds(&inner, &c->json.within);
        break;
    }
    close_map(&inner);
}

/* In the largest unit that says it exactly. */
static void write_duration(struct writer *w, const char *key, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{60 * 60 * 1000, "h"}, {60 * 1000, "m"}, {1000, "s"}, {1, "ms"}};
    char text[32];
    size_t u = 0;

    while (ms % units[u].ms)
        u++;
    snprintf(text, sizeof(text), "%lld%s", (long long)(ms / units[u].ms), units[u].name);
    write_member(w, key, span_of(text));
}

static void describe_rate(struct writer *w, const char *key, const struct rate_condition *rate)
{
    struct writer inner;

    write_key(w, key);
    inner = open_map(w);
    write_number(&inner, "times", rate->times);
    write_duration(&inner, "within", rate->within_ms);
    write_member(&inner, "by", span_of(counted_names.names[rate->of]));
    if (rate->tighten)
        write_number(&inner, "tighten", rate->tighten);
    close_map(&inner);
}

static void describe_parts(struct writer *w, const char *key, const struct condition *c)
{
    write_key(w, key);
    open_list(w);
    for (size_t i = 0; i < c->part_count; i++) {
        struct writer item = open_item(w, i);

        describe_condition(&item, c->parts[i]);
        close_map(&item);
    }
    close_list(w);
}

static void describe_not(struct writer *w, const struct condition *c)
{
    struct writer inner;

    write_key(w, "not");
    inner = open_map(w);
    describe_condition(&inner, c->parts[0]);
    close_map(&inner);
}

void describe_condition(struct writer *w, const struct condition *c)
{
    switch (c->kind) {
    case CONDITION_TERMS:
        write_member(w, "terms", span_of(c->text));
        return;
    case CONDITION_REGEX:
        write_member(w, "regex", span_of(c->text));
        write_fold_spec(w, &c->folding, FOLD_NONE);
        return;
    case CONDITION_LINKS:
        describe_links(w, &c->links);
        return;
    case CONDITION_CONTACT:
        if (c->contacts == CONTACT_ANY)
            write_member(w, "contact", SPAN("any"));
        else
            write_bits(w, "contact", c->contacts, &contact_names);
        return;
    case CONDITION_LENGTH:
        describe_measure(w, "length", &c->bounds);
        return;
    case CONDITION_LINES:
        describe_measure(w, "lines", &c->bounds);
        return;
    case CONDITION_SHARE:
        describe_share(w, &c->share);
        return;
    case CONDITION_TYPES:
        write_bits(w, "types", c->types, &type_names);
        return;
    case CONDITION_JSON:
        describe_json(w, c);
        return;
    case CONDITION_REPEATED:
        describe_rate(w, "repeated", &c->rate);
        return;
    case CONDITION_RATE:
        describe_rate(w, "rate", &c->rate);
        return;
    case CONDITION_ANY:
        describe_parts(w, "any", c);
        return;
    case CONDITION_ALL:
        describe_parts(w, "all", c);
        return;
    case CONDITION_NOT:
        describe_not(w, c);
        return;
    }
}

void describe_scope(struct writer *w, const struct scope *scope)
{
    bool says_nothing = !scope->exempt_admins;
    struct writer inner;

    for (size_t k = 0; k < SCOPE_KINDS; k++)
        says_nothing = says_nothing && !scope->only[k].count && !scope->except[k].count;
    if (says_nothing)
        return;
    write_key(w, "scope");
    inner = open_map(w);
    for (size_t k = 0; k < SCOPE_KINDS; k++) {
        write_some(&inner, scope_names.names[k], scope->only[k]);
        write_some(&inner, except_names.names[k], scope->except[k]);
    }
    if (scope->exempt_admins)
        write_true(&inner, "exempt_admins");
    close_map(&inner);
}
