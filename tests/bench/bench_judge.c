/* What one judgement costs: nanoseconds per message against a generated list of terms, with the default foldings and
 * with every folding, for texts that hit nothing, hit and are masked, are longer, or are full of signs that can be read
 * in two ways or hide letters. Then what a start from the cache costs, part by part.
 * Usage: bench_judge [terms], 10000 by default. */
#include "base/clock.h"
#include "rules/judge.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5, EXPRESSIONS = 500 };

static void add_term(struct buf *yaml, unsigned n)
{
    static const char *const syllables[] = {"ka", "lo", "mi", "ne", "ru", "so", "ta", "vu", "xi", "zo"};
    static const char *const signs[] = {"山", "水", "火", "木", "金", "土", "日", "月", "星", "云"};
    const char *const *parts = n % 2 ? syllables : signs;

    buf_add_text(yaml, "    - \"");
    for (unsigned rest = n + 100000; rest; rest /= 10)
        buf_add_text(yaml, parts[rest % 10]);
    buf_add_text(yaml, "\"\n");
}

static void write_rules(struct buf *yaml, unsigned terms, unsigned expressions, const char *folding)
{
    buf_addf(yaml,
             "- rule: words\n  match: { any: [{terms: words}, {regex: '\\b1[3-9]\\d{9}\\b'}] }\n  action: mask\n"
             "- list: words\n  folding: %s\n  terms:\n    - idiot\n    - 笨蛋\n",
             folding);
    for (unsigned i = 0; i < terms; i++)
        add_term(yaml, i);
    for (unsigned i = 0; i < expressions; i++)
        buf_addf(yaml,
                 "- rule: expression-%u\n  match: { regex: 'k%u[a-z]{2,5}-\\d+x', folding: [case, invisible] }\n"
                 "  action: flag\n",
                 i, i);
}

static struct rule_document *read_rules(struct span yaml)
{
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = rule_document_new();

    rule_document_read_text(doc, "bench", yaml, &faults);
    fputs(buf_text(&faults.text), stdout);
    faults_release(&faults);
    return doc;
}

static struct ruleset *compile(const struct rule_document *doc, const char *cache)
{
    struct faults faults = FAULTS_INIT;
    struct ruleset *set = NULL;

    ruleset_compile(&set, doc, 1, cache, &faults);
    fputs(buf_text(&faults.text), stdout);
    faults_release(&faults);
    return set;
}

static double ms_since(int64_t start_us)
{
    return (double)(clock_mono_us() - start_us) / 1000;
}

static struct ruleset *make_set(unsigned terms, const char *folding)
{
    struct buf yaml = BUF_INIT;
    struct rule_document *doc;
    struct ruleset *set;
    int64_t start = clock_mono_us();

    write_rules(&yaml, terms, 0, folding);
    doc = read_rules(buf_span(&yaml));
    set = compile(doc, NULL);
    printf("%zu terms, folding %s: read and compiled in %.0f ms\n", set ? ruleset_term_count(set) : 0, folding,
           ms_since(start));
    rule_document_free(doc);
    buf_release(&yaml);
    return set;
}

static void measure(struct judge *j, const struct ruleset *set, const char *what, struct span text)
{
    size_t repeats = 20000000 / (text.len + 200) / ROUNDS;
    double best = 0;
    struct verdict v;

    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_mono_us();
        double ns;

        for (size_t i = 0; i < repeats; i++)
            judge_text(j, set, text, &v);
        ns = (double)(clock_mono_us() - start) * 1000 / (double)repeats;
        if (round == 0 || ns < best)
            best = ns;
    }
    printf("  %-32s %7zu bytes  %9.0f ns  %s, %zu hits\n", what, text.len, best, action_name(v.action), v.hit_count);
}

static void measure_repeated(struct judge *j, const struct ruleset *set, const char *what, const char *text, size_t len)
{
    struct buf longer = BUF_INIT;

    while (longer.len < len)
        buf_add_text(&longer, text);
    measure(j, set, what, buf_span(&longer));
    buf_release(&longer);
}

