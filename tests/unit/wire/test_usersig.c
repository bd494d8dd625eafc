/* UserSig: the three vectors of protocol.md section 8 field by field, our own there and back, and what is refused. */
#include "wire/usersig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <zlib.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define SECRET       "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e"

static const struct vector {
    const char *identifier;
    int64_t expire_s, time_s;
    const char *sig, *text;
} vectors[] = {
    {"administrator", 86400, 1700000000, "HpmcAAyy2lBvHxsl+l0TmpRT7w0Io7gDBRdUMtNKoEo=",
     "eJw1yk0KwjAUBOC7vK1SklKMBFy0KFT8WdR4gGJieZg0IQm1Rby70NTZzTfzAXG*ZYPywCHPCKznjlL1EZ84cysN9hiib6P1yyHIV*scSuC0ICk0LRGNAk"
     "7ZoiSpGh16BXy7Kf4UsAMOtTOPspymXFdDPQa90kQY1wj2JkfLun3VyPslXk-2YHfw-QHDvzSJ"},
    {"mod-bot_01", 604800, 1700000000, "T2qRqBKgYFq0FRTImZmBYWi5Sv0b1gC9pJxo6fpkwEQ=",
     "eJw1yV0LgjAUxvHvcq5LzsSsBt0YCb3cpIOwm0g25SBrm4oJ0XcPnD13z*--AXHJg0G1wCEMEBbTJ6lePVU0sTZyWZr*gWyunWye1pIEziL0Y770pBVwtp"
     "4VvarRUquAxxht-tZRDRxE6DKXnOsidZhm4qjvOilutMoHLFm939rTaOLKNu-DdQffH6fVMlQ_"},
    {"administrator", 86400, 1795380834, "veV7yx7Qkf2HanVD9RbeJsVOE9PhSPrn15WAfujJgR4=",
     "eAEArwBQ-3siVExTLnZlciI6IjIuMCIsIlRMUy5pZGVudGlmaWVyIjoiYWRtaW5pc3RyYXRvciIsIlRMUy5zZGthcHBpZCI6MTQwMDAwMDAwMSwiVExTLm"
     "V4cGlyZSI6ODY0MDAsIlRMUy50aW1lIjoxNzk1MzgwODM0LCJUTFMuc2lnIjoidmVWN3l4N1FrZjJIYW5WRDlSYmVKc1ZPRTlQaFNQcm4xNVdBZnVqSmdS"
     "ND0ifQoBAAD--wo2NGY_"},
};
enum { APP = 1400000001 };

static void test_vectors_field_by_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct usersig sig;
        struct err err = {0};

        if (usersig_decode(span_of(v->text), &sig, &err) < 0)
            fail_msg("vector %zu: %s", i, err.text);
        assert_string_equal(sig.identifier, v->identifier);
        assert_int_equal(sig.sdkappid, APP);
        assert_int_equal(sig.time_s, v->time_s);
        assert_int_equal(sig.expire_s, v->expire_s);
        assert_string_equal(sig.sig, v->sig);
        assert_false(sig.has_userbuf);
        assert_int_equal(usersig_check(span_of(v->text), SECRET, v->identifier, APP, v->time_s), USERSIG_OK);
    }
}

/* What we make holds the vendor's digests. */
static void test_makes_the_same_digests(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct buf made = BUF_INIT;
        struct usersig sig;

        buf_add_text(&made, "kept:");
        assert_int_equal(usersig_make(&made, SECRET, v->identifier, APP, v->time_s, v->expire_s, NULL), 0);
        assert_memory_equal(made.data, "kept:", 5);
        assert_int_equal(strlen(made.data), made.len);
        assert_int_equal(usersig_decode((struct span){made.data + 5, made.len - 5}, &sig, NULL), 0);
        assert_string_equal(sig.sig, v->sig);
        assert_string_equal(sig.identifier, v->identifier);
        assert_int_equal(sig.time_s, v->time_s);
        assert_int_equal(strspn(made.data + 5, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789*-_"),
                         made.len - 5);
        buf_release(&made);
    }
}

