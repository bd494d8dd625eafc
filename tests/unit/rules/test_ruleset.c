/* Compiling, examples, the cache on disk, the last good set, the slot. */
#include "rules_helpers.h"

#include "rules/matcher.h"
#include "rules/stored_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/chatsluice-rules-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;

    (void)state;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' || entry->d_name[1] == 'r' || entry->d_name[1] == 'm')
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    return rmdir(directory);
}

struct example_case {
    const char *yaml, *faults;
};

static void failing_examples_are_faults(void **state)
{
    static const struct example_case cases[] = {
        {"- rule: a\n  match: {regex: 'x+'}\n  action: mask\n  examples:\n"
         "    - {text: axx, verdict: mask, becomes: 'a**'}\n    - {text: y, verdict: allow}\n",
         ""},
        {"- rule: a\n  match: {regex: 'x+'}\n  action: mask\n  examples:\n    - {text: y, verdict: mask}\n",
         "test:5:7: an example of rule \"a\" fails: expected verdict mask, got allow; correct the rule or the "
         "example\n"},
        {"- rule: a\n  match: {regex: 'x+'}\n  action: mask\n  examples:\n"
         "    - {text: axx, verdict: mask, becomes: 'a*'}\n    - {text: x, verdict: allow}\n",
         "test:5:7: an example of rule \"a\" fails: expected it to become \"a*\", got \"a**\"; correct the rule or the "
         "example\n"
         "test:6:7: an example of rule \"a\" fails: expected verdict allow, got mask by rule \"a\"; correct the rule "
         "or the example\n"},
        /* in the rule's own scope and phase, and a shadow rule as if it were enforced */
        {"- rule: a\n  when: after\n  mode: shadow\n  scope: {groups: ['live-?*'], senders: [u*]}\n"
         "  match: {regex: 'x+'}\n  action: mask\n  examples:\n    - {text: x, verdict: mask, becomes: '*'}\n"
         "- rule: b\n  scope: {groups: [other]}\n  match: {regex: x}\n  action: reject\n  examples:\n"
         "    - {text: x, verdict: reject}\n",
         ""},
        {"- rule: a\n  mode: off\n  match: {regex: 'x+'}\n  action: mask\n  examples:\n    - {text: y, verdict: mask}\n",
         ""},
        {"- rule: a\n  action: mask\n  match: {regex: '(\\w{1,30}\\s){30}\\b'}\n",
         "test:3:10: the expression cannot be used: Pattern is too large; shorten it, use smaller repeats or split it "
         "into several\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rule_document *doc = document_of(cases[i].yaml);
        struct faults faults = FAULTS_INIT;
        struct ruleset *set = NULL;
        int r = ruleset_compile(&set, doc, 1, NULL, &faults);

        assert_string_equal(buf_text(&faults.text), cases[i].faults);
        assert_int_equal(r, *cases[i].faults ? ERR_USAGE : 0);
        assert_int_equal(set != NULL, r == 0);
        ruleset_unref(set);
        faults_release(&faults);
        rule_document_free(doc);
    }
}

static void checksum_names_the_meaning(void **state)
{
    struct ruleset *a = set_of("- list: w\n  terms: [x, y]\n- rule: r\n  action: mask\n  match: {terms: w}\n");
    struct ruleset *b = set_of("- rule: r\n  match: {terms: w}\n  when: both\n  mask: '*'\n  action: mask\n"
                               "- list: w\n  boundary: script\n  terms: [y, x]\n");
    struct ruleset *c = set_of("- list: w\n  terms: [x, z]\n- rule: r\n  action: mask\n  match: {terms: w}\n");

    (void)state;
    assert_int_equal(strlen(ruleset_checksum(a)), 64);
    assert_string_equal(ruleset_checksum(a), ruleset_checksum(b));
    assert_string_not_equal(ruleset_checksum(a), ruleset_checksum(c));
    assert_int_equal(ruleset_revision(a), 7);
    ruleset_unref(a);
    ruleset_unref(b);
    ruleset_unref(c);
}

static unsigned files_in_cache(char *one)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;
    unsigned count = 0;

    while ((entry = readdir(dir)))
        if (strncmp(entry->d_name, "matcher-", 8) == 0) {
            count++;
            snprintf(one, 1024, "%s/%.255s", directory, entry->d_name);
        }
    closedir(dir);
    return count;
}

