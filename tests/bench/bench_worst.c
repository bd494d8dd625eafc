/* The worst that a stranger may send: microseconds per judgement of texts made to keep each part of the engine busy,
 * of 12 KB (the most the platform delivers) and JUDGE_MAX_TEXT (the most that is judged), against a generated list of
 * terms with every folding beside expressions, tables, detectors and measures. Usage: bench_worst [terms [part of a
 * case's name]], 10000 by default. */
#include "base/clock.h"
#include "rules/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3 };

static const struct trial {
    const char *name;
    const char *once, *unit, *last; /* before, again and again, at the end */
    bool custom_data;
} trials[] = {
    {"ordinary", "", "hello there 今天的直播真的很精彩 ", "", false},
    {"only a", "", "a", "", false},
    {"a long run in nested terms", "", "a", "bcdefghijklmnop", false},
    {"a long run with gaps", "", "a ", "bcdefghijklmnop", false},
    {"nested terms", "", "abcdefghijklmnop ", "", false},
    {"a*a*a*", "", "a*", "", false},
    {"ka*o#i", "", "ka*o#i*lo", "", false},
    {"only hiding signs", "k", "*", "", false},
    {"hiding signs by blanks", "k", "* ", "", false},
    {"letter, signs", "", "k********* ", "", false},
    {"all hidden, late proof", "", "k*l*m*n*o*", "", false},
    {"syllables without edges", "", "kalominerusotavuxizokalo", "", false},
    {"one term spelled", "", "k a l o m i ", "", false},
    {"gaps alternating", "", "k.a l-o m_i", "", false},
    {"turning signs", "", "we!come+t0|the(show!n1ght+", "", false},
    {"combining run", "e", "\xcc\x81", "", false},
    {"combining classes alternating", "e", "\xcc\x81\xcc\xa3", "", false},
    {"combining classes falling", "e", "\xcc\x81\xcc\xa3\xcc\xb8", "", false},
    {"zero width", "a", "\xe2\x80\x8b", "b", false},
    {"cluster without end", "x", "\xf0\x9f\x91\xa9\xe2\x80\x8d", "", false},
    {"cluster masked again and again", "", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xe5\xb1\xb1\xe6\xb0\xb4", "", false},
    {"flags", "", "\xf0\x9f\x87\xa8", "", false},
    {"ligatures", "", "\xef\xb7\xba", "", false},
    {"table keys overlapping", "", "tttttttttttttttu", "", false},
    {"table keys nearly", "", "ttttttttttttttt", "", false},
    {"hits", "", "idiot ", "", false},
    {"hits hanging together", "", "笨蛋", "", false},
    {"allowed hits", "", "good idiot ", "", false},
    {"domains", "", "a.com ", "", false},
    {"domain without end", "", "a.", "com", false},
    {"dots", "", ".", "", false},
    {"schemes", "", "http://", "", false},
    {"path without end", "http://a.com/", "a/", "", false},
    {"dots in words", "", "a dot ", "com", false},
    {"digits", "", "1", "", false},
    {"digits parted", "", "1 ", "", false},
    {"phone", "", "13800138000 ", "", false},
    {"digits in words", "", "one three eight ", "", false},
    {"digits in Chinese", "", "一三八", "", false},
    {"plus", "", "+44 20 7946 ", "", false},
    {"e-mail", "", "a@b.com ", "", false},
    {"e-mail without end", "", "a.b@", "", false},
    {"local part without end", "", "a.b", "@x", false},
    {"messenger", "", "wechat ", "", false},
    {"messenger in Chinese", "", "加微信", "", false},
    {"HTML escapes", "", "&amp;", "", false},
    {"URL escapes", "", "%61", "", false},
    {"escapes half", "", "&#x", "", false},
    {"ampersands", "", "&", "", false},
    {"back-slashes", "", "\\u0061", "", false},
    {"expression with repeats", "", "k1aaaa-", "", false},
    {"expression without end", "q", "w", "", false},
    {"JSON deep", "", "[", "", true},
    {"JSON wide", "{\"a\":1", ",\"b\":[1]", ",\"mod\":{\"level\":9}}", true},
    {"JSON same key", "{\"a\":1", ",\"mod\":{\"level\":1}", "}", true},
    {"JSON of hits", "[1", ",\"idiot\"", "]", true},
    {"JSON of escapes", "[1", ",\"\\u0069diot\"", "]", true},
    {"JSON keys escaped", "{\"a\":1", ",\"\\u006dod\":0", "}", true},
};

static void add_terms(struct buf *yaml, unsigned terms)
{
    static const char *const syllables[] = {"ka", "lo", "mi", "ne", "ru", "so", "ta", "vu", "xi", "zo"};
    static const char *const signs[] = {"山", "水", "火", "木", "金", "土", "日", "月", "星", "云"};

    for (unsigned n = 0; n < terms; n++) {
        const char *const *parts = n % 2 ? syllables : signs;

        buf_add_text(yaml, "    - \"");
        for (unsigned rest = n + 100000; rest; rest /= 10)
            buf_add_text(yaml, parts[rest % 10]);
        buf_add_text(yaml, "\"\n");
    }
    for (int len = 2; len <= 16; len++)
        buf_addf(yaml, "    - \"%.*s\"\n", len, "abcdefghijklmnop");
}

static struct ruleset *make_set(unsigned terms)
{
    struct faults faults = FAULTS_INIT;
    struct buf yaml = BUF_INIT;
    struct rule_document *doc = rule_document_new();
    struct ruleset *set = NULL;

    buf_add_text(&yaml, "- table: t\n  map: { t: u, tt: v, ttt: w, tttttttt: x, ttttttttttttttttt: y }\n"
                        "- list: words\n  folding: [all]\n  tables: [t]\n  boundary: script\n  terms:\n"
                        "    - idiot\n    - 笨蛋\n");
    add_terms(&yaml, terms);
    buf_add_text(
        &yaml, "- rule: words\n  action: mask\n  match: { terms: words }\n"
               "- rule: good\n  action: allow\n  match: { regex: 'good idiot' }\n"
               "- rule: links\n  action: mask\n  match: { links: { deny: [example.com] } }\n"
               "- rule: contact\n  action: mask\n  match: { contact: any }\n"
               "- rule: expression\n  action: mask\n  match: { regex: 'k\\d[a-z]{2,5}-', folding: [case, invisible] }\n"
               "- rule: no-end\n  action: flag\n  match: { regex: 'q.*z' }\n"
               "- rule: long\n  action: flag\n  match: { length: { more_than: 500 } }\n"
               "- rule: emoji\n  action: flag\n  match: { share: { of: emoji, percent: 60 } }\n"
               "- rule: json\n  action: flag\n"
               "  match: { json: { in: cloud_custom_data, path: 'mod.level', more_than: 7 } }\n");
    if (rule_document_read_text(doc, "bench", buf_span(&yaml), &faults) == 0 && rule_document_check(doc, &faults) == 0)
        ruleset_compile(&set, doc, 1, NULL, &faults);
    fputs(buf_text(&faults.text), stdout);
    rule_document_free(doc);
    faults_release(&faults);
    buf_release(&yaml);
    return set;
}

static double measure(struct judge *j, const struct ruleset *set, const struct trial *t, size_t len, struct verdict *v)
{
    struct buf text = BUF_INIT;
    struct message message = {.command = COMMAND_BEFORE};
    struct text_piece piece = {TEXT_TEXT, 0, 0, 0};
    int64_t best = INT64_MAX;

    buf_add_text(&text, t->once);
    while (text.len + strlen(t->unit) + strlen(t->last) < len)
        buf_add_text(&text, t->unit);
    buf_add_text(&text, t->last);
    if (t->custom_data) {
        message.cloud_custom_data = (struct optional_text){GIVEN, buf_span(&text)};
    } else {
        piece.len = (uint32_t)text.len;
        message.text = buf_span(&text);
        message.pieces = &piece;
        message.piece_count = 1;
    }
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_mono_us();

        judge_message(j, set, &message, NULL, v);
        start = clock_mono_us() - start;
        best = start < best ? start : best;
    }
    buf_release(&text);
    return (double)best;
}

int main(int argc, char **argv)
{
    unsigned terms = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;
    struct ruleset *set = make_set(terms);
    struct judge *j = judge_new();
    struct verdict v;

    if (!set || !j)
        return 1;
    printf("%-32s %12s %12s\n", "", "12 KB, us", " 64 KB, us");
    for (size_t i = 0; i < sizeof(trials) / sizeof(*trials); i++) {
        double small;

        if (argc > 2 && !strstr(trials[i].name, argv[2]))
            continue;
        small = measure(j, set, &trials[i], 12000, &v);
        printf("%-32s %12.0f %12.0f  %s by %s\n", trials[i].name, small,
               measure(j, set, &trials[i], JUDGE_MAX_TEXT, &v), action_name(v.action),
               v.rule ? v.rule : decided_by_name(v.decided_by));
        fflush(stdout);
    }
    judge_free(j);
    ruleset_unref(set);
    return 0;
}
