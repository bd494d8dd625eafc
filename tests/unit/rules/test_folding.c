/* The steps of folding beyond case and invisible, and what a match must prove: rows of a folding, a term, a text and
 * the bytes of the text that are the term. */
#include "base/utf8.h"
#include "rules_helpers.h"

#include "rules/folding/folding.h"
#include "rules/matcher.h"

struct row {
    const char *folding, *term, *text;
    const char *found; /* NULL: nothing is */
};

static const struct row rows[] = {
    /* accents: marks, precomposed, strokes */
    {"accents", "zorblat", "a zórblåt!", "zórblåt"},
    {"accents", "zorblat", "z\u0300\u0316o\u0308rblat", "z\u0300\u0316o\u0308rblat"},
    {"accents", "zorblat", "zøɍƀłaŧ", "zøɍƀłaŧ"},
    {"accents", "aether", "æther", "æther"},
    {"accents", "ether", "æther", NULL}, /* half a character is no edge */
    {"case, invisible", "zorblat", "zórblat", NULL},
    {"accents", "が", "か", NULL}, /* another letter, not an accent */
    /* letters in other dress */
    {"letters", "zorblat", "🅉🅞🅡🅑🅻🅐🅃", "🅉🅞🅡🅑🅻🅐🅃"},
    {"letters", "zorblat", "⒵⒪⒭⒝⒧⒜⒯", "⒵⒪⒭⒝⒧⒜⒯"},
    {"letters", "zorblat", "🇿🇴🇷🇧🇱🇦🇹", "🇿🇴🇷🇧🇱🇦🇹"},
    {"letters", "zorblat", "ᴢᴏʀʙʟᴀᴛ", "ᴢᴏʀʙʟᴀᴛ"},
    /* look-alikes */
    {"lookalikes", "zorblat", "zоrЬlаt", "zоrЬlаt"},
    {"lookalikes", "nova", "Νoνa", "Νoνa"}, /* a capital nu is N, a small one v */
    {"lookalikes", "zorblat", "乙口尺乃丨卂丅", "乙口尺乃丨卂丅"},
    {"lookalikes", "gimtl", "glmt|", "glmt|"},
    {"lookalikes", "код", "код", "код"},
    {"lookalikes", "zorblat", "zorb1at", "zorb1at"},
    /* leet */
    {"leet", "kwimper", "kw1mp3r", "kw1mp3r"},
    {"leet", "shit", "what a $h!t", "$h!t"},
    {"leet", "shit", "oh shit!", "shit"},
    {"leet", "ass", "room 455", NULL},
    {"leet", "ass", "an a55", "a55"},
    {"leet", "at", "gre@t", NULL},
    {"leet", "code77", "codett", NULL}, /* a letter is no digit */
    {"leet", "1011", "oil", NULL},
    {"leet", "1011", "call lO11", "lO11"},
    /* numbers */
    {"numbers", "群号5213", "群号五②壹３", "群号五②壹３"},
    {"numbers", "5213", "Ⅴ2⒈٣", "Ⅴ2⒈٣"},
    {"numbers", "code15", "code⑮", "code⑮"},
    {"numbers", "77", "777", NULL},
    /* traditional, simplified and variants */
    {"simplified", "发财猫", "發財貓", "發財貓"},
    {"simplified", "聽風樓", "听风楼", "听风楼"},
    {"case, invisible", "发财猫", "發財貓", NULL},
    /* separators */
    {"separators", "zorblat", "a z.o-r_b*l~a…t b", "z.o-r_b*l~a…t"},
    {"separators", "zorblat", "zor.blat", "zor.blat"},
    {"separators", "zorblat", "z o r b l a t", "z o r b l a t"},
    {"separators", "zorblat", "z orblat", "z orblat"},
    {"separators", "zorblat", "z\no\nr\nb\nl\na\nt", "z\no\nr\nb\nl\na\nt"},
    {"separators", "zorblat", "z🔥o🔥r🔥b🔥l🔥a🔥t", "z🔥o🔥r🔥b🔥l🔥a🔥t"},
    {"separators", "anal", "an al", NULL},
    {"separators", "whore", "who re", NULL},
    {"separators", "whore", "I know who. Re: yes", NULL},
    {"separators", "whore", "well, who, re", NULL},
    {"separators", "ass", "class", NULL},
    {"separators", "ass", "c.l.a.s.s", NULL},
    {"separators", "shut up", "shutup now", "shutup"},
    {"separators", "shut up", "please shut up", "shut up"},
    {"separators", "shut up", "s-h-u-t u-p", "s-h-u-t u-p"},
    {"separators", "铁莲", "他说铁。莲啊", "铁。莲"},
    {"separators", "铁莲", "铁 莲", "铁 莲"},
    {"separators", "zorblat", "z.........orblat", NULL}, /* nine are too many */
    {"separators", "zorblat", "z........orblat", "z........orblat"},
    {"separators, leet", "kwimper", "k.w.!.m.p.e.r", "k.w.!.m.p.e.r"},
    {"separators, leet", "kwimper", "k!w!i!m!p!e!r", "k!w!i!m!p!e!r"},
    /* repeats */
    {"repeats", "zorblat", "zzzoorblaaaat", "zzzoorblaaaat"},
    {"repeats", "ass", "as you like", NULL},
    {"repeats", "ass", "asssss", "asssss"},
    {"repeats", "drazzika", "drazika", NULL},
    {"repeats", "77a", "777a", NULL},
    {"repeats", "铁莲", "铁铁铁莲莲", "铁铁铁莲莲"},
    {"repeats, separators", "shit", "this shit", "shit"},
    {"repeats, separators", "zorblat", "zz o rrr b l aa t", "zz o rrr b l aa t"},
    /* self-censored */
    {"censored", "zorblat", "z*rb#at", "z*rb#at"},
    {"censored", "zorblat", "z****at", NULL}, /* more than half */
    {"censored", "zorblat", "*orblat", NULL}, /* the first */
    {"censored", "zorblat", "xz*rblat", NULL},
    {"censored", "zorblat", "z*rblats", NULL},
    {"censored", "zorblat", "z**rblat", NULL}, /* one for one */
    {"censored", "铁莲", "好铁*啊", "铁*"},
    {"censored", "铁莲", "铁×3", NULL},
    {"censored", "铁莲", "**铁**", NULL},
    {"censored, leet", "kwimper", "kw*mp3r", "kw*mp3r"},
    {"censored, separators", "zorblat", "z.*.r.b.l.a.t", "z.*.r.b.l.a.t"},
    {"censored, repeats", "drazzika", "ddrrraz_ika", "ddrrraz_ika"},
    {"censored, homophones", "雪山虎豆", "雪闪●豆", "雪闪●豆"},
    /* readings */
    {"pinyin", "发财猫", "fa财mao", "fa财mao"},
    {"pinyin", "发财猫", "FaCaiMao", "FaCaiMao"},
    {"pinyin", "发财猫", "afacaimao", NULL},
    {"pinyin", "发财猫", "我说facaimao啊", "facaimao"},
    {"pinyin", "绿帆", "lv'fan", "lv'fan"},
    {"pinyin", "绿帆", "lufan", "lufan"},
    {"pinyin", "绿帆", "lüfan", "lüfan"},
    {"pinyin", "发财猫", "发才猫", NULL}, /* another character */
    {"pinyin", "猫", "mao", NULL},        /* one reading is no term */
    {"pinyin", "西安", "先", NULL},       /* xian is not xi an */
    {"pinyin", "妈妈", "妈ma", "妈ma"},
    {"pinyin", "shit", "是it", NULL},
    {"homophones", "发财猫", "法才毛", "法才毛"},
    {"homophones", "发财猫", "facaimao", NULL},
    {"homophones", "西安", "先", NULL},
    {"homophones", "猫", "毛", NULL},
    {"initials", "发财猫", "FCM", "FCM"},
    {"initials", "发财猫", "xfcm", NULL},
    {"initials", "猫眼", "my name", NULL}, /* would be a word */
    {"pinyin, numbers", "六合彩", "liuhecai", "liuhecai"},
    {"pinyin, numbers", "六合彩", "6合cai", "6合cai"},
    {"all", "六合彩", "流合菜", "流合菜"},
    {"all", "六合彩", "陸合彩", "陸合彩"},
    {"initials, leet", "法轮鼓", "F-16", NULL},
    {"all", "法轮功", "an F-16", NULL},
    {"censored", "tit", "so sad T_T", NULL},
    {"censored", "tit", "t*t", "t*t"},
    {"censored", "sex", "s*x now", "s*x"},
    {"pinyin, lookalikes", "铁莲", "tieIian", "tieIian"},
    /* everything together */
    {"all", "zorblat", "Ｚ.ø.Ｒ.8.1.@.т", "Ｚ.ø.Ｒ.8.1.@.т"},
    {"all", "发财猫", "發_才毛", "發_才毛"},
    {"all", "zorblat", "it is a nice day, isn't it", NULL},
};

