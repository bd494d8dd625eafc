#include "wire/json_read.h"

#include "wire/gate.h"

#include <json-c/json_object.h>
#include <json-c/json_tokener.h>
#include <json-c/linkhash.h>

#include <locale.h>
#include <stdlib.h>

enum { UNESCAPED_KEEPS = 64 * 1024 };

struct json_reader {
    struct json_tokener *tokener;
    struct json_object *root;
    struct gate_counts counts; /* of the text, by the gate */
    struct buf unescaped;
};

static struct json_value value_of(struct json_object *node)
{
    static const enum json_kind kinds[] = {
        [json_type_null] = JSON_NULL,     [json_type_boolean] = JSON_BOOLEAN, [json_type_double] = JSON_REAL,
        [json_type_int] = JSON_INTEGER,   [json_type_object] = JSON_OBJECT,   [json_type_array] = JSON_ARRAY,
        [json_type_string] = JSON_STRING,
    };

    return (struct json_value){kinds[json_object_get_type(node)], node};
}

struct json_reader *json_reader_new(void)
{
    struct json_reader *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    /* json-c counts a level for the values inside of the deepest bracket, too */
    r->tokener = json_tokener_new_ex(GATE_MAX_DEPTH + 2);
    if (!r->tokener) {
        free(r);
        return NULL;
    }
    json_tokener_set_flags(r->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    return r;
}

void json_reader_free(struct json_reader *r)
{
    if (!r)
        return;
    json_object_put(r->root);
    json_tokener_free(r->tokener);
    buf_release(&r->unescaped);
    free(r);
}

/* json-c puts itself into a copy of the thread's locale with the numbers of "C" for each parse. The copy costs locks
 * that all threads share, a twentieth of a whole request; of "C" itself the C library makes none. */
static enum json_tokener_error parse(struct json_reader *r, struct span text)
{
    locale_t before = uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0)); /* a constant, never freed */
    enum json_tokener_error error;

    json_tokener_reset(r->tokener);
    r->root = json_tokener_parse_ex(r->tokener, text.data, (int)text.len);
    error = json_tokener_get_error(r->tokener);
    if (error == json_tokener_continue) {
        /* a bare number or literal: more digits might follow until something else does */
        r->root = json_tokener_parse_ex(r->tokener, "\n", 1);
        error = json_tokener_get_error(r->tokener);
    } else if (error == json_tokener_success && json_tokener_get_parse_end(r->tokener) != text.len) {
        error = json_tokener_error_parse_unexpected;
    }
    uselocale(before);
    return error;
}

/* json-c 0.16 reads an escaped pair of surrogates as U+FFFD when the lower sixteen bits of its character look like a
 * surrogate once more: U+1D800 to U+1DFFF, and the same in each higher plane, Chinese characters among them. A term
 * written that way would not be found, and a rewritten message would lose it. So it gets pairs as UTF-8. */
static int without_pairs(struct json_reader *r, struct span *text, struct err *err)
{
    if (r->unescaped.cap > UNESCAPED_KEEPS)
        buf_release(&r->unescaped);
    buf_reset(&r->unescaped);
    if (r->counts.pairs == 0)
        return 0;
    gate_unescape_pairs(*text, &r->unescaped);
    if (buf_failed(&r->unescaped))
        return err_set(err, ERR_INVALID, "no memory");
    *text = buf_span(&r->unescaped);
    return 0;
}

int json_read(struct json_reader *r, struct span text, struct json_value *root, struct err *err)
{
    struct gate_fault fault;
    enum json_tokener_error error;

    json_object_put(r->root);
    r->root = NULL;
    if (!gate_count(text, GATE_WIRE, &r->counts, &fault))
        return err_set(err, ERR_INVALID, "byte %zu: %s", fault.offset, fault.what);
    if (without_pairs(r, &text, err) < 0)
        return ERR_INVALID;
    error = parse(r, text);
    if (error != json_tokener_success) {
        json_object_put(r->root);
        r->root = NULL;
        return err_set(err, ERR_INVALID, "byte %zu: %s", json_tokener_get_parse_end(r->tokener),
                       json_tokener_error_desc(error));
    }
    *root = value_of(r->root);
    return 0;
}

/* Members below node as json-c keeps them, each key once. Recursion ends at GATE_MAX_DEPTH. */
static size_t count_members(struct json_object *node)
{
    size_t count = 0;

    if (json_object_is_type(node, json_type_object)) {
        json_object_object_foreach(node, key, member)
        {
            (void)key;
            count += 1 + count_members(member);
        }
    } else if (json_object_is_type(node, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(node); i++)
            count += count_members(json_object_array_get_idx(node, i));
    }
    return count;
}

bool json_read_repeated_keys(const struct json_reader *r)
{
    return count_members(r->root) != r->counts.members;
}

struct json_value json_member(struct json_value object, const char *key)
{
    struct json_object *member;

    if (object.kind != JSON_OBJECT || !json_object_object_get_ex(object.node, key, &member))
        return (struct json_value){JSON_ABSENT, NULL};
    return value_of(member);
}

size_t json_count(struct json_value array)
{
    return array.kind == JSON_ARRAY ? json_object_array_length(array.node) : 0;
}

struct json_value json_item(struct json_value array, size_t index)
{
    if (index >= json_count(array))
        return (struct json_value){JSON_ABSENT, NULL};
    return value_of(json_object_array_get_idx(array.node, index));
}

struct span json_string(struct json_value v)
{
    if (v.kind != JSON_STRING)
        return (struct span){"", 0};
    return (struct span){json_object_get_string(v.node), (size_t)json_object_get_string_len(v.node)};
}

void json_string_without_nul(struct buf *out, struct json_value v)
{
    struct span rest = json_string(v);
    const char *nul;

    while (rest.len > 0 && (nul = memchr(rest.data, '\0', rest.len))) {
        size_t before = (size_t)(nul - rest.data);

        buf_add(out, rest.data, before);
        buf_add_text(out, "\xEF\xBF\xBD");
        rest = (struct span){nul + 1, rest.len - before - 1};
    }
    buf_add_span(out, rest);
}

/* json-c does not say that a number is beyond its range: it gives the end of the range instead. */
static bool integer_of_number(struct json_object *node, int64_t *out)
{
    int64_t n = json_object_get_int64(node);

    if (n == INT64_MIN || (n == INT64_MAX && json_object_get_uint64(node) != INT64_MAX))
        return false;
    *out = n;
    return true;
}

static bool integer_of_text(struct span text, int64_t *out)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    struct span digits = negative ? (struct span){text.data + 1, text.len - 1} : text;
    unsigned long long n;

    if (!span_to_u64(digits, &n) || n > INT64_MAX)
        return false;
    *out = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

bool json_integer(struct json_value v, int64_t *out)
{
    if (v.kind == JSON_INTEGER)
        return integer_of_number(v.node, out);
    return v.kind == JSON_STRING && integer_of_text(json_string(v), out);
}

bool json_boolean(struct json_value v, bool *out)
{
    if (v.kind != JSON_BOOLEAN)
        return false;
    *out = json_object_get_boolean(v.node);
    return true;
}