static bool found_one(void *arg, uint32_t pattern, size_t start, size_t end)
{
    (void)pattern;
    *(size_t *)arg = start * 100 + end;
    return true;
}

/* Compiles one small matcher; returns whether it came from the cache, and makes sure that it matches. */
static bool compile_cached(enum term_boundary boundary)
{
    const struct pattern patterns[] = {{"needle", 6, false, boundary}, {"n[0-9]+", 7, true, BOUNDARY_ANY}};
    struct matcher *m = NULL;
    struct matcher_scratch *scratch = NULL;
    struct err err;
    size_t bad, where = 0;
    bool cached;

    assert_int_equal(matcher_compile(&m, patterns, 2, directory, &bad, &err), 0);
    assert_int_equal(matcher_scratch_for(&scratch, m), 0);
    assert_int_equal(matcher_scan(m, scratch, SPAN("a needle!"), found_one, &where), 0);
    assert_int_equal(where, 208);
    cached = matcher_from_cache(m);
    matcher_scratch_free(scratch);
    matcher_free(m);
    return cached;
}

static void compiled_matchers_are_cached(void **state)
{
    char path[1024];
    struct stat st;
    int fd;

    (void)state;
    assert_false(compile_cached(BOUNDARY_SCRIPT));
    assert_int_equal(files_in_cache(path), 1);
    assert_true(compile_cached(BOUNDARY_SCRIPT));
    assert_true(compile_cached(BOUNDARY_WORD)); /* boundaries are looked at after the scan */

    /* damage in the middle, then a torn file: both are compiled anew and written again */
    assert_int_equal(stat(path, &st), 0);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "\xFF\xFE\xFD", 3, st.st_size / 2), 3);
    close(fd);
    assert_false(compile_cached(BOUNDARY_SCRIPT));
    assert_true(compile_cached(BOUNDARY_SCRIPT));
    assert_int_equal(truncate(path, st.st_size - 10), 0);
    assert_false(compile_cached(BOUNDARY_SCRIPT));
    assert_true(compile_cached(BOUNDARY_SCRIPT));
    assert_int_equal(files_in_cache(path), 1);
}

static void old_files_are_pruned(void **state)
{
    char path[1024], name[32];

    (void)state;
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "matcher-%d", i);
        assert_int_equal(stored_file_write(directory, name, 1, SPAN("x"), NULL), 0);
    }
    stored_file_prune(directory, "matcher-", 5);
    assert_int_equal(files_in_cache(path), 5);
}

static void last_good_set_comes_back(void **state)
{
    static const char yaml[] = "- list: w\n  terms: [idiot, 笨蛋]\n- rule: r\n  action: mask\n  match: {terms: w}\n"
                               "  examples: [{text: idiot, verdict: mask}]\n";
    struct rule_document *doc = document_of(yaml);
    struct ruleset *set = set_of(yaml), *loaded = NULL;
    struct judge *judge = judge_new();
    struct verdict v;
    struct err err;
    char path[128], missing[128];
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/rules-last-good", directory);
    snprintf(missing, sizeof(missing), "%s/no/such", directory);
    assert_int_equal(ruleset_load(&loaded, directory, &err), ERR_NOT_FOUND);
    assert_int_equal(ruleset_load(&loaded, missing, &err), ERR_NOT_FOUND);
    assert_int_equal(ruleset_save(set, doc, missing, &err), ERR_FAILED);
    assert_int_equal(ruleset_save(set, doc, directory, &err), 0);
    assert_int_equal(ruleset_load(&loaded, directory, &err), 0);
    assert_int_equal(ruleset_revision(loaded), 7);
    assert_string_equal(ruleset_checksum(loaded), ruleset_checksum(set));
    judge_text(judge, loaded, SPAN("你笨蛋 idiot"), &v);
    assert_span(v.becomes, "你** *****");
    ruleset_unref(loaded);
    loaded = NULL;

    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "Z", 1, 120), 1);
    close(fd);
    assert_int_equal(ruleset_load(&loaded, directory, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "is damaged"));
    assert_null(loaded);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(ruleset_load(&loaded, directory, &err), ERR_INVALID);

    judge_free(judge);
    ruleset_unref(set);
    rule_document_free(doc);
}

