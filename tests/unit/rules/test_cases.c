/* Judges the text files of tests/data/rules. A case is one line, anyone can add some:
 *
 *     # a comment
 *     @rules config/rules/starter.yaml        the rules for the lines below, a path from the top of the tree
 *     verdict  rule  text                     rule: the deciding one, - for none
 *     becomes  text                           optional: what the text of the line above becomes
 *
 * In texts \n is a line feed, \\ a backslash and \u{200B} the character U+200B. */
#include "base/utf8.h"
#include "rules/judge.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct runner {
    const char *file;
    unsigned line, cases, failures;
    struct ruleset *set;
    struct judge *judge;
    struct buf text;
    struct verdict verdict; /* of the case above */
    bool has_verdict;
};

static void fail_line(struct runner *r, const char *what, const char *expected, struct span got)
{
    r->failures++;
    print_error("%s:%u: %s: expected %s, got %.*s\n", r->file, r->line, what, expected, (int)got.len,
                got.data ? got.data : "");
}

static void unescape(struct buf *out, const char *text)
{
    buf_reset(out);
    for (const char *p = text; *p; p++) {
        unsigned code;
        char utf8[4];

        if (*p != '\\') {
            buf_add_char(out, *p);
        } else if (p[1] == 'u' && p[2] == '{' && sscanf(p + 3, "%x", &code) == 1 && strchr(p, '}')) {
            buf_add(out, utf8, utf8_encode(code, utf8));
            p = strchr(p, '}');
        } else {
            p++;
            buf_add_char(out, *p == 'n' ? '\n' : *p);
        }
    }
}

static void use_rules(struct runner *r, const char *path)
{
    struct rule_document *doc = rule_document_new();
    struct faults faults = FAULTS_INIT;
    char full[1024];

    snprintf(full, sizeof(full), "%s/%s", SOURCE_DIR, path);
    ruleset_unref(r->set);
    r->set = NULL;
    if (rule_document_read_file(doc, full, &faults) < 0 || rule_document_check(doc, &faults) < 0 ||
        ruleset_compile(&r->set, doc, 1, NULL, &faults) < 0)
        fail_line(r, "rules", "no faults", buf_span(&faults.text));
    rule_document_free(doc);
    faults_release(&faults);
}

static void run_case(struct runner *r, char *line)
{
    char *rest = NULL, *verdict = strtok_r(line, " \t", &rest), *rule = strtok_r(NULL, " \t", &rest);
    struct verdict *got = &r->verdict;

    rest += strspn(rest, " \t");
    unescape(&r->text, rest);
    judge_text(r->judge, r->set, buf_span(&r->text), got);
    r->cases++;
    r->has_verdict = true;
    if (strcmp(action_name(got->action), verdict) != 0)
        fail_line(r, "verdict", verdict, span_of(action_name(got->action)));
    if (strcmp(got->rule ? got->rule : "-", rule) != 0)
        fail_line(r, "rule", rule, span_of(got->rule ? got->rule : "-"));
}

static void run_line(struct runner *r, char *line)
{
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0] == '\0' || line[0] == '#')
        return;
    if (strncmp(line, "@rules ", 7) == 0) {
        use_rules(r, line + 7);
    } else if (strncmp(line, "becomes", 7) == 0) {
        unescape(&r->text, line + 7 + strspn(line + 7, " \t"));
        if (!r->has_verdict || !span_equal(r->verdict.becomes, buf_span(&r->text)))
            fail_line(r, "becomes", buf_text(&r->text), r->verdict.becomes);
    } else if (r->set) {
        run_case(r, line);
    } else {
        fail_line(r, "case", "rules before it", SPAN("none"));
    }
}

static void run_file(const char *path, unsigned *cases, unsigned *failures)
{
    struct runner r = {.file = path, .judge = judge_new(), .text = BUF_INIT};
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;

    assert_non_null(file);
    while (getline(&line, &cap, file) > 0) {
        r.line++;
        run_line(&r, line);
    }
    fclose(file);
    free(line);
    buf_release(&r.text);
    judge_free(r.judge);
    ruleset_unref(r.set);
    *cases += r.cases;
    *failures += r.failures;
}

static void every_case_holds(void **state)
{
    DIR *dir = opendir(TEST_DATA "/rules");
    struct dirent *entry;
    unsigned cases = 0, failures = 0;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        const char *ending = strrchr(entry->d_name, '.');
        char path[1024];

        if (!ending || strcmp(ending, ".txt") != 0)
            continue;
        snprintf(path, sizeof(path), "%s/rules/%s", TEST_DATA, entry->d_name);
        run_file(path, &cases, &failures);
    }
    closedir(dir);
    assert_true(cases > 100);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_holds)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
