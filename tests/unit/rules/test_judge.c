/* From a message to its verdict: conditions, scope, phases, rewriting, hits, bounds. */
#include "rules_helpers.h"

static struct judge *judge;

static int make_judge(void **state)
{
    (void)state;
    judge = judge_new();
    return judge ? 0 : -1;
}

static int free_judge(void **state)
{
    (void)state;
    judge_free(judge);
    return 0;
}

struct verdict_case {
    const char *text;
    enum action action;
    const char *rule; /* NULL: by default */
    const char *becomes;
};

static void check_cases(const struct ruleset *set, const struct verdict_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct verdict v;

        judge_text(judge, set, span_of(cases[i].text), &v);
        if (v.action != cases[i].action || strcmp(v.rule ? v.rule : "-", cases[i].rule ? cases[i].rule : "-") != 0)
            print_error("\"%s\": %s by %s\n", cases[i].text, action_name(v.action), v.rule ? v.rule : "-");
        assert_int_equal(v.action, cases[i].action);
        assert_string_equal(v.rule ? v.rule : "-", cases[i].rule ? cases[i].rule : "-");
        assert_int_equal(v.decided_by, v.rule ? DECIDED_RULE : DECIDED_DEFAULT);
        if (cases[i].becomes)
            assert_span(v.becomes, cases[i].becomes);
        else
            assert_null(v.becomes.data);
    }
}

static void conditions_combine(void **state)
{
    static const struct verdict_case cases[] = {
        {"nothing", ACTION_ALLOW, NULL, NULL},
        {"red", ACTION_ALLOW, NULL, NULL},
        {"red 12", ACTION_MASK, "all", "*** **"},
        {"green 34", ACTION_MASK, "all", "***** **"},
        {"blue", ACTION_FLAG, "not", NULL},
        {"blue ok", ACTION_ALLOW, NULL, NULL},
        {"red 12 blue ok", ACTION_MASK, "all", "*** ** blue ok"},
        {"orange", ACTION_REPLACE, "replace", "fruit"},
        {"purple", ACTION_REJECT, "reject-b", NULL},
        {"purple pink", ACTION_REJECT, "reject-a", NULL},
        {"black purple orange red 1", ACTION_DISCARD, "discard", NULL},
    };
    struct ruleset *set =
        set_of("- list: one\n  terms: [red]\n- list: two\n  terms: [green]\n- list: blue\n  terms: [blue]\n"
               "- list: pink\n  terms: [pink]\n"
               "- rule: all\n  action: mask\n"
               "  match: {all: [{any: [{terms: one}, {terms: two}]}, {regex: '\\b\\d+\\b'}]}\n"
               "- rule: not\n  action: flag\n  match: {all: [{terms: blue}, {not: {regex: '\\bok\\b'}}]}\n"
               "- rule: replace\n  action: replace\n  replace: fruit\n  match: {regex: orange}\n"
               "- rule: reject-b\n  action: reject\n  match: {regex: purple}\n"
               "- rule: reject-a\n  action: reject\n  reject_code: 10150\n  reject_text: no pink\n"
               "  match: {terms: pink}\n"
               "- rule: discard\n  action: discard\n  match: {regex: black}\n"
               "- rule: off\n  mode: off\n  action: discard\n  match: {regex: nothing}\n");
    struct verdict v;

    (void)state;
    assert_int_equal(ruleset_rule_count(set), 6);
    assert_int_equal(ruleset_term_count(set), 4);
    check_cases(set, cases, sizeof(cases) / sizeof(*cases));

    judge_text(judge, set, SPAN("pink"), &v);
    assert_int_equal(v.error_code, 10150);
    assert_span(v.error_info, "no pink");
    judge_text(judge, set, SPAN("purple"), &v);
    assert_int_equal(v.error_code, 1);
    judge_text(judge, set, SPAN("black"), &v);
    assert_int_equal(v.error_code, 2);
    assert_int_equal(v.revision, 7);
    ruleset_unref(set);
}

/* A condition that holds without any match. */
static void absence_can_be_a_condition(void **state)
{
    static const struct verdict_case cases[] = {
        {"hello", ACTION_FLAG, "no-digits", NULL},
        {"", ACTION_FLAG, "no-digits", NULL},
        {"12", ACTION_ALLOW, NULL, NULL},
    };
    struct ruleset *set = set_of("- rule: no-digits\n  action: flag\n  match: {not: {regex: '\\d'}}\n");

    (void)state;
    check_cases(set, cases, sizeof(cases) / sizeof(*cases));
    ruleset_unref(set);
}

