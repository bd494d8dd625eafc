/* What each kind of condition beyond terms costs: nanoseconds per message, and the allocations after warm-up (there
 * should be none). */
#include "base/clock.h"
#include "rules/history.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5, DOMAINS = 10000, SENDERS = 1000 };

static const char ordinary[] =
    "大家好 welcome to the show tonight! 今天的直播真的很精彩，谢谢主播 see you at 8pm :) 加油 go go!";
static const char dotted[] =
    "v1.2.3, 3.5 kg, e.g. this. I like it.Great stream... 2024-11-23 18:30, 102:98, node.js, 12 30 45, 微信支付";
static const char linked[] =
    "look at https://www.some-site.example/path?q=1 and mail me at joe.smith@example.org, 138 0013 8000";

static struct ruleset *compile(const char *what, struct buf *yaml)
{
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = rule_document_new();
    struct ruleset *set = NULL;
    int64_t start = clock_mono_us();

    if (rule_document_read_text(doc, "bench", buf_span(yaml), &faults) == 0)
        ruleset_compile(&set, doc, 1, NULL, &faults);
    printf("%s: compiled in %.0f ms\n%s", what, (double)(clock_mono_us() - start) / 1000, buf_text(&faults.text));
    rule_document_free(doc);
    faults_release(&faults);
    if (!set)
        exit(1);
    return set;
}

static void judge_many(struct judge *j, const struct ruleset *set, const char *text, size_t repeats)
{
    struct verdict v;

    for (size_t i = 0; i < repeats; i++)
        judge_text(j, set, span_of(text), &v);
}

static void measure(const char *what, const struct ruleset *set, const char *text)
{
    size_t repeats = 200000, grown;
    struct judge *j = judge_new();
    double best = 0;

    judge_many(j, set, text, 10);
    grown = mallinfo2().uordblks;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_mono_us();
        double ns;

        judge_many(j, set, text, repeats);
        ns = (double)(clock_mono_us() - start) * 1000 / (double)repeats;
        best = round == 0 || ns < best ? ns : best;
    }
    printf("  %-10s %4zu bytes %8.0f ns, heap grown by %zu\n", what, strlen(text), best,
           (size_t)mallinfo2().uordblks - grown);
    judge_free(j);
}

static void condition(const char *what, const char *match)
{
    struct buf yaml = BUF_INIT;
    struct ruleset *set;

    buf_addf(&yaml, "- rule: r\n  action: flag\n  match: %s\n", match);
    set = compile(what, &yaml);
    measure("ordinary", set, ordinary);
    measure("dotted", set, dotted);
    measure("linked", set, linked);
    ruleset_unref(set);
    buf_release(&yaml);
}

static void many_domains(void)
{
    struct buf match = BUF_INIT;

    buf_add_text(&match, "{ links: { deny: [");
    for (int i = 0; i < DOMAINS; i++)
        buf_addf(&match, "%sdenied-%d.example", i ? ", " : "", i);
    buf_add_text(&match, "] } }");
    condition("10,000 denied domains", buf_text(&match));
    buf_release(&match);
}

static void history(void)
{
    struct buf yaml = BUF_INIT;
    struct history *h = history_new(16 * 1024 * 1024);
    struct history_facts facts = {0};
    struct ruleset *set;
    char senders[SENDERS][24];
    size_t repeats = 500000;
    int64_t start;

    buf_add_text(&yaml, "- rule: r\n  action: flag\n  match: { any: [ { rate: { times: 10, within: 10s, by: sender } },"
                        " { rate: { times: 100, within: 10s, by: room } },"
                        " { repeated: { times: 3, within: 60s, by: sender_in_room } } ] }\n");
    set = compile("two rates and a repetition", &yaml);
    for (int i = 0; i < SENDERS; i++)
        snprintf(senders[i], sizeof(senders[i]), "sender-%d", i);
    start = clock_mono_us();
    for (size_t i = 0; i < repeats; i++) {
        const struct message m = {
            .command = COMMAND_BEFORE,
            .from_account = {GIVEN, span_of(senders[i % SENDERS])},
            .group_id = {GIVEN, SPAN("room-7")},
            .text = span_of(ordinary),
        };

        history_observe(h, set, &m, 1400000001, (int64_t)i / 10, &facts);
        history_verdict(h, set, &m, 1400000001, (int64_t)i / 10, ACTION_ALLOW);
    }
    printf("  observed in %.0f ns\n", (double)(clock_mono_us() - start) * 1000 / (double)repeats);
    history_facts_release(&facts);
    history_free(h);
    ruleset_unref(set);
    buf_release(&yaml);
}

int main(void)
{
    condition("nothing", "{ regex: 'nothing of this' }");
    condition("length", "{ length: { more_than: 500 } }");
    condition("five measures", "{ any: [ { length: { more_than: 500 } }, { lines: { more_than: 10 } },"
                               " { share: { of: emoji, percent: 90, least: 5 } },"
                               " { share: { of: caps, percent: 90, least: 5 } },"
                               " { share: { of: script, scripts: [Cyrillic], percent: 90 } } ] }");
    condition("links", "{ links: any }");
    condition("contact", "{ contact: any }");
    many_domains();
    history();
    return 0;
}
