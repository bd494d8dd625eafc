/* What a report looks like, without a database: words for everything in each language, figures, hostile texts. */
#include "report/csv.h"
#include "report/figures.h"
#include "report/html.h"
#include "report/html_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const chinese_as_english[] = {"figure.p90_us", "figure.p95_us", "figure.p99_us", "figure.p999_us",
                                                 "page.no_value"};

static bool may_be_alike(const char *key)
{
    for (size_t i = 0; i < sizeof(chinese_as_english) / sizeof(*chinese_as_english); i++)
        if (strcmp(key, chinese_as_english[i]) == 0)
            return true;
    return false;
}

static void every_text_is_translated(void **state)
{
    (void)state;
    for (size_t i = 0; text_key(i); i++) {
        const char *key = text_key(i), *dot = strchr(key, '.');
        char group[32];

        print_message("%s\n", key);
        assert_non_null(dot);
        snprintf(group, sizeof(group), "%.*s", (int)(dot - key), key);
        const char *english = text_find(LANGUAGE_ENGLISH, group, span_of(dot + 1));
        const char *chinese = text_find(LANGUAGE_CHINESE, group, span_of(dot + 1));
        assert_non_null(english);
        assert_non_null(chinese);
        assert_true(english[0] != '\0' && chinese[0] != '\0');
        assert_int_equal(strcmp(english, chinese) == 0, may_be_alike(key));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(text_key(j), key);
    }
}

static void assert_text(const char *group, const char *name)
{
    print_message("%s.%s\n", group, name);
    assert_non_null(text_find(LANGUAGE_ENGLISH, group, span_of(name)));
}

/* The words of the database's own that a report shows: of migrations/0005, 0003 and 0012. */
static const char *const known_words[][2] = {{"verdict", "discard"},    {"decided_by", "not asked"},
                                             {"decided_by", "nobody"},  {"action", "send_text"},
                                             {"action", "unban"},       {"cause", "command"},
                                             {"status", "rolled back"}, {"kind", "automatic rollback"},
                                             {"kind", "spool filling"}, {"kind", "spool full"},
                                             {"kind", "spool stalled"}, {"kind", "database away"},
                                             {"kind", "breaker open"},  {"outcome", "delivered rewritten"}};

static void every_section_and_column_has_words(void **state)
{
    (void)state;
    assert_non_null(report_sections[0].chapter);
    for (size_t i = 0; i < report_section_count; i++) {
        const struct report_section *s = &report_sections[i];

        assert_text("section", s->key);
        if (s->chapter)
            assert_text("chapter", s->chapter);
        assert_true(section_columns(s) > 0 && section_columns(s) < SECTION_COLUMNS);
        assert_true(s->label < section_columns(s) && s->value < section_columns(s));
        for (size_t c = 0; c < section_columns(s); c++)
            assert_text("column", s->columns[c].key);
    }
    for (size_t i = 0; i < sizeof(known_words) / sizeof(*known_words); i++)
        assert_text(known_words[i][0], known_words[i][1]);
}

static const char *shown(void (*add)(struct buf *, int64_t), int64_t n)
{
    static char text[64];
    struct buf out = BUF_INIT;

    add(&out, n);
    snprintf(text, sizeof(text), "%s", buf_text(&out));
    buf_release(&out);
    return text;
}

static void add_us(struct buf *out, int64_t us)
{
    figure_add_us(out, LANGUAGE_ENGLISH, us);
}

