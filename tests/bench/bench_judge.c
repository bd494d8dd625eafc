/* What one judgement costs: nanoseconds per message against a generated list of terms, for texts that hit nothing,
 * hit and are masked, and for longer ones. Usage: bench_judge [terms], 10000 by default. */
#include "base/clock.h"
#include "rules/judge.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5 };

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

static struct ruleset *make_set(unsigned terms)
{
    struct buf yaml = BUF_INIT;
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = rule_document_new();
    struct ruleset *set = NULL;
    int64_t start;

    buf_add_text(&yaml,
                 "- rule: words\n  match: { any: [{terms: words}, {regex: '\\b1[3-9]\\d{9}\\b'}] }\n  action: mask\n"
                 "- list: words\n  terms:\n    - idiot\n    - 笨蛋\n");
    for (unsigned i = 0; i < terms; i++)
        add_term(&yaml, i);
    start = clock_mono_us();
    if (rule_document_read_text(doc, "bench", buf_span(&yaml), &faults) == 0)
        ruleset_compile(&set, doc, 1, NULL, &faults);
    printf("%zu terms read and compiled in %.0f ms\n", set ? ruleset_term_count(set) : 0,
           (double)(clock_mono_us() - start) / 1000);
    fputs(buf_text(&faults.text), stdout);
    rule_document_free(doc);
    faults_release(&faults);
    buf_release(&yaml);
    return set;
}

static void measure(struct judge *j, const struct ruleset *set, const char *what, struct span text)
{
    size_t repeats = 40000000 / (text.len + 200);
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
    printf("%-32s %7zu bytes  %9.0f ns  %s, %zu hits\n", what, text.len, best, action_name(v.action), v.hit_count);
}

int main(int argc, char **argv)
{
    static const char mixed[] =
        "大家好 welcome to the show tonight! 今天的直播真的很精彩，谢谢主播 see you at 8pm :) 加油 go go!";
    static const char hit[] =
        "大家好 you are an idiot! 今天的直播真的很精彩，谢谢笨蛋 call me 13800138000 now please 加油 go!";
    struct ruleset *set = make_set(argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000);
    struct judge *j = judge_new();
    struct buf longer = BUF_INIT;

    if (!set || !j)
        return 1;
    measure(j, set, "mixed, nothing found", span_of(mixed));
    measure(j, set, "mixed, three hits masked", span_of(hit));
    measure(j, set, "ASCII only",
            SPAN("hello everyone, the stream starts at eight, see you all there and bring your friends along ok?"));
    measure(j, set, "full-width", SPAN("ｈｅｌｌｏ　ｅｖｅｒｙｏｎｅ，ｗｅｌｃｏｍｅ　ｔｏ　ｎｉｇｈｔ"));
    while (longer.len < 1000)
        buf_add_text(&longer, mixed);
    measure(j, set, "mixed, nothing found", buf_span(&longer));
    while (longer.len < 12000)
        buf_add_text(&longer, mixed);
    measure(j, set, "mixed, nothing found", buf_span(&longer));
    buf_release(&longer);
    judge_free(j);
    ruleset_unref(set);
    return 0;
}