static struct verdict judge_row(struct judge *j, const struct row *row, struct ruleset **set)
{
    struct buf yaml = BUF_INIT;
    struct verdict v;

    buf_addf(
        &yaml,
        "- list: words\n  folding: [%s]\n  terms: [\"%s\"]\n- rule: r\n  match: { terms: words }\n  action: flag\n",
        row->folding, row->term);
    *set = set_of(buf_text(&yaml));
    judge_text(j, *set, span_of(row->text), &v);
    buf_release(&yaml);
    return v;
}

static bool row_holds(const struct row *row, const struct verdict *v)
{
    for (size_t i = 0; i < v->hit_count && row->found; i++) {
        struct span hit = {row->text + v->hits[i].start, v->hits[i].end - v->hits[i].start};

        if (span_is(hit, row->found))
            return true;
    }
    return !row->found && !v->hit_count;
}

static void matches_prove_themselves(void **state)
{
    struct judge *j = judge_new();
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct ruleset *set;
        struct verdict v = judge_row(j, &rows[i], &set);

        if (!row_holds(&rows[i], &v)) {
            print_error("[%s] %s in \"%s\": %zu hits", rows[i].folding, rows[i].term, rows[i].text, v.hit_count);
            for (size_t k = 0; k < v.hit_count; k++)
                print_error(" %u..%u", v.hits[k].start, v.hits[k].end);
            print_error("\n");
            wrong++;
        }
        ruleset_unref(set);
    }
    judge_free(j);
    assert_int_equal(wrong, 0);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* A character out of the places where folding does something. */