static void test_check(void **state)
{
    const struct vector *v = &vectors[0];
    struct span text = span_of(v->text);
    int64_t last_s = v->time_s + v->expire_s;

    (void)state;
    assert_int_equal(usersig_check(text, SECRET, v->identifier, APP, last_s), USERSIG_OK);
    assert_int_equal(usersig_check(text, SECRET, v->identifier, APP, last_s + 1), USERSIG_EXPIRED);
    assert_int_equal(usersig_check(text, SECRET, "someone", APP, v->time_s), USERSIG_WRONG_USER);
    assert_int_equal(usersig_check(text, SECRET, v->identifier, APP + 1, v->time_s), USERSIG_WRONG_APP);
    assert_int_equal(usersig_check(text, "another secret", v->identifier, APP, v->time_s), USERSIG_WRONG_KEY);
    assert_int_equal(usersig_check(SPAN("eJw1yk0K"), SECRET, v->identifier, APP, v->time_s), USERSIG_MALFORMED);
    assert_int_equal(usersig_check(SPAN(""), SECRET, v->identifier, APP, v->time_s), USERSIG_MALFORMED);
}

/* Every single changed character is noticed: by Base64, zlib's checksum, the grammar or the digest. */
static void test_no_change_goes_unnoticed(void **state)
{
    char text[512];
    size_t len = strlen(vectors[0].text);

    (void)state;
    assert_true(len < sizeof(text));
    for (size_t i = 0; i < len; i++) {
        memcpy(text, vectors[0].text, len);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        assert_int_not_equal(usersig_check((struct span){text, len}, SECRET, "administrator", APP, 1700000000),
                             USERSIG_OK);
        assert_int_not_equal(usersig_check((struct span){vectors[0].text, i}, SECRET, "administrator", APP, 1700000000),
                             USERSIG_OK);
    }
}

/* json -> zlib -> Base64 for URLs, then `after` put behind the stream. */
static struct span pack(struct buf *out, struct span json, const char *after)
{
    unsigned char packed[8192];
    uLongf len = sizeof(packed) - 16;
    char *to;

    assert_int_equal(compress(packed, &len, (const Bytef *)json.data, json.len), Z_OK);
    memcpy(packed + len, after, strlen(after));
    len += strlen(after);
    buf_reset(out);
    to = buf_reserve(out, len * 2 + 8);
    buf_commit(out, (size_t)EVP_EncodeBlock((unsigned char *)to, packed, (int)len));
    for (size_t i = 0; i < out->len; i++)
        to[i] = to[i] == '+' ? '*' : to[i] == '/' ? '-' : to[i] == '=' ? '_' : to[i];
    return buf_span(out);
}

#define SIG   "\"TLS.sig\":\"HpmcAAyy2lBvHxsl+l0TmpRT7w0Io7gDBRdUMtNKoEo=\""
#define VER   "\"TLS.ver\":\"2.0\""
#define WHO   "\"TLS.identifier\":\"administrator\""
#define TIMES "\"TLS.time\":1700000000,\"TLS.expire\":86400"
#define ID    "\"TLS.sdkappid\":1400000001"

static void test_decodes_what_is_inside(void **state)
{
    static const struct {
        const char *json, *what; /* NULL: good */
    } cases[] = {
        {"{" SIG "," TIMES "," ID "," WHO "," VER "}\n", NULL},
        {" { " VER " , " WHO "," ID "," TIMES ",\"more\":[1]," SIG " }", NULL},
        {"{" VER "," WHO ",\"TLS.sdkappid\":\"1400000001\"," TIMES "," SIG "}", NULL},
        {"{" VER "," WHO "," ID "," TIMES "}", "TLS.sig"},
        {"{" VER "," WHO "," ID "," TIMES ",\"TLS.sig\":\"short\"}", "TLS.sig"},
        {"{" WHO "," ID "," TIMES "," SIG "}", "TLS.ver"},
        {"{\"TLS.ver\":\"1.0\"," WHO "," ID "," TIMES "," SIG "}", "TLS.ver"},
        {"{" VER ",\"TLS.identifier\":\"\"," ID "," TIMES "," SIG "}", "TLS.identifier"},
        {"{" VER ",\"TLS.identifier\":\"a\\u0000b\"," ID "," TIMES "," SIG "}", "TLS.identifier"},
        {"{" VER ",\"TLS.identifier\":\"a\\nTLS.x:1\"," ID "," TIMES "," SIG "}", "TLS.identifier"},
        {"{" VER ",\"TLS.identifier\":\"123456789012345678901234567890123\"," ID "," TIMES "," SIG "}",
         "TLS.identifier"},
        {"{" VER "," WHO ",\"TLS.sdkappid\":-1," TIMES "," SIG "}", "TLS.sdkappid"},
        {"{" VER "," WHO "," ID ",\"TLS.time\":1.5,\"TLS.expire\":1," SIG "}", "TLS.time"},
        {"{" VER "," WHO "," ID ",\"TLS.time\":1,\"TLS.expire\":-1," SIG "}", "TLS.expire"},
        {"[]", "TLS.ver"},
        {"{" VER, "byte 16"},
        {"", "byte 0"},
    };
    struct buf text = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct usersig sig;
        struct err err = {0};
        int r = usersig_decode(pack(&text, span_of(cases[i].json), ""), &sig, &err);

        if (r != (cases[i].what ? ERR_INVALID : 0) || (cases[i].what && !strstr(err.text, cases[i].what)))
            fail_msg("%s: %d %s", cases[i].json, r, err.text);
        if (r == 0)
            assert_int_equal(usersig_check(buf_span(&text), SECRET, "administrator", APP, 1700000000), USERSIG_OK);
    }
    buf_release(&text);
}

