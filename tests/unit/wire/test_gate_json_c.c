/* The gate against json-c, as json_read.c sets it up, over many generated and mutated texts. What the gate accepts
 * json-c must accept, all of it, and read the same values from. What the gate alone refuses must be one of the
 * differences of the table below; each of them was seen, and each is why there is a gate. */
#include "json_alike.h"
#include "json_texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <json-c/json_tokener.h>

enum { TEXTS = 60000 };

/* What json-c takes and the gate does not. */
static struct difference {
    const char *reason; /* of the gate, or its beginning */
    const char *why;
    size_t seen;
} differences[] = {
    {"overlong, truncated or forbidden UTF-8", "json-c takes overlong forms, surrogates and bytes from F5", 0},
    {"control character in a string", "json-c takes them raw", 0},
    {"\\u0000 in a key", "json-c cuts the key there", 0},
    {"unpaired surrogate escape in a key", "json-c makes it U+FFFD: another key", 0},
    {"a number has no digit after its point", "json-c takes 1.", 0},
    {"a number begins with 0", "json-c takes -01", 0},
    {"no value begins like this", "json-c takes NaN and Infinity", 0},
    {"a key in double quotes must stand here", "json-c takes keys in single quotes", 0},
    {"a number's exponent is beyond 400", "PostgreSQL would store as many digits", 0},
    {"a number is longer than 64 characters", "a bound of ours", 0},
    {"nested deeper than 128", "a bound of ours; json-c's is set just above it", 0},
};

static struct difference *difference_of(const char *reason)
{
    for (size_t i = 0; i < COUNT(differences); i++)
        if (strcmp(differences[i].reason, reason) == 0)
            return &differences[i];
    return NULL;
}

struct rivals {
    struct json_tokener *tokener;
    struct json_reader *reader;
    size_t accepted, refused;
};

/* json-c's own verdict: a complete text, and nothing behind it but white space. */
static bool json_c_accepts(struct json_tokener *tokener, struct span text)
{
    enum json_tokener_error error;
    bool whole;

    json_tokener_reset(tokener);
    json_object_put(json_tokener_parse_ex(tokener, text.data, (int)text.len));
    error = json_tokener_get_error(tokener);
    whole = error == json_tokener_success && json_tokener_get_parse_end(tokener) == text.len;
    if (error == json_tokener_continue) { /* a bare number ends with what follows it */
        json_object_put(json_tokener_parse_ex(tokener, "\n", 1));
        whole = json_tokener_get_error(tokener) == json_tokener_success;
    }
    return whole;
}

static void print_bytes(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        fprintf(stderr, (unsigned char)text.data[i] < ' ' || (unsigned char)text.data[i] > '~' ? "\\x%02x" : "%c",
                (unsigned char)text.data[i]);
    fputc('\n', stderr);
}

static void compare(struct rivals *r, struct span text)
{
    struct gate_fault fault;
    struct json_value root;
    struct difference *known;
    struct err err;
    bool theirs = json_c_accepts(r->tokener, text);

    if (gate_check(text, GATE_WIRE, &fault)) {
        if (!theirs || json_read(r->reader, text, &root, &err) < 0 || !json_alike(json_trimmed(text), root)) {
            print_bytes(text);
            fail_msg("the gate accepts what json-c %s", theirs ? "reads as something else" : "refuses");
        }
        r->accepted++;
        return;
    }
    if (!theirs) {
        r->refused++;
        return;
    }
    known = difference_of(fault.what);
    if (!known) {
        print_bytes(text);
        fail_msg("byte %zu: %s: json-c accepts it", fault.offset, fault.what);
    }
    known->seen++;
}

static void test_generated_and_mutated_texts(void **state)
{
    static void (*const makers[])(struct buf * b) = {random_json, mutated_webhook};
    struct rivals r = {json_tokener_new_ex(GATE_MAX_DEPTH + 2), json_reader_new(), 0, 0};
    struct buf text = BUF_INIT;

    (void)state;
    assert_non_null(r.tokener);
    assert_non_null(r.reader);
    json_tokener_set_flags(r.tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    for (size_t i = 0; i < TEXTS; i++) {
        makers[i % COUNT(makers)](&text);
        compare(&r, (struct span){buf_text(&text), text.len});
    }
    print_message("%zu accepted by both, %zu refused by both\n", r.accepted, r.refused);
    for (size_t i = 0; i < COUNT(differences); i++)
        print_message("%6zu  %s: %s\n", differences[i].seen, differences[i].reason, differences[i].why);
    for (size_t i = 0; i < COUNT(differences); i++)
        if (differences[i].seen == 0)
            fail_msg("never seen: %s", differences[i].reason);
    assert_true(r.accepted > TEXTS / 10 && r.refused > TEXTS / 10);
    buf_release(&text);
    json_reader_free(r.reader);
    json_tokener_free(r.tokener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generated_and_mutated_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