static uint32_t odd_character(uint64_t *seed)
{
    static const struct {
        uint32_t from, to;
    } places[] = {
        {' ', '~'},         {' ', '~'},         {0xA0, 0x17F},      {0x300, 0x34F},   {0x370, 0x4FF},
        {0x660, 0x669},     {0xE00, 0xE5B},     {0x1D00, 0x1D7F},   {0x200B, 0x206F}, {0x20D0, 0x20E3},
        {0x2160, 0x217F},   {0x2460, 0x24FF},   {0x25A0, 0x25FF},   {0x3000, 0x30FF}, {0x4E00, 0x9FA5},
        {0xAC00, 0xAC40},   {0xFB00, 0xFB06},   {0xFF00, 0xFFEF},   {0xFFFD, 0xFFFD}, {0x1F100, 0x1F1FF},
        {0x1F600, 0x1F64F}, {0x2F800, 0x2F81F}, {0xE0020, 0xE007F},
    };
    size_t p = next_random(seed) % (sizeof(places) / sizeof(*places));

    return places[p].from + (uint32_t)(next_random(seed) % (places[p].to - places[p].from + 1));
}

static bool starts_character(struct span text, size_t at)
{
    return at == text.len || ((unsigned char)text.data[at] & 0xC0) != 0x80;
}