static void allow_covers_what_it_contains(void **state)
{
    static const struct verdict_case cases[] = {
        {"ass", ACTION_MASK, "deny", "***"},
        {"class", ACTION_ALLOW, "allow", NULL},
        {"class ass", ACTION_MASK, "deny", "class ***"},
        {"classass", ACTION_MASK, "deny", "class***"},
        {"clas", ACTION_ALLOW, NULL, NULL},
        {"embarrass", ACTION_MASK, "deny", "embarr***"}, /* a shadow allow rule covers nothing */
        {"bassoon", ACTION_MASK, "deny", "b***oon"},     /* the allow hit overlaps, but does not contain */
        {"lass", ACTION_ALLOW, "allow-word", NULL},
    };
    struct ruleset *set = set_of("- list: bad\n  boundary: any\n  terms: [ass]\n"
                                 "- list: good\n  boundary: any\n  terms: [class, soon]\n"
                                 "- list: shadowed\n  boundary: any\n  terms: [embarrass]\n"
                                 "- rule: deny\n  action: mask\n  match: {terms: bad}\n"
                                 "- rule: allow\n  action: allow\n  match: {terms: good}\n"
                                 "- rule: allow-word\n  action: allow\n  match: {regex: '\\blass\\b'}\n"
                                 "- rule: allow-shadow\n  mode: shadow\n  action: allow\n  match: {terms: shadowed}\n");

    (void)state;
    check_cases(set, cases, sizeof(cases) / sizeof(*cases));
    ruleset_unref(set);
}

static void expressions_match_once(void **state)
{
    static const struct {
        const char *text;
        uint32_t start, end;
        size_t hits;
    } cases[] = {
        {"call 13800138000", 5, 16, 1}, {"x 123456", 2, 8, 1},      {"aaaa", 0, 4, 1},
        {"1 22 333", 2, 4, 2},          {"see ab12abab", 4, 12, 1},
    };
    struct ruleset *set = set_of("- rule: digits\n  action: flag\n  match: {regex: '\\d{2,4}'}\n"
                                 "- rule: letters\n  action: flag\n  match: {any: [{regex: 'a+'}, {regex: 'ab.*ab'}]}\n"
                                 "- rule: phone\n  action: flag\n  match: {regex: '\\b1[3-9]\\d{9}\\b'}\n");
    struct verdict v;

    (void)state;
    judge_text(judge, set, SPAN("call 13800138000"), &v);
    for (size_t i = 0; i < v.hit_count; i++)
        if (strcmp(v.hits[i].rule, "phone") == 0) {
            assert_int_equal(v.hits[i].start, cases[0].start);
            assert_int_equal(v.hits[i].end, cases[0].end);
        }
    ruleset_unref(set);

    set = set_of("- rule: digits\n  action: flag\n  match: {any: [{regex: '\\d{2,4}'}, {regex: 'a{2,}'}, "
                 "{regex: 'ab.*ab'}]}\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t wanted = 0;

        judge_text(judge, set, span_of(cases[i].text), &v);
        for (size_t h = 0; h < v.hit_count; h++)
            wanted += v.hits[h].start == cases[i].start && v.hits[h].end == cases[i].end;
        assert_int_equal(wanted, 1);
    }
    ruleset_unref(set);
}

static void scope_and_phase_choose(void **state)
{
    static const struct {
        enum command command;
        const char *group, *sender;
        const char *rules; /* that hit, in order */
    } cases[] = {
        {COMMAND_BEFORE, "live-7", "u1", "before both group sender "},
        {COMMAND_BEFORE, "live-7", "admin-1", "before both group "},
        {COMMAND_BEFORE, "LIVE-7", "u1", "before both sender "},
        {COMMAND_BEFORE, "live-77x", "u12", "before both group "},
        {COMMAND_BEFORE, "live-test", "u1", "before both sender "},
        {COMMAND_BEFORE, NULL, NULL, "before both "},
        {COMMAND_AFTER, "live-7", "u1", "after both group sender "},
        {COMMAND_EXCEPTION, "live-7", "u1", ""},
        {COMMAND_OTHER, "live-7", "u1", ""},
    };
    struct ruleset *set =
        set_of("- rule: before\n  when: before\n  action: flag\n  match: {regex: x}\n"
               "- rule: after\n  when: after\n  action: flag\n  match: {regex: x}\n"
               "- rule: both\n  action: flag\n  match: {regex: x}\n"
               "- rule: group\n  scope: {groups: ['live-*'], except_groups: ['*-test']}\n  action: flag\n"
               "  match: {regex: x}\n"
               "- rule: sender\n  scope: {senders: ['u?', 'admin*'], except_senders: 'admin-*'}\n  action: flag\n"
               "  match: {regex: x}\n");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct test_message t;
        struct verdict v;
        char rules[128] = "";
        static const char *const order[] = {"before", "after", "both", "group", "sender"};

        message_init(&t, cases[i].command);
        message_add(&t, TEXT_TEXT, "x");
        t.message.group_id = given(cases[i].group);
        t.message.from_account = given(cases[i].sender);
        judge_message(judge, set, &t.message, NULL, &v);
        for (size_t o = 0; o < sizeof(order) / sizeof(*order); o++)
            for (size_t h = 0; h < v.hit_count; h++)
                if (strcmp(v.hits[h].rule, order[o]) == 0) {
                    strcat(rules, order[o]);
                    strcat(rules, " ");
                }
        assert_string_equal(rules, cases[i].rules);
        assert_int_equal(v.action, *cases[i].rules ? ACTION_FLAG : ACTION_ALLOW);
        buf_release(&t.text);
    }
    ruleset_unref(set);
}