static void ten_thousand_terms_work(void **state)
{
    struct buf yaml = BUF_INIT;
    struct judge *judge = judge_new();
    struct ruleset *set;
    struct verdict v;
    char text[64];

    (void)state;
    buf_add_text(&yaml, "- rule: r\n  action: mask\n  match: {terms: w}\n- list: w\n  terms:\n");
    for (int i = 0; i < 10000; i++)
        buf_addf(&yaml, "    - \"%s%d%s\"\n", i % 2 ? "词" : "word", i, i % 2 ? "语" : "z");
    set = set_of(buf_text(&yaml));
    assert_int_equal(ruleset_term_count(set), 10000);
    for (int i = 0; i < 10000; i += 7) {
        snprintf(text, sizeof(text), "a %s%d%s b", i % 2 ? "词" : "WORD", i, i % 2 ? "语" : "Z");
        judge_text(judge, set, span_of(text), &v);
        assert_int_equal(v.action, ACTION_MASK);
        assert_int_equal(v.hit_count, 1);
        assert_int_equal(v.hits[0].end, strlen(text) - 2);
    }
    judge_text(judge, set, SPAN("word10000z 词0语"), &v);
    assert_int_equal(v.action, ACTION_ALLOW);
    judge_free(judge);
    ruleset_unref(set);
    buf_release(&yaml);
}

/* Readers judge while sets are swapped: each verdict belongs to one whole set. */
struct swapping {
    struct ruleset_slot *slot;
    atomic_bool stop;
    atomic_uint judged, wrong;
};

static void *judge_all_the_time(void *arg)
{
    struct swapping *s = arg;
    struct judge *judge = judge_new();

    while (!atomic_load(&s->stop)) {
        struct ruleset *set = ruleset_slot_get(s->slot);
        struct verdict v;

        judge_text(judge, set, SPAN("abc"), &v);
        ruleset_unref(set);
        if (v.action != (v.revision % 2 ? ACTION_MASK : ACTION_FLAG))
            atomic_fetch_add(&s->wrong, 1);
        atomic_fetch_add(&s->judged, 1);
    }
    judge_free(judge);
    return NULL;
}

static void sets_are_swapped_under_readers(void **state)
{
    enum { READERS = 4, SWAPS = 200 };
    struct swapping s = {.slot = ruleset_slot_new()};
    struct rule_document *docs[2] = {document_of("- rule: r\n  action: flag\n  match: {regex: b}\n"),
                                     document_of("- list: w\n  boundary: any\n  terms: [b]\n"
                                                 "- rule: r\n  action: mask\n  match: {terms: w}\n")};
    pthread_t readers[READERS];
    struct ruleset *held;

    (void)state;
    assert_null(ruleset_slot_get(s.slot));
    for (unsigned i = 0; i < READERS + SWAPS; i++) {
        struct faults faults = FAULTS_INIT;
        struct ruleset *set = NULL;

        assert_int_equal(ruleset_compile(&set, docs[i % 2], i, NULL, &faults), 0);
        ruleset_slot_put(s.slot, set);
        ruleset_unref(set);
        faults_release(&faults);
        if (i < READERS)
            pthread_create(&readers[i], NULL, judge_all_the_time, &s);
    }
    while (atomic_load(&s.judged) < 1000)
        sched_yield();
    atomic_store(&s.stop, true);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(atomic_load(&s.wrong), 0);

    held = ruleset_slot_get(s.slot);
    ruleset_slot_free(s.slot);
    assert_int_equal(ruleset_revision(held), READERS + SWAPS - 1); /* outlives the slot */
    ruleset_unref(held);
    rule_document_free(docs[0]);
    rule_document_free(docs[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_examples_are_faults),
        cmocka_unit_test(checksum_names_the_meaning),
        cmocka_unit_test_setup_teardown(compiled_matchers_are_cached, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(old_files_are_pruned, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(last_good_set_comes_back, make_directory, remove_directory),
        cmocka_unit_test(ten_thousand_terms_work),
        cmocka_unit_test(sets_are_swapped_under_readers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