/* Units go forward in both texts, none is without bytes, and none cuts a character. */
static void check_units(const struct folded *base, const struct units *u, struct span text)
{
    for (size_t i = 0; i < u->count; i++) {
        const struct unit *unit = &u->items[i], *before = i ? unit - 1 : NULL;
        uint32_t start, end;

        assert_true(unit->at < u->text.len && starts_character(u->text, unit->at));
        assert_true(unit->end <= base->text.len && starts_character(base->text, unit->start));
        assert_true(starts_character(base->text, unit->end));
        assert_true(!before || (before->at <= unit->at && before->start <= unit->start && before->end <= unit->end));
        assert_true(!(unit->edges & UNIT_FIRST) || !before || (before->edges & UNIT_LAST));
        if (unit->start == unit->end) { /* what parts words that are too far from each other */
            assert_int_equal(unit->kind, UNIT_OTHER);
            continue;
        }
        folded_range(base, unit->start, unit->end, &start, &end);
        assert_true(start < end && end <= text.len);
        assert_true(starts_character(text, start) && starts_character(text, end));
        assert_true(u->items[units_at(u, unit->at)].at == unit->at);
    }
    if (u->count)
        assert_true(u->items[u->count - 1].edges & UNIT_LAST);
}

static void units_lead_back(void **state)
{
    static const unsigned foldings[] = {FOLD_ALL, FOLD_ALL & ~(unsigned)FOLD_SEPARATORS, FOLD_REPEATS | FOLD_LEET,
                                        FOLD_HOMOPHONES | FOLD_REPEATS, FOLD_NUMBERS | FOLD_ACCENTS | FOLD_LETTERS};
    struct folded base = FOLDED_INIT;
    struct units units = UNITS_INIT;
    uint64_t seed = 20251124;

    (void)state;
    for (size_t f = 0; f < sizeof(foldings) / sizeof(*foldings); f++) {
        struct folding *folding = folding_new(&(struct fold_spec){.steps = foldings[f]}, NULL, 0);

        assert_non_null(folding);
        for (int round = 0; round < 4000; round++) {
            char text[400];
            size_t len = 0, count = next_random(&seed) % 60;

            for (size_t i = 0; i < count; i++) {
                uint32_t c = odd_character(&seed);

                for (size_t times = next_random(&seed) % 4 ? 1 : 3; times && len + 4 < sizeof(text); times--)
                    len += utf8_encode(c, text + len);
            }
            for (int reading = 0; reading < FOLDING_READINGS; reading++) {
                struct span s = {text, len};

                assert_int_equal(folding_apply_text(folding, (enum folding_reading)reading, s, &base, &units), 0);
                check_units(&base, &units, s);
            }
        }
        folding_free(folding);
    }
    folded_release(&base);
    units_release(&units);
}

static void tables_of_the_operator_come_first(void **state)
{
    struct ruleset *set = set_of(
        "- table: slang\n  map: { \"弓虫\": \"强\", \"4u\": \"for you\", \"弓\": \"x\", \"4\": \"four\", \"4uz\": \"-\", \"4uza\": \"+\" }\n"
        "- list: words\n  tables: [slang]\n  terms: [\"强大\", \"free for you\"]\n"
        "- rule: r\n  match: { terms: words }\n  action: mask\n");
    struct judge *j = judge_new();
    struct verdict v;

    (void)state;
    judge_text(j, set, SPAN("很弓虫大啊"), &v);
    assert_int_equal(v.hit_count, 1);
    assert_int_equal(v.hits[0].start, 3);
    assert_int_equal(v.hits[0].end, 12);
    assert_string_equal(v.hits[0].folding, "case+invisible+@slang");
    judge_text(j, set, SPAN("free 4U now"), &v);
    assert_int_equal(v.hit_count, 1);
    assert_int_equal(v.hits[0].end, 7);
    judge_text(j, set, SPAN("弓大"), &v);
    assert_int_equal(v.hit_count, 0);
    judge_text(j, set, SPAN("free 4uy"), &v); /* the longest that is there: 4u, then a letter */
    assert_int_equal(v.hit_count, 0);
    judge_text(j, set, SPAN("free 4u zz"), &v);
    assert_int_equal(v.hit_count, 1);
    judge_text(j, set, SPAN("free 4uzb"), &v);
    assert_int_equal(v.hit_count, 0);
    judge_free(j);
    ruleset_unref(set);
}