static void hits_tell_why(void **state)
{
    struct ruleset *set = set_of("- list: bad\n  terms: [Idiot]\n"
                                 "- rule: allow\n  action: allow\n  match: {regex: 'idiot!'}\n"
                                 "- rule: both\n  action: flag\n  match: {all: [{terms: bad}, {regex: never}]}\n"
                                 "- rule: deny\n  action: mask\n  match: {terms: bad}\n"
                                 "- rule: shadow\n  mode: shadow\n  action: reject\n  match: {terms: bad}\n"
                                 "- rule: custom\n  action: flag\n  match: {regex: 'lvl'}\n");
    struct test_message t;
    struct verdict v;
    struct buf json = BUF_INIT;

    (void)state;
    message_init(&t, COMMAND_BEFORE);
    message_add(&t, TEXT_TEXT, "idiot! IDIOT");
    t.message.cloud_custom_data = given("{\"lvl\":3}");
    judge_message(judge, set, &t.message, NULL, &v);
    assert_int_equal(v.action, ACTION_MASK);
    assert_span(v.becomes, "idiot! *****");
    assert_null(v.cloud_custom_data);
    verdict_hits_json(&json, &v, t.message.text, t.message.cloud_custom_data.text);
    assert_string_equal(
        buf_text(&json),
        "[{\"rule\":\"allow\",\"list\":null,\"term\":\"idiot!\",\"start\":0,\"end\":6,\"folding\":\"none\","
        "\"field\":\"text\",\"state\":\"allow\",\"action\":\"allow\",\"matched\":\"idiot!\"},"
        "{\"rule\":\"both\",\"list\":\"bad\",\"term\":\"Idiot\",\"start\":0,\"end\":5,\"folding\":\"case+invisible\","
        "\"field\":\"text\",\"state\":\"allowed\",\"action\":\"flag\",\"matched\":\"idiot\"},"
        "{\"rule\":\"deny\",\"list\":\"bad\",\"term\":\"Idiot\",\"start\":0,\"end\":5,\"folding\":\"case+invisible\","
        "\"field\":\"text\",\"state\":\"allowed\",\"action\":\"mask\",\"matched\":\"idiot\"},"
        "{\"rule\":\"shadow\",\"list\":\"bad\",\"term\":\"Idiot\",\"start\":0,\"end\":5,\"folding\":\"case+invisible\","
        "\"field\":\"text\",\"state\":\"allowed\",\"action\":\"reject\",\"matched\":\"idiot\"},"
        "{\"rule\":\"both\",\"list\":\"bad\",\"term\":\"Idiot\",\"start\":7,\"end\":12,\"folding\":\"case+invisible\","
        "\"field\":\"text\",\"state\":\"unmet\",\"action\":\"flag\",\"matched\":\"IDIOT\"},"
        "{\"rule\":\"deny\",\"list\":\"bad\",\"term\":\"Idiot\",\"start\":7,\"end\":12,\"folding\":\"case+invisible\","
        "\"field\":\"text\",\"state\":\"counted\",\"action\":\"mask\",\"matched\":\"IDIOT\"},"
        "{\"rule\":\"shadow\",\"list\":\"bad\",\"term\":\"Idiot\",\"start\":7,\"end\":12,\"folding\":\"case+invisible\","
        "\"field\":\"text\",\"state\":\"shadow\",\"action\":\"reject\",\"matched\":\"IDIOT\"},"
        "{\"rule\":\"custom\",\"list\":null,\"term\":\"lvl\",\"start\":2,\"end\":5,\"folding\":\"none\","
        "\"field\":\"cloud_custom_data\",\"state\":\"counted\",\"action\":\"flag\",\"matched\":\"lvl\"}]");
    buf_reset(&json);
    judge_text(judge, set, SPAN("fine"), &v);
    verdict_hits_json(&json, &v, SPAN("fine"), (struct span){NULL, 0});
    assert_string_equal(buf_text(&json), "[]");
    buf_release(&json);
    buf_release(&t.text);
    ruleset_unref(set);
}