static bool measure_set(unsigned terms, const char *folding)
{
    static const char mixed[] =
        "大家好 welcome to the show tonight! 今天的直播真的很精彩，谢谢主播 see you at 8pm :) 加油 go go!";
    static const char hit[] =
        "大家好 you are an idiot! 今天的直播真的很精彩，谢谢笨蛋 call me 13800138000 now please 加油 go!";
    struct ruleset *set = make_set(terms, folding);
    struct judge *j = judge_new();

    if (!set || !j)
        return false;
    measure(j, set, "mixed, nothing found", span_of(mixed));
    measure(j, set, "mixed, three hits masked", span_of(hit));
    measure(j, set, "ASCII only",
            SPAN("hello everyone, the stream starts at eight, see you all there and bring your friends along ok?"));
    measure(j, set, "Chinese only", SPAN("今天的直播真的很精彩谢谢主播大家一起加油明天晚上八点再见不要迟到"));
    measure(j, set, "full-width", SPAN("ｈｅｌｌｏ　ｅｖｅｒｙｏｎｅ，ｗｅｌｃｏｍｅ　ｔｏ　ｎｉｇｈｔ"));
    measure_repeated(j, set, "mixed, nothing found", mixed, 1000);
    measure_repeated(j, set, "mixed, nothing found", mixed, 12000);
    measure_repeated(j, set, "signs that are letters or noise", "we!come+t0|the(show!n1ght+", 100);
    measure_repeated(j, set, "signs that are letters or noise", "we!come+t0|the(show!n1ght+", 1000);
    measure_repeated(j, set, "signs that hide", "ka*o#i 山*水 s* x__zo 笨* ", 100);
    measure_repeated(j, set, "signs that hide", "ka*o#i 山*水 s* x__zo 笨* ", 1000);
    measure_repeated(j, set, "signs that hide", "ka*o#i 山*水 s* x__zo 笨* ", 12000);
    measure_repeated(j, set, "only signs", "k**********", 1000);
    judge_free(j);
    ruleset_unref(set);
    return true;
}

static void measure_start(unsigned terms, const char *folding)
{
    char directory[] = "/tmp/bench-judge-XXXXXX", command[64];
    struct buf yaml = BUF_INIT, json = BUF_INIT;
    struct rule_document *doc;
    struct ruleset *set = NULL;
    struct err err;
    int64_t start;

    if (!mkdtemp(directory))
        return;
    write_rules(&yaml, terms, EXPRESSIONS, folding);
    doc = read_rules(buf_span(&yaml));
    start = clock_mono_us();
    set = compile(doc, directory);
    printf("%u terms and %u expressions, folding %s:\n  compiled, not cached             %8.1f ms\n", terms,
           EXPRESSIONS, folding, ms_since(start));
    if (set && ruleset_save(set, doc, directory, &err) == 0) {
        ruleset_unref(set);
        rule_document_write_json(doc, &json);
        rule_document_free(doc);
        start = clock_mono_us();
        doc = read_rules(buf_span(&json));
        printf("  document read                    %8.1f ms\n", ms_since(start));
        start = clock_mono_us();
        set = compile(doc, directory);
        printf("  compiled from the cache          %8.1f ms\n", ms_since(start));
        ruleset_unref(set);
        set = NULL;
        start = clock_mono_us();
        ruleset_load(&set, directory, &err);
        printf("  start: ruleset_load              %8.1f ms\n", ms_since(start));
    }
    ruleset_unref(set);
    rule_document_free(doc);
    buf_release(&yaml);
    buf_release(&json);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    if (system(command) != 0)
        puts("could not remove the cache");
}

int main(int argc, char **argv)
{
    unsigned terms = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;

    if (!measure_set(terms, "[case, invisible]") || !measure_set(terms, "[all]"))
        return 1;
    measure_start(terms, "[case, invisible]");
    measure_start(terms, "[all]");
    return 0;
}