/* JSON inside CloudCustomData: a match that begins or ends in an escape covers all of it. */
static void escapes_hide_nothing(void **state)
{
    static const struct {
        const char *data, *found;
    } cases[] = {
        {"{\"a\":\"z\\u006Frblat\"}", "z\\u006Frblat"},
        {"{\"a\":\"\\u007aorbla\\u0074!\"}", "\\u007aorbla\\u0074"},
        {"{\"a\":\"\\ud835\\udc33orblat\"}", "\\ud835\\udc33orblat"}, /* a mathematical z */
        {"{\"a\":\"zor\\u0000blat\"}", "zor\\u0000blat"},
        {"{\"a\":\"z\\\\u006Frblat\"}", NULL}, /* an escaped backslash */
        {"{\"a\":\"z\\u00zzorblat\"}", NULL},
        {"{\"a\":\"x\\nzorblat\"}", "zorblat"}, /* a line end, not an n */
    };
    struct ruleset *set = set_of("- list: words\n  terms: [zorblat]\n"
                                 "- rule: r\n  match: { terms: words }\n  action: flag\n");
    struct judge *j = judge_new();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct test_message t;
        struct verdict v;

        message_init(&t, COMMAND_BEFORE);
        message_add(&t, TEXT_TEXT, "hello");
        t.message.cloud_custom_data = given(cases[i].data);
        judge_message(j, set, &t.message, NULL, &v);
        assert_int_equal(v.hit_count, cases[i].found != NULL);
        if (cases[i].found)
            assert_span((struct span){cases[i].data + v.hits[0].start, v.hits[0].end - v.hits[0].start},
                        cases[i].found);
        buf_release(&t.text);
    }
    judge_free(j);
    ruleset_unref(set);
}

static void words_are_split_over_messages(void **state)
{
    static const struct {
        const char *earlier, *text;
        unsigned end; /* of the hit; 0: none */
    } cases[] = {
        {"zor\x1f", "blat", 4},
        {"hello\x1fz\x1f"
         "or\x1f",
         "blat", 4},
        {"zor \x1f", " blat!", 5},
        {"a zor\x1f", "blat", 0},
        {"zor\x1f", "blat and so on", 0},
        {"who\x1f", "re: yes", 0},
        {"zorblat\x1f", "hello", 0}, /* was judged then */
        {"我说铁\x1f", "莲啊", 3},
        {"", "blat", 0},
    };
    static const char *const foldings[] = {"split", "split, separators, repeats", "all"};
    struct judge *j = judge_new();

    (void)state;
    for (size_t f = 0; f < sizeof(foldings) / sizeof(*foldings); f++) {
        struct buf yaml = BUF_INIT;
        struct ruleset *set;

        buf_addf(&yaml,
                 "- list: words\n  folding: [%s]\n  terms: [zorblat, whore, 铁莲]\n"
                 "- rule: r\n  match: { terms: words }\n  action: mask\n",
                 foldings[f]);
        set = set_of(buf_text(&yaml));
        assert_true(ruleset_wants_earlier(set));
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
            struct circumstances around = {.earlier = span_of(cases[i].earlier)};
            struct test_message t;
            struct verdict v;

            message_init(&t, COMMAND_BEFORE);
            message_add(&t, TEXT_TEXT, cases[i].text);
            judge_message(j, set, &t.message, &around, &v);
            if (v.hit_count != (cases[i].end > 0))
                print_error("[%s] \"%s\" after \"%s\"\n", foldings[f], cases[i].text, cases[i].earlier);
            assert_int_equal(v.hit_count, cases[i].end > 0);
            if (cases[i].end) {
                assert_int_equal(v.hits[0].start, 0);
                assert_int_equal(v.hits[0].end, cases[i].end);
            }
            buf_release(&t.text);
        }
        ruleset_unref(set);
        buf_release(&yaml);
    }
    judge_free(j);
}

static void check_refused(const char *yaml, const char *why)
{
    struct rule_document *doc = rule_document_new();
    struct faults faults = FAULTS_INIT;
    struct ruleset *set = NULL;

    if (rule_document_read_text(doc, "r.yaml", span_of(yaml), &faults) == 0)
        assert_int_equal(ruleset_compile(&set, doc, 1, NULL, &faults), ERR_USAGE);
    if (!strstr(buf_text(&faults.text), why))
        print_error("%s\n", buf_text(&faults.text));
    assert_non_null(strstr(buf_text(&faults.text), why));
    assert_null(set);
    rule_document_free(doc);
    faults_release(&faults);
}