/* Rewriting: what each piece becomes; NULL where it must stay. */
struct rewrite_case {
    struct {
        enum text_source source;
        const char *text, *becomes;
    } pieces[4];
    const char *custom_data, *new_custom_data;
    enum action action;
};

static const struct rewrite_case rewrite_cases[] = {
    {.pieces = {{TEXT_TEXT, "you idiot", "you *****"}}, .action = ACTION_MASK},
    /* one word over two elements; the rest stays */
    {.pieces = {{TEXT_TEXT, "you id", "you **"}, {TEXT_TEXT, "iot, hm", "***, hm"}, {TEXT_TEXT, "x", NULL}},
     .action = ACTION_MASK},
    {.pieces = {{TEXT_TEXT, "fine", NULL}, {TEXT_FILE_NAME, "idiot.txt", "*****.txt"}}, .action = ACTION_MASK},
    /* JSON stays JSON */
    {.pieces = {{TEXT_CUSTOM_DATA, "{\"a\":\"idiot\"}", "{\"a\":\"*****\"}"}}, .action = ACTION_MASK},
    {.pieces = {{TEXT_CUSTOM_DATA, "{\"a\":4711}", NULL}}, .action = ACTION_REJECT},
    {.pieces = {{TEXT_CUSTOM_DATA, "{a:4711}", "{a:****}"}}, .action = ACTION_MASK},
    {.pieces = {{TEXT_TEXT, "{\"a\":4711}", "{\"a\":****}"}}, .action = ACTION_MASK},
    /* what cannot be rewritten in place */
    {.pieces = {{TEXT_RELAY_TITLE, "idiot", "*****"}}, .action = ACTION_MASK},
    {.pieces = {{TEXT_RELAY_ABSTRACT, "idiot", NULL}}, .action = ACTION_REJECT},
    {.pieces = {{TEXT_TEXT, "x", NULL}, {TEXT_RELAY_NESTED, "idiot", NULL}}, .action = ACTION_REJECT},
    /* CloudCustomData */
    {.pieces = {{TEXT_TEXT, "fine", NULL}},
     .custom_data = "{\"t\":\"idiot\"}",
     .new_custom_data = "{\"t\":\"*****\"}",
     .action = ACTION_MASK},
    {.pieces = {{TEXT_TEXT, "fine", NULL}}, .custom_data = "{\"t\":4711}", .action = ACTION_REJECT},
    {.pieces = {{TEXT_TEXT, "fine", NULL}},
     .custom_data = "idiot 4711",
     .new_custom_data = "***** ****",
     .action = ACTION_MASK},
    /* replacing: all text elements, other pieces only when hit */
    {.pieces = {{TEXT_TEXT, "very", "gone"}, {TEXT_TEXT, " nasty", ""}, {TEXT_CUSTOM_DATA, "{\"lvl\":1}", NULL}},
     .action = ACTION_REPLACE},
    {.pieces = {{TEXT_CUSTOM_DESC, "nasty", "gone"}, {TEXT_TEXT, "hi", "gone"}, {TEXT_FILE_NAME, "idiot", "*****"}},
     .action = ACTION_REPLACE},
    {.pieces = {{TEXT_CUSTOM_DATA, "{\"a\":\"nasty\"}", NULL}}, .action = ACTION_REJECT},
    {.pieces = {{TEXT_RELAY_NESTED, "nasty", NULL}}, .action = ACTION_REJECT},
    {.pieces = {{TEXT_TEXT, "hi", "gone"}},
     .custom_data = "nasty",
     .new_custom_data = "gone",
     .action = ACTION_REPLACE},
    {.pieces = {{TEXT_TEXT, "hi", NULL}}, .custom_data = "{\"a\":\"nasty\"}", .action = ACTION_REJECT},
    /* a visible character over the edge of two elements is one */
    {.pieces = {{TEXT_TEXT, "wordy e", "wordy *"}, {TEXT_TEXT, "\u0301!", "!"}}, .action = ACTION_MASK},
};