static void figures_read_well(void **state)
{
    static const struct {
        void (*add)(struct buf *, int64_t);
        int64_t n;
        const char *text;
    } cases[] = {
        {figure_add_count, 0, "0"},
        {figure_add_count, 999, "999"},
        {figure_add_count, 1000, "1,000"},
        {figure_add_count, 12345678, "12,345,678"},
        {figure_add_count, -1234, "-1,234"},
        {figure_add_count, INT64_MIN, "-9,223,372,036,854,775,808"},
        {figure_add_ppm, 0, "0.00 %"},
        {figure_add_ppm, 104, "0.0104 %"},
        {figure_add_ppm, 9999, "0.9999 %"},
        {figure_add_ppm, 10000, "1.00 %"},
        {figure_add_ppm, 333333, "33.33 %"},
        {figure_add_ppm, 999950, "100.00 %"},
        {figure_add_ppm, 1000000, "100.00 %"},
        {figure_add_ppm, -1, "-1 ppm"},
        {add_us, 0, "0 µs"},
        {add_us, 999, "999 µs"},
        {add_us, 4210, "4.21 ms"},
        {add_us, 42100, "42.1 ms"},
        {add_us, 421000, "421 ms"},
        {add_us, 2500000, "2.50 s"},
        {add_us, 119999999, "119 s"},
        {add_us, 120000000, "2 min 0 s"},
        {add_us, 7200000000, "2 h 0 min"},
        {add_us, 172800000000, "2 d 0 h"},
        {add_us, INT64_MAX, "106751991 d 4 h"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_string_equal(shown(cases[i].add, cases[i].n), cases[i].text);
}

static void texts_stay_texts(void **state)
{
    static const struct {
        const char *text, *html;
    } cases[] = {
        {"plain 文字", "plain 文字"},
        {"<b>&'\"", "&lt;b&gt;&amp;&#39;&quot;"},
        {"a\nb\tc\rd", "a b c d"},
        {"\x01\x1b[31m\x7f", "\xEF\xBF\xBD\xEF\xBF\xBD[31m\xEF\xBF\xBD"},
        {"\xC2\x85", "\xEF\xBF\xBD"},
        {"a\xE2\x80\xAEgpj", "a\xEF\xBF\xBDgpj"},                     /* right-to-left override */
        {"\xE2\x81\xA6x\xE2\x81\xA9", "\xEF\xBF\xBDx\xEF\xBF\xBD"},   /* isolates */
        {"\xEF\xBF\xBE\xF0\x9F\xBF\xBF", "\xEF\xBF\xBD\xEF\xBF\xBD"}, /* no characters */
        {"\xFFz", "\xEF\xBF\xBDz"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf out = BUF_INIT;

        html_add_text(&out, span_of(cases[i].text));
        assert_string_equal(buf_text(&out), cases[i].html);
        buf_release(&out);
    }
}

static void labels_are_cut_between_characters(void **state)
{
    static const struct {
        const char *text;
        size_t columns;
        const char *cut;
    } cases[] = {{"abcdef", 6, "abcdef"},  {"abcdefg", 6, "abcde…"}, {"中文字", 6, "中文字"},
                 {"中文字符", 6, "中文…"}, {"<<<<", 3, "&lt;&lt;…"}, {"", 3, ""}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf out = BUF_INIT;

        html_add_cut(&out, span_of(cases[i].text), cases[i].columns);
        assert_string_equal(buf_text(&out), cases[i].cut);
        buf_release(&out);
    }
}

/* A table of one row with the text in it. */
static void assert_cell(const char *json_text, const char *cell)
{
    char document[512], want[512];
    struct report report;
    struct buf out = BUF_INIT;
    struct err err;
    size_t table = 0;

    snprintf(document, sizeof(document),
             "{\"version\":1,\"terms\":{\"rows\":[{\"list\":\"l\",\"term\":\"%s\",\"messages\":2}]}}", json_text);
    assert_int_equal(report_of_document(&report, span_of(document), &err), 0);
    while (strcmp(report_csv_name(table), "terms") != 0)
        table++;
    report_csv_table(&out, &report, table);
    snprintf(want, sizeof(want), "list,term,messages,shadow\r\nl,%s,2,\r\n", cell);
    assert_string_equal(buf_text(&out), want);
    buf_release(&out);
    report_release(&report);
}

static void cells_are_neither_formulas_nor_broken(void **state)
{
    (void)state;
    assert_cell("plain", "plain");
    assert_cell("a,b", "\"a,b\"");
    assert_cell("say \\\"no\\\"", "\"say \"\"no\"\"\"");
    assert_cell("two\\r\\nlines", "\"two\r\nlines\"");
    assert_cell(" blank", "\" blank\"");
    assert_cell("=1+1", "\"'=1+1\"");
    assert_cell("+1", "\"'+1\"");
    assert_cell("-1", "\"'-1\"");
    assert_cell("@SUM(A1)", "\"'@SUM(A1)\"");
    assert_cell("\\t=1", "\"'\t=1\"");
    assert_cell("＝1", "\"'＝1\"");
    assert_cell("1=1", "1=1");
    assert_cell("", "");
}

static void what_is_no_report_is_refused(void **state)
{
    static const char *const documents[] = {"", "{", "[]", "{}", "{\"version\":2}", "{\"version\":\"x\"}"};
    struct report report = REPORT_INIT;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++)
        assert_true(report_of_document(&report, span_of(documents[i]), &err) < 0);
}

/* A document of a later program, or one that was tampered with: sections missing, cells of other kinds. */
static void what_is_odd_is_shown_without_harm(void **state)
{
    static const char document[] =
        "{\"version\":1,\"step\":7,\"totals\":{\"rows\":{}},\"trend\":{\"rows\":[{\"at\":\"2\","
        "\"messages\":-5},7,null]},\"verdicts\":{\"rows\":[[],{\"verdict\":\"<new>\",\"messages\":"
        "9223372036854775807}],\"left_out\":3},\"room\":{},\"offenders\":{\"rows\":[{\"place\":0}]}}";
    struct report report;
    struct buf html = BUF_INIT, csv = BUF_INIT, json = BUF_INIT;
    struct err err;

    (void)state;
    assert_int_equal(report_of_document(&report, span_of(document), &err), 0);
    for (int l = 0; l < LANGUAGES; l++)
        report_html(&html, &report, (enum language)l);
    report_csv(&csv, &report);
    report_json(&json, &report);
    assert_false(buf_failed(&html) || buf_failed(&csv) || buf_failed(&json));
    assert_non_null(strstr(buf_text(&html), "&lt;new&gt;"));
    assert_null(strstr(buf_text(&html), "<new>"));
    assert_non_null(strstr(buf_text(&csv), "verdicts,2,messages,9223372036854775807\r\n"));
    assert_non_null(strstr(buf_text(&json), "\"people\":null"));
    buf_release(&html);
    buf_release(&csv);
    buf_release(&json);
    report_release(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_is_translated),
        cmocka_unit_test(every_section_and_column_has_words),
        cmocka_unit_test(figures_read_well),
        cmocka_unit_test(texts_stay_texts),
        cmocka_unit_test(labels_are_cut_between_characters),
        cmocka_unit_test(cells_are_neither_formulas_nor_broken),
        cmocka_unit_test(what_is_no_report_is_refused),
        cmocka_unit_test(what_is_odd_is_shown_without_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