static void what_cannot_be_is_refused(void **state)
{
    struct buf yaml = BUF_INIT;

    (void)state;
    check_refused(
        "- list: w\n  folding: [separators]\n  terms: [\"!!!\"]\n- rule: r\n  match: {terms: w}\n  action: flag\n",
        "folds to nothing");
    for (unsigned i = 1; i <= 17; i++)
        buf_addf(&yaml, "- rule: r%u\n  match: { regex: x, folding: [case, invisible%s%s%s%s%s] }\n  action: flag\n", i,
                 i & 1 ? ", accents" : "", i & 2 ? ", letters" : "", i & 4 ? ", leet" : "", i & 8 ? ", numbers" : "",
                 i & 16 ? ", repeats" : "");
    check_refused(buf_text(&yaml), "17 different foldings");
    buf_release(&yaml);
}

/* Repeats are counted as they unroll, so that nested ones do not keep the compiler busy. */
static void expression_bombs_are_refused(void **state)
{
#define ten_groups      "(a*b)*(a*c)+(a*d)?(a*e)*(a*f)*(a*g)*(a*h)*(a*i)*(a*j)*(?:a*k){2}"
#define four_properties "\\p{L}+\\P{Lu}+[\\p{N}x]\\pN"
    static const struct {
        const char *expression;
        bool refused;
    } cases[] = {
        {"\\d{3}-\\d{4,8}", false},
        {"(a{1,30}){1,30}x", false}, /* 930: left to vectorscan, which is quick about it */
        {"(a{1,40}){1,40}x", true},
        {"((((a{1,6}){1,6}){1,6}){1,6}){1,9}", true},
        {"x\\p{L}{1,50}y", true},
        {"[\\p{L}x]{20}", true},
        {"\\p{Lu}{2,4}x", false},
        {"(\\w{1,9}\\.){1,5}", false},
        {"[{]{2}", false},
        {"\\{9999\\}", false},
        {"(abc){999999999999}", true},
        {ten_groups "z", false},
        {ten_groups ten_groups ten_groups ten_groups "(\\w*a)*z", true},
        {"\\p{L}x\\p{N}x[\\p{L}\\p{N}]+", false},
        {four_properties four_properties four_properties four_properties "\\p{L}", true},
    };
#undef ten_groups
#undef four_properties
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool refused = matcher_check_expression(cases[i].expression, &err) < 0;

        if (refused != cases[i].refused)
            print_error("%s\n", cases[i].expression);
        assert_int_equal(refused, cases[i].refused);
    }
}

/* More signs than the walk may take steps for: no verdict but a rejection is safe. */
static void a_walk_is_bounded(void **state)
{
    struct buf yaml = BUF_INIT, text = BUF_INIT;
    struct ruleset *set;
    struct judge *j = judge_new();
    struct verdict v;

    (void)state;
    buf_add_text(
        &yaml,
        "- rule: r\n  match: { terms: words }\n  action: flag\n- list: words\n  folding: [censored]\n  terms:\n");
    for (unsigned i = 0; i < 5000; i++)
        buf_addf(&yaml, "    - k%c%c%cabcdefgh\n", 'a' + i % 17, 'a' + i / 17 % 17, 'a' + i / 289);
    set = set_of(buf_text(&yaml));
    for (unsigned i = 0; i < 2000; i++)
        buf_add_text(&text, "k***x ");
    judge_text(j, set, buf_span(&text), &v);
    assert_int_equal(v.action, ACTION_REJECT);
    assert_int_equal(v.decided_by, DECIDED_OVERLOAD);
    judge_text(j, set, SPAN("a k***abcdefgh here, kaaaabcdefgh"), &v);
    assert_true(v.hit_count > 0);
    assert_int_equal(v.action, ACTION_FLAG);
    judge_free(j);
    ruleset_unref(set);
    buf_release(&yaml);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_prove_themselves),          cmocka_unit_test(units_lead_back),
        cmocka_unit_test(tables_of_the_operator_come_first), cmocka_unit_test(escapes_hide_nothing),
        cmocka_unit_test(words_are_split_over_messages),     cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(expression_bombs_are_refused),      cmocka_unit_test(a_walk_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