static void check_rewrite(const struct ruleset *set, const struct rewrite_case *c)
{
    struct test_message t;
    struct verdict v;
    size_t rewritten = 0;

    message_init(&t, COMMAND_BEFORE);
    for (size_t p = 0; p < 4 && c->pieces[p].text; p++)
        message_add(&t, c->pieces[p].source, c->pieces[p].text);
    t.message.cloud_custom_data = given(c->custom_data);
    judge_message(judge, set, &t.message, NULL, &v);
    if (v.action != c->action)
        print_error("\"%s\": %s\n", buf_text(&t.text), action_name(v.action));
    assert_int_equal(v.action, c->action);
    assert_int_equal(v.decided_by, DECIDED_RULE);
    assert_int_equal(v.error_code, v.action == ACTION_REJECT ? 10111 : 0);
    for (size_t p = 0; p < 4 && c->pieces[p].text; p++) {
        if (!c->pieces[p].becomes)
            continue;
        assert_true(rewritten < v.rewrite_count);
        assert_int_equal(v.rewrites[rewritten].piece, p);
        assert_span(v.rewrites[rewritten].text, c->pieces[p].becomes);
        rewritten++;
    }
    assert_int_equal(v.rewrite_count, rewritten);
    assert_int_equal(v.becomes.data != NULL, v.action != ACTION_REJECT);
    assert_int_equal(v.cloud_custom_data != NULL, c->new_custom_data != NULL);
    if (c->new_custom_data)
        assert_span(*v.cloud_custom_data, c->new_custom_data);
    buf_release(&t.text);
}

static void rewriting_keeps_the_rest(void **state)
{
    struct ruleset *set = set_of("- list: bad\n  terms: [idiot, 4711]\n"
                                 "- rule: mask\n  action: mask\n  reject_code: 10111\n  reject_text: no\n"
                                 "  match: {any: [{terms: bad}, {regex: \"e\\u0301\"}]}\n"
                                 "- rule: replace\n  action: replace\n  replace: gone\n  reject_code: 10111\n"
                                 "  match: {regex: nasty}\n");

    (void)state;
    for (size_t i = 0; i < sizeof(rewrite_cases) / sizeof(*rewrite_cases); i++)
        check_rewrite(set, &rewrite_cases[i]);
    ruleset_unref(set);
}

static void becomes_shows_the_whole(void **state)
{
    struct ruleset *set = set_of("- rule: mask\n  action: mask\n  then: [resend, mute 10m]\n"
                                 "  match: {regex: 'b.b'}\n"
                                 "- rule: mask-2\n  action: mask\n  mask: '#'\n  match: {regex: 'bc+'}\n");
    struct test_message t;
    struct verdict v;

    (void)state;
    message_init(&t, COMMAND_BEFORE);
    message_add(&t, TEXT_TEXT, "a bob");
    message_add(&t, TEXT_FILE_NAME, "bcc bxbcc");
    judge_message(judge, set, &t.message, NULL, &v);
    assert_span(v.becomes, "a ***\n### ***##");
    assert_string_equal(v.rule, "mask");
    assert_int_equal(v.follow_up_count, 2);
    assert_string_equal(v.follow_ups[1], "mute 10m");
    buf_release(&t.text);
    ruleset_unref(set);
}

/* More hits than are reported: the verdict, the masks and the evidence for them stay right. */
static void many_hits_change_nothing(void **state)
{
    struct ruleset *set = set_of("- list: w\n  terms: [spam]\n- rule: flag\n  action: flag\n  match: {terms: w}\n"
                                 "- rule: mask\n  action: mask\n  match: {terms: w}\n"
                                 "- rule: reject\n  action: reject\n  match: {regex: 'END'}\n");
    struct buf text = BUF_INIT, masked = BUF_INIT;
    struct verdict v;
    size_t of_mask = 0;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        buf_add_text(&text, "spam ");
        buf_add_text(&masked, "**** ");
    }
    judge_text(judge, set, buf_span(&text), &v);
    assert_int_equal(v.action, ACTION_MASK);
    assert_true(span_equal(v.becomes, buf_span(&masked)));
    assert_true(v.hits_cut);
    assert_int_equal(v.hit_count, JUDGE_MAX_HITS);
    for (size_t i = 0; i < v.hit_count; i++)
        of_mask += strcmp(v.hits[i].rule, "mask") == 0 && v.hits[i].start == i * 5;
    assert_int_equal(of_mask, JUDGE_MAX_HITS);

    buf_add_text(&text, "END");
    judge_text(judge, set, buf_span(&text), &v);
    assert_int_equal(v.action, ACTION_REJECT);
    assert_string_equal(v.hits[v.hit_count - 1].rule, "reject");
    buf_release(&text);
    buf_release(&masked);
    ruleset_unref(set);
}

/* A text made to match more often than is looked at is rejected rather than half masked. */
static void too_many_matches_are_rejected(void **state)
{
    struct ruleset *set = set_of("- list: w\n  boundary: any\n  terms: [a, aa, aaa, aaaa, aaaaa]\n"
                                 "- rule: flag\n  action: flag\n  match: {terms: w}\n");
    struct buf text = BUF_INIT;
    struct verdict v;

    (void)state;
    for (int i = 0; i < 50000; i++)
        buf_add_char(&text, 'a');
    judge_text(judge, set, buf_span(&text), &v);
    assert_int_equal(v.action, ACTION_REJECT);
    assert_int_equal(v.decided_by, DECIDED_OVERLOAD);
    assert_int_equal(v.error_code, 1);
    judge_text(judge, set, SPAN("a"), &v);
    assert_int_equal(v.action, ACTION_FLAG);
    buf_release(&text);
    ruleset_unref(set);
}

