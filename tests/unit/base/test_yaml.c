/* The YAML tree and the list of faults: places, refusals, suggestions. */
#include "base/buf.h"
#include "base/faults.h"
#include "base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_tree_knows_its_places(void **state)
{
    struct yaml_tree *doc;
    struct err err;
    const struct yaml_node *rules, *second;

    (void)state;
    assert_int_equal(
        yaml_tree_parse(&doc, "a.yaml", SPAN("name: x\nrules:\n  - one\n  - { two: \"2\", three: [] }\n"), &err), 0);
    rules = yaml_get(yaml_tree_root(doc), "rules");
    assert_int_equal(rules->kind, YAML_LIST);
    assert_int_equal(rules->count, 2);
    second = rules->items[1];
    assert_int_equal(second->kind, YAML_MAP);
    assert_int_equal(second->line, 4);
    assert_int_equal(second->column, 5);
    assert_string_equal(yaml_get(second, "two")->text.data, "2");
    assert_true(yaml_get(second, "two")->quoted);
    assert_false(rules->items[0]->quoted);
    assert_int_equal(yaml_get(second, "three")->count, 0);
    assert_null(yaml_get(second, "four"));
    assert_null(yaml_get(rules, "two"));
    yaml_tree_free(doc);
}

static void test_empty_and_json(void **state)
{
    struct yaml_tree *doc;
    struct err err;

    (void)state;
    assert_int_equal(yaml_tree_parse(&doc, "a", SPAN("# nothing\n"), &err), 0);
    assert_null(yaml_tree_root(doc));
    yaml_tree_free(doc);
    assert_int_equal(yaml_tree_parse(&doc, "a", SPAN("{\"a\":\"x\\\"\\\\\\n\\u0041\\/\",\"b\":[1,2]}"), &err), 0);
    assert_string_equal(yaml_get(yaml_tree_root(doc), "a")->text.data, "x\"\\\nA/");
    yaml_tree_free(doc);
}

/* One node of two trees; the second document begins with an empty line. */
static void check_same(const struct yaml_node *a, const struct yaml_node *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->line + 1, b->line);
    assert_int_equal(a->column, b->column);
    assert_int_equal(a->count, b->count);
    if (a->kind == YAML_SCALAR) {
        assert_int_equal(a->quoted, b->quoted);
        assert_true(span_equal(a->text, b->text));
        assert_int_equal(a->text.data[a->text.len], 0);
    }
    for (size_t i = 0; i < a->count; i++) {
        check_same(a->items[i], b->items[i]);
        if (a->kind == YAML_MAP)
            check_same(a->keys[i], b->keys[i]);
    }
}

static uint64_t seed = 20251124;

static unsigned next_random(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % below);
}

static void add_json(struct buf *out, unsigned depth)
{
    static const char *const scalars[] = {"\"\"",      "\"a b\"",   "\"日本 😀\"",     "\"\\\"\\\\ {[:,\"",
                                          "12",        "-3",        "1.5e2",          "true",
                                          "null",      "\"# no\"",  "\"\\n\\u0041\"", "\"'\"",
                                          "\"\\\\u\"", "\"a\\/b\"", "\"\u2028 x\"",   "\"\ufeffx\""};
    static const char *const blanks[] = {"", "", "", " ", "\n", " \n  "};
    unsigned count = next_random(4), kind = next_random(depth ? 3 : 1);

    buf_add_text(out, blanks[next_random(6)]);
    if (kind == 0) {
        buf_add_text(out, scalars[next_random(sizeof(scalars) / sizeof(*scalars))]);
    } else {
        buf_add_char(out, kind == 1 ? '[' : '{');
        for (unsigned i = 0; i < count; i++) {
            buf_add_text(out, i ? "," : "");
            if (kind == 2)
                buf_addf(out, "%s\"k%u é\":%s", blanks[next_random(6)], next_random(9), " ");
            add_json(out, depth - 1);
        }
        buf_add_char(out, kind == 1 ? ']' : '}');
    }
    buf_add_text(out, blanks[next_random(6)]);
}