static void test_stray_userbuf(void **state)
{
    struct buf text = BUF_INIT;
    struct usersig sig;

    (void)state;
    pack(&text, SPAN("{" VER "," WHO "," ID "," TIMES "," SIG ",\"TLS.userbuf\":\"YQ==\"}"), "");
    assert_int_equal(usersig_decode(buf_span(&text), &sig, NULL), 0);
    assert_true(sig.has_userbuf);
    assert_int_equal(usersig_check(buf_span(&text), SECRET, "administrator", APP, 1700000000), USERSIG_MALFORMED);
    buf_release(&text);
}

/* A stream that would inflate to more than 4 KiB, bytes behind the stream, and Base64 as it must not be. */
static void test_bounds(void **state)
{
    static const char *const not_base64[] = {"",     "e",    "eJw",  "eJw1=", "eJw=",  "eJw+",
                                             "eJw/", "e_w1", "____", "eJw1 ", "e\nJw", "eJ__x___"};
    struct buf json = BUF_INIT, text = BUF_INIT;
    struct usersig sig;
    struct err err = {0};

    (void)state;
    buf_add_text(&json, "{" VER "," WHO "," ID "," TIMES "," SIG "}");
    memset(buf_reserve(&json, 1 << 20), ' ', 1 << 20);
    buf_commit(&json, 4096 - json.len);
    assert_int_equal(usersig_decode(pack(&text, buf_span(&json), ""), &sig, &err), 0);
    assert_int_equal(usersig_decode(pack(&text, buf_span(&json), "x"), &sig, &err), ERR_INVALID);
    json.len++;
    assert_int_equal(usersig_decode(pack(&text, buf_span(&json), ""), &sig, &err), ERR_INVALID);
    memset(json.data + 4096, ' ', (1 << 20) - 4096);
    assert_int_equal(usersig_decode(pack(&text, (struct span){json.data, 1 << 20}, ""), &sig, &err), ERR_INVALID);
    memset(buf_reserve(&text, 1 << 20), 'A', 1 << 20);
    assert_int_equal(usersig_decode((struct span){text.data, 1 << 20}, &sig, &err), ERR_INVALID);
    for (size_t i = 0; i < COUNT(not_base64); i++) {
        assert_int_equal(usersig_decode(span_of(not_base64[i]), &sig, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "UserSig"));
    }
    buf_release(&json);
    buf_release(&text);
}

static void test_refuses_to_make(void **state)
{
    static const char *const identifiers[] = {"",     "a b",          "a:b",
                                              "a\nb", "\xE4\xBD\xA0", "123456789012345678901234567890123"};
    struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(identifiers); i++)
        assert_int_equal(usersig_make(&out, SECRET, identifiers[i], APP, 1, 1, NULL), ERR_USAGE);
    assert_int_equal(usersig_make(&out, SECRET, "a", APP, -1, 1, NULL), ERR_USAGE);
    assert_int_equal(usersig_make(&out, SECRET, "a", APP, 1, 0, NULL), ERR_USAGE);
    assert_int_equal(out.len, 0);
    assert_int_equal(
        usersig_make(&out, SECRET, "12345678901234567890123456789012", INT64_MAX, INT64_MAX, INT64_MAX, NULL), 0);
    assert_int_equal(usersig_check(buf_span(&out), SECRET, "12345678901234567890123456789012", INT64_MAX, INT64_MAX),
                     USERSIG_OK);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_field_by_field),
        cmocka_unit_test(test_makes_the_same_digests),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_no_change_goes_unnoticed),
        cmocka_unit_test(test_decodes_what_is_inside),
        cmocka_unit_test(test_stray_userbuf),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_refuses_to_make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