/* Nor can a text keep the engine busy with what only looks like a match. */
static void too_many_candidates_are_rejected(void **state)
{
    struct ruleset *set = set_of(
        "- list: w\n  folding: [leet]\n  terms: [aba, abab, ababa, ababab, abababa, abababab, bab, baba, babab, bababa, bababab, babababa]\n"
        "- rule: flag\n  action: flag\n  match: {terms: w}\n");
    struct buf text = BUF_INIT;
    struct verdict v;

    (void)state;
    buf_add_text(&text, "xx");
    while (text.len < 20000)
        buf_add_text(&text, "ab");
    buf_add_text(&text, "xx");
    judge_text(judge, set, buf_span(&text), &v);
    assert_int_equal(v.action, ACTION_ALLOW); /* all are within a word */
    assert_int_equal(v.decided_by, DECIDED_DEFAULT);
    while (text.len < 60000)
        buf_add_text(&text, "ab");
    judge_text(judge, set, buf_span(&text), &v);
    assert_int_equal(v.action, ACTION_REJECT);
    assert_int_equal(v.decided_by, DECIDED_OVERLOAD);
    judge_text(judge, set, SPAN("aba"), &v);
    assert_int_equal(v.action, ACTION_FLAG);
    buf_release(&text);
    ruleset_unref(set);
}

static void too_long_a_message_is_rejected(void **state)
{
    struct ruleset *set = set_of("- rule: flag\n  action: flag\n  match: {regex: flag}\n"), *none = set_of("[]");
    struct buf text = BUF_INIT;
    struct verdict v;

    (void)state;
    while (text.len < JUDGE_MAX_TEXT)
        buf_add_char(&text, 'a');
    judge_text(judge, set, buf_span(&text), &v);
    assert_int_equal(v.action, ACTION_ALLOW);
    buf_add_char(&text, 'a');
    judge_text(judge, set, buf_span(&text), &v);
    assert_int_equal(v.action, ACTION_REJECT);
    assert_int_equal(v.decided_by, DECIDED_OVERLOAD);
    assert_int_equal(v.error_code, 1);
    judge_text(judge, none, buf_span(&text), &v);
    assert_int_equal(v.action, ACTION_ALLOW);
    buf_release(&text);
    ruleset_unref(none);
    ruleset_unref(set);
}

/* What has no bytes may have no address either. */
static void empty_pieces_are_judged(void **state)
{
    struct ruleset *set = set_of("- rule: a\n  action: flag\n  match: { any: [ { length: { at_most: 5 } },\n"
                                 "    { json: { in: custom_element, path: a, exists: true } } ] }\n"
                                 "- rule: b\n  action: replace\n  replace: x\n  match: { lines: { at_most: 5 } }\n");
    const struct text_piece pieces[] = {{TEXT_CUSTOM_DATA, 0, 0, 0}, {TEXT_TEXT, 1, 0, 0}};
    struct message message = {.command = COMMAND_BEFORE, .pieces = pieces, .piece_count = 2};
    struct verdict v;

    (void)state;
    judge_message(judge, set, &message, NULL, &v);
    assert_int_equal(v.action, ACTION_REPLACE);
    assert_span(v.becomes, "x");
    ruleset_unref(set);
}

static void odd_inputs_are_judged(void **state)
{
    static const char zero[] = "idi\0ot idiot";
    struct ruleset *set = set_of("- list: w\n  terms: [idiot]\n- rule: r\n  action: mask\n  match: {terms: w}\n");
    struct message none = {.command = COMMAND_BEFORE};
    struct verdict v;

    (void)state;
    judge_text(judge, NULL, SPAN("idiot"), &v);
    assert_int_equal(v.action, ACTION_ALLOW);
    assert_int_equal(v.revision, 0);
    judge_message(judge, set, &none, NULL, &v);
    assert_int_equal(v.action, ACTION_ALLOW);
    judge_text(judge, set, SPAN("\xFFidiot\xE4\xBD \xF0\x9F"), &v);
    assert_int_equal(v.action, ACTION_MASK);
    assert_span(v.becomes, "?*****?? ??");
    assert_int_equal(v.hits[0].start, 1);
    judge_text(judge, set, (struct span){zero, sizeof(zero) - 1}, &v);
    assert_int_equal(v.action, ACTION_MASK);
    assert_int_equal(v.hits[0].start, 7);
    ruleset_unref(set);
}