/* JSON goes another way than YAML, and arrives at the same tree, or at the same refusal. */
static void test_json_reads_as_yaml_does(void **state)
{
    size_t trees = 0;

    (void)state;
    for (int round = 0; round < 5000; round++) {
        struct buf json = BUF_INIT, yaml = BUF_INIT;
        struct yaml_tree *a = NULL, *b = NULL;
        struct err err;
        int r;

        buf_add_text(&json, "{\"x\":");
        add_json(&json, 4);
        buf_add_char(&json, '}');
        buf_add_char(&yaml, '\n');
        buf_add_span(&yaml, buf_span(&json));
        r = yaml_tree_parse(&a, "f", buf_span(&json), &err);
        assert_int_equal(r, yaml_tree_parse(&b, "f", buf_span(&yaml), &err));
        if (r == 0) {
            check_same(yaml_tree_root(a), yaml_tree_root(b));
            trees++;
        }
        yaml_tree_free(a);
        yaml_tree_free(b);
        buf_release(&json);
        buf_release(&yaml);
    }
    assert_true(trees > 1000);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "f:3:1: key \"a\" stands here a second time; keep one of them"},
        {"a: &x 1\nb: *x\n", "f:1:4: anchors (&name) are not accepted"},
        {"a: *x\n", "f:1:4: aliases (*name) are not accepted; write the value out"},
        {"a: 1\n---\nb: 2\n", "f:2:1: a second document starts here; use one file for each"},
        {"? [a]\n: 1\n", "f:1:3: a key must be a plain text"},
        {"a: \"\\0\"\n", "f:1:4: a text must be UTF-8 without U+0000"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "f:1:33: nested too deeply"},
        {"a: [1\n", "f:2:1: did not find expected ',' or ']'"},
        {"a: \xFF\n", "f:1:4: invalid leading UTF-8 octet; save the file as UTF-8, without it"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct yaml_tree *doc;
        struct err err = {0};

        assert_int_equal(yaml_tree_parse(&doc, "f", span_of(cases[i].text), &err), ERR_USAGE);
        assert_string_equal(err.text, cases[i].says);
    }
}

static void test_missing_and_long_files(void **state)
{
    struct yaml_tree *doc;
    struct err err;

    (void)state;
    assert_int_equal(yaml_tree_read(&doc, "/nonexistent/x.yaml", 100, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "could not open \"/nonexistent/x.yaml\": No such file or directory");
    assert_int_equal(yaml_tree_read(&doc, SOURCE_DIR "/CMakeLists.txt", 100, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "longer than 100 bytes"));
}

static void test_faults(void **state)
{
    static const char *const keys[] = {"listen", "path", "threads"};
    char endless[300] = "";
    struct faults faults = FAULTS_INIT;

    (void)state;
    faults_add(&faults, "c.yaml", 3, 5, "unknown key \"%s\"", "lisen");
    faults_warn(&faults, "environment", 0, 0, "odd");
    assert_int_equal(faults.count, 1);
    assert_int_equal(faults.warnings, 1);
    assert_string_equal(buf_text(&faults.text), "c.yaml:3:5: unknown key \"lisen\"\nenvironment: warning: odd\n");
    faults_release(&faults);

    assert_string_equal(faults_suggest("lisen", keys, 3), "listen");
    assert_string_equal(faults_suggest("treads", keys, 3), "threads");
    assert_null(faults_suggest("certificate", keys, 3));
    memset(endless, 'k', sizeof(endless) - 1);
    assert_null(faults_suggest(endless, keys, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_knows_its_places),   cmocka_unit_test(test_empty_and_json),
        cmocka_unit_test(test_json_reads_as_yaml_does), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_missing_and_long_files),  cmocka_unit_test(test_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