#define CORRECTING                                                                                                     \
    "- rule: ban\n  action: discard\n  replace: '[removed]'\n  then: [mute 1m, resend]\n  match: {regex: bomb}\n"      \
    "- rule: fine\n  action: allow\n  match: {regex: 'bombast|spamalot'}\n"                                            \
    "- rule: long\n  action: reject\n  then: resend\n  match: {length: {more_than: 20}}\n"                             \
    "- rule: note\n  action: flag\n  match: {regex: note}\n"                                                           \
    "- rule: quiet\n  action: reject\n  then: [recall]\n  match: {regex: quiet}\n"                                     \
    "- rule: rude\n  action: mask\n  mask: '#'\n  match: {regex: idiot}\n"                                             \
    "- rule: shadow\n  mode: shadow\n  action: mask\n  match: {regex: grey}\n"                                         \
    "- rule: spam\n  action: reject\n  mask: _\n  then: [resend]\n  match: {regex: 'spam|\"'}\n"                       \
    "- rule: swap\n  action: replace\n  replace: swapped\n  match: {regex: swapme}\n"

/* What a resend sends in place of a message that was rejected or discarded. */
static void corrected_texts(void **state)
{
    static const struct verdict_case cases[] = {
        {"spam", ACTION_REJECT, "spam", "____"},
        {"idiot, SPAM spam", ACTION_REJECT, "spam", "#####, SPAM ____"},
        {"note grey spam", ACTION_REJECT, "spam", "note grey ____"}, /* neither flags nor shadows mask */
        {"spam swapme", ACTION_REJECT, "spam", "____ ******"},       /* a weaker replacement is a mask beside */
        {"spamalot spam", ACTION_REJECT, "spam", "spamalot ____"},
        {"a bomb, spam", ACTION_DISCARD, "ban", "[removed]"},
        {"bombast bomb", ACTION_DISCARD, "ban", "[removed]"},
        {"quiet", ACTION_REJECT, "quiet", NULL},
        {"quiet spam", ACTION_REJECT, "quiet", NULL},                  /* which decides, and asks for no resend */
        {"nothing bad but far too long", ACTION_REJECT, "long", NULL}, /* and nothing to mask */
        {"nothing but idiot and too long", ACTION_REJECT, "long", "nothing but ##### and too long"},
        {"swapme", ACTION_REPLACE, "swap", "swapped"},
    };
    struct ruleset *set = set_of(CORRECTING);
    struct verdict v;

    (void)state;
    check_cases(set, cases, sizeof(cases) / sizeof(*cases));
    judge_text(judge, set, SPAN("spam"), &v);
    assert_int_equal(v.rewrite_count, 0); /* nothing for the reply */
    assert_null(v.rewrites);
    assert_int_equal(v.error_code, 1);
    assert_true(verdict_wants_resend(&v));
    judge_text(judge, set, SPAN("quiet"), &v);
    assert_false(verdict_wants_resend(&v));
    ruleset_unref(set);
}

static void corrected_messages(void **state)
{
    static const struct {
        struct {
            enum text_source source;
            const char *text;
        } pieces[2];
        const char *custom_data, *becomes, *new_custom_data;
    } cases[] = {
        {{{TEXT_TEXT, "a sp"}, {TEXT_TEXT, "am"}}, NULL, "a ____", NULL},
        {{{TEXT_TEXT, "spam"}}, "{\"a\":1,\"b\":spam}", "____", "{_a_:1,_b_:____}"}, /* no JSON before either */
        {{{TEXT_TEXT, "hello"}}, "say spam", "hello", "say ____"},
        {{{TEXT_TEXT, "spam"}}, "{\"a\":1}", NULL, NULL},                     /* would stop being JSON */
        {{{TEXT_TEXT, "hi"}, {TEXT_RELAY_NESTED, "spam"}}, NULL, NULL, NULL}, /* cannot be written */
        {{{TEXT_TEXT, "a bomb"}, {TEXT_TEXT, "!"}}, "spam", "[removed]", "____"},
        {{{TEXT_CUSTOM_DATA, "hi"}}, "bomb", "hi", "[removed]"},
    };
    struct ruleset *set = set_of(CORRECTING);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (int after = 0; after < 2; after++) {
            struct test_message t;
            struct verdict v;

            message_init(&t, after ? COMMAND_AFTER : COMMAND_BEFORE);
            for (size_t p = 0; p < 2 && cases[i].pieces[p].text; p++)
                message_add(&t, cases[i].pieces[p].source, cases[i].pieces[p].text);
            t.message.cloud_custom_data = given(cases[i].custom_data);
            judge_message(judge, set, &t.message, NULL, &v);
            assert_true(v.action >= ACTION_REJECT);
            assert_int_equal(v.decided_by, DECIDED_RULE);
            assert_int_equal(v.rewrite_count, 0);
            if (cases[i].becomes)
                assert_span(v.becomes, cases[i].becomes);
            else
                assert_null(v.becomes.data);
            if (cases[i].new_custom_data)
                assert_span(*v.cloud_custom_data, cases[i].new_custom_data);
            else
                assert_null(v.cloud_custom_data);
            buf_release(&t.text);
        }
    }
    ruleset_unref(set);
}

/* What lies behind the last match looked at must not go out unmasked. */
static void half_a_correction_is_none(void **state)
{
    struct ruleset *set = set_of("- list: w\n  boundary: any\n  terms: [a, aa, aaa, aaaa, aaaaa]\n"
                                 "- rule: masked\n  action: reject\n  then: resend\n  match: {terms: w}\n"
                                 "- rule: replaced\n  action: discard\n  replace: gone\n  then: resend\n"
                                 "  match: {length: {more_than: 50000}}\n");
    struct buf text = BUF_INIT;
    struct verdict v;

    (void)state;
    buf_add_char(&text, 'b');
    for (int i = 0; i < 50000; i++)
        buf_add_char(&text, 'a');
    judge_text(judge, set, (struct span){text.data + 1, text.len - 1}, &v);
    assert_int_equal(v.action, ACTION_REJECT);
    assert_null(v.becomes.data);
    judge_text(judge, set, buf_span(&text), &v);
    assert_int_equal(v.action, ACTION_DISCARD);
    assert_span(v.becomes, "gone");
    judge_text(judge, set, SPAN("xa"), &v);
    assert_span(v.becomes, "x*");
    buf_release(&text);
    ruleset_unref(set);
}

static void a_scorecard_corrects(void **state)
{
    static const struct verdict_case cases[] = {
        {"one", ACTION_MASK, "card", "+++"},
        {"one two", ACTION_REJECT, "card", "+++ +++"},
        {"one two idiot", ACTION_REJECT, "card", "+++ +++ *****"},
    };
    struct ruleset *set = set_of("- scorecard: card\n  at: {mask: 1, reject: 2}\n  mask: +\n  then: resend\n"
                                 "- rule: one\n  score: {card: 1}\n  match: {regex: one}\n"
                                 "- rule: rude\n  action: mask\n  match: {regex: idiot}\n"
                                 "- rule: two\n  score: {card: 1}\n  match: {regex: two}\n");

    (void)state;
    check_cases(set, cases, sizeof(cases) / sizeof(*cases));
    ruleset_unref(set);
}

/* One judge goes from set to set and back. */
static void a_judge_changes_sets(void **state)
{
    struct ruleset *a = set_of("- rule: a\n  action: flag\n  match: {regex: x}\n");
    struct ruleset *b = set_of("- list: w\n  terms: [x, y, z]\n- rule: b\n  action: mask\n  match: {terms: w}\n");
    struct ruleset *empty = set_of("");
    struct verdict v;

    (void)state;
    for (int i = 0; i < 3; i++) {
        judge_text(judge, a, SPAN("x"), &v);
        assert_int_equal(v.action, ACTION_FLAG);
        judge_text(judge, b, SPAN("x"), &v);
        assert_int_equal(v.action, ACTION_MASK);
        judge_text(judge, empty, SPAN("x"), &v);
        assert_int_equal(v.action, ACTION_ALLOW);
    }
    ruleset_unref(a);
    ruleset_unref(b);
    ruleset_unref(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_combine),
        cmocka_unit_test(absence_can_be_a_condition),
        cmocka_unit_test(allow_covers_what_it_contains),
        cmocka_unit_test(expressions_match_once),
        cmocka_unit_test(scope_and_phase_choose),
        cmocka_unit_test(hits_tell_why),
        cmocka_unit_test(rewriting_keeps_the_rest),
        cmocka_unit_test(becomes_shows_the_whole),
        cmocka_unit_test(many_hits_change_nothing),
        cmocka_unit_test(too_many_matches_are_rejected),
        cmocka_unit_test(too_many_candidates_are_rejected),
        cmocka_unit_test(too_long_a_message_is_rejected),
        cmocka_unit_test(empty_pieces_are_judged),
        cmocka_unit_test(odd_inputs_are_judged),
        cmocka_unit_test(corrected_texts),
        cmocka_unit_test(corrected_messages),
        cmocka_unit_test(half_a_correction_is_none),
        cmocka_unit_test(a_scorecard_corrects),
        cmocka_unit_test(a_judge_changes_sets),
    };

    return cmocka_run_group_tests(tests, make_judge, free_judge);
}
