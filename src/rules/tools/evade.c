#include "rules/tools/evade.h"

#include "base/json_write.h"
#include "base/utf8.h"
#include "rules/arena.h"
#include "rules/tools/evade_letters.h"

#include <stdlib.h>

enum {
    FORMS = 64,      /* looked at for one character */
    FORM_BYTES = 24, /* of one of them */
};

struct forms { /* what can stand in one place */
    char items[FORMS][FORM_BYTES];
    size_t count;
};

struct evasions {
    struct arena arena;
    struct evade_variant *variants;
    size_t count, cap;
    bool failed;
};

/* What the function of a class works with. */
struct maker {
    struct evasions *e;
    struct evade_letters *letters;
    struct span term;
    uint32_t chars[EVADE_MAX_CHARACTERS];
    size_t count;
    struct forms *forms; /* one for each character */
    const struct evade_class *class;
    size_t first; /* index of the first variant of the class */
    size_t most;
    struct buf text; /* of the variant being made */
};

/* Making variants ---------------------------------------------------------------------------------------------------
 */

static bool is_full(const struct maker *m)
{
    return m->e->failed || m->e->count - m->first >= m->most;
}

static void add_variant(struct maker *m, enum evade_form form, struct span text, size_t cut)
{
    struct evasions *e = m->e;

    if (is_full(m) || (form == EVADE_TEXT && span_equal(text, m->term)))
        return;
    for (size_t i = m->first; i < e->count; i++)
        if (e->variants[i].form == form && e->variants[i].cut == cut && span_equal(e->variants[i].text, text))
            return;
    if (e->count == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 256;
        struct evade_variant *grown = realloc(e->variants, cap * sizeof(*grown));

        if (!grown) {
            e->failed = true;
            return;
        }
        e->variants = grown;
        e->cap = cap;
    }
    e->variants[e->count++] = (struct evade_variant){m->class, form, arena_span(&e->arena, text), cut};
}

/* Takes what stands in m->text as a variant, and empties it. */
static void done(struct maker *m)
{
    if (buf_failed(&m->text))
        m->e->failed = true;
    else
        add_variant(m, EVADE_TEXT, buf_span(&m->text), 0);
    buf_reset(&m->text);
}

static void add_char(struct buf *out, uint32_t c)
{
    char utf8[4];

    buf_add(out, utf8, utf8_encode(c, utf8));
}

static void add_form(struct forms *f, struct span text)
{
    if (f->count == FORMS || text.len >= FORM_BYTES)
        return;
    memcpy(f->items[f->count], text.data, text.len);
    f->items[f->count++][text.len] = '\0';
}

static void add_form_char(struct forms *f, uint32_t c)
{
    char utf8[4];

    add_form(f, (struct span){utf8, utf8_encode(c, utf8)});
}

static void clear_forms(struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        m->forms[i].count = 0;
}

static bool is_letter(const struct maker *m, size_t at)
{
    return evade_is_letter(m->chars[at]);
}

/* A word's letter that has a case, ASCII ones: what most tricks with letters are about. */
static bool is_latin(const struct maker *m, size_t at)
{
    uint32_t c = m->chars[at];

    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static uint32_t lower(uint32_t c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Takes as many of the forms of a character as there is room for, spread evenly over all of them. */
static void take_forms(struct maker *m, enum letter_kind kind, uint32_t c, size_t at)
{
    const uint32_t *forms;
    size_t count = evade_letter_forms(m->letters, kind, c, &forms), room = FORMS - m->forms[at].count;
    size_t taken = count < room ? count : room;

    for (size_t i = 0; i < taken; i++)
        add_form_char(&m->forms[at], forms[i * count / taken]);
}

/* The term with form number k in all places, or in one of them alone. */
static void put_forms(struct maker *m, size_t k, size_t only)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct forms *f = &m->forms[i];

        if (f->count > 0 && (only == m->count || only == i))
            buf_add_text(&m->text, f->items[k % f->count]);
        else
            add_char(&m->text, m->chars[i]);
    }
    done(m);
}

/* Half of the variants with every character replaced that can be, the rest with one of them alone. */
static void substitute(struct maker *m)
{
    size_t longest = 0, most = m->most;

    for (size_t i = 0; i < m->count; i++)
        longest = m->forms[i].count > longest ? m->forms[i].count : longest;
    m->most = (most + 1) / 2;
    for (size_t k = 0; k < longest; k++)
        put_forms(m, k, m->count);
    m->most = most;
    for (size_t k = 0; k < longest && !is_full(m); k++)
        for (size_t i = 0; i < m->count; i++)
            if (k < m->forms[i].count)
                put_forms(m, k, i);
}

static bool is_gap(const struct maker *m, size_t before)
{
    return before > 0 && m->chars[before] != ' ' && m->chars[before - 1] != ' ';
}

/* The term with `what` before all characters that follow another, or before one of them alone; times over. */
static void put_between(struct maker *m, const char *what, unsigned times, size_t only)
{
    for (size_t i = 0; i < m->count; i++) {
        if (is_gap(m, i) && (only == m->count || only == i))
            for (unsigned t = 0; t < times; t++)
                buf_add_text(&m->text, what);
        add_char(&m->text, m->chars[i]);
    }
    done(m);
}

static void insert(struct maker *m, const struct forms *what)
{
    for (size_t k = 0; k < what->count; k++)
        put_between(m, what->items[k], 1, m->count);
    for (size_t k = 0; k < what->count; k++)
        put_between(m, what->items[k], 1, m->count - m->count / 2);
    for (size_t k = 0; k < what->count; k++)
        put_between(m, what->items[k], 2, m->count);
    for (size_t i = 1; i < m->count && !is_full(m); i++)
        for (size_t k = 0; k < what->count; k++)
            put_between(m, what->items[k], 1, i);
}

/* The classes -------------------------------------------------------------------------------------------------------
 */

static void make_case(struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (evade_letter_upper(m->chars[i]) != m->chars[i])
            add_form_char(&m->forms[i], evade_letter_upper(m->chars[i]));
    put_forms(m, 0, m->count);
    for (size_t odd = 0; odd < 2; odd++) {
        for (size_t i = 0; i < m->count; i++)
            add_char(&m->text, i % 2 == odd ? evade_letter_upper(m->chars[i]) : m->chars[i]);
        done(m);
    }
    for (size_t i = 0; i < m->count; i++)
        put_forms(m, 0, i);
}

static void make_width(struct maker *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->chars[i] > ' ' && m->chars[i] < 0x7F)
            add_form_char(&m->forms[i], m->chars[i] - '!' + 0xFF01); /* first, so that a whole word can be full-width */
        take_forms(m, LETTER_COMPATIBLE, lower(m->chars[i]), i);
    }
    substitute(m);
}

static void make_invisible(struct maker *m)
{
    struct forms what = {.count = 0};
    const uint32_t *forms;
    size_t count = evade_letter_forms(m->letters, LETTER_INVISIBLE, 0, &forms);

    for (size_t i = 0; i < count; i++)
        add_form_char(&what, forms[i]);
    insert(m, &what);
}

static void make_accents(struct maker *m)
{
    static const uint32_t marks[] = {0x301, 0x308, 0x336, 0x323, 0x20D8}; /* one of each place around the letter */
    enum { MARKS = sizeof(marks) / sizeof(*marks) };

    for (size_t i = 0; i < m->count; i++) {
        if (!is_letter(m, i) || evade_is_han(m->chars[i]))
            continue;
        for (size_t k = 0; k <= MARKS; k++) {
            struct buf form = BUF_INIT;
            add_char(&form, m->chars[i]);
            for (size_t n = 0; n < MARKS; n++) /* the last: all of them at once */
                if (k == n || k == MARKS)
                    add_char(&form, marks[n]);
            add_form(&m->forms[i], buf_span(&form));
            buf_release(&form);
        }
        take_forms(m, LETTER_ACCENTED, lower(m->chars[i]), i);
    }
    substitute(m);
}

/* Whole alphabets first, so that a form's number means the same alphabet for every letter; small capitals, which not
 * every letter has, come last. */
static void make_letters(struct maker *m)
{
    const uint32_t *forms;

    for (size_t i = 0; i < m->count; i++) {
        size_t count = evade_letter_forms(m->letters, LETTER_ENCLOSED, lower(m->chars[i]), &forms);
        for (size_t pass = 0; pass < 2; pass++)
            for (size_t k = 0; k < count; k++)
                if ((evade_is_small_capital(forms[k]) ? 1u : 0u) == pass)
                    add_form_char(&m->forms[i], forms[k]);
    }
    substitute(m);
}

static void make_lookalikes(struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        take_forms(m, LETTER_CONFUSABLE, lower(m->chars[i]), i);
    substitute(m);
}

static void make_leet(struct maker *m)
{
    static const char *const signs[26] = {['a' - 'a'] = "4@", ['b' - 'a'] = "8",  ['e' - 'a'] = "3", ['g' - 'a'] = "9",
                                          ['i' - 'a'] = "1!", ['l' - 'a'] = "1|", ['o' - 'a'] = "0", ['s' - 'a'] = "5$",
                                          ['t' - 'a'] = "7+", ['z' - 'a'] = "2"};

    for (size_t i = 0; i < m->count; i++)
        for (const char *s = is_latin(m, i) ? signs[lower(m->chars[i]) - 'a'] : NULL; s && *s; s++)
            add_form_char(&m->forms[i], (unsigned char)*s);
    substitute(m);
}

static void make_numbers(struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->chars[i] >= '0' && m->chars[i] <= '9')
            take_forms(m, LETTER_DIGIT, m->chars[i], i);
    substitute(m);
}

static void make_separators(struct maker *m)
{
    static const struct forms what = {
        {" ", ".", "-", "_", "*", "|", "/", "~", ",", "'", "、", "。", "·", "，", "　", "…", "\n", "❤", "😀", "★"}, 20};

    insert(m, &what);
}

static void make_repeats(struct maker *m)
{
    for (unsigned times = 2; times <= 4; times++) {
        for (size_t i = 0; i < m->count; i++)
            for (unsigned t = 0; t < (is_letter(m, i) ? times : 1); t++)
                add_char(&m->text, m->chars[i]);
        done(m);
    }
    for (unsigned times = 2; times <= 6; times += 2)
        for (size_t only = 0; only < m->count; only++) {
            for (size_t i = 0; i < m->count; i++)
                for (unsigned t = 0; t < (i == only && is_letter(m, i) ? times : 1); t++)
                    add_char(&m->text, m->chars[i]);
            done(m);
        }
}

static void make_variants(struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        take_forms(m, LETTER_VARIANT, m->chars[i], i);
    substitute(m);
}

/* The readings of all Chinese characters, or of one, or of all but one; between them `gap`. */
static void put_readings(struct maker *m, bool tone, bool initial, const char *gap, size_t only, bool but)
{
    for (size_t i = 0; i < m->count; i++) {
        struct buf reading = BUF_INIT;
        bool read = only == m->count || (only == i) != but;

        if (i > 0)
            buf_add_text(&m->text, gap);
        if (read && evade_letter_reading(m->letters, m->chars[i], tone, &reading))
            buf_add(&m->text, buf_text(&reading), initial ? utf8_cut(reading.data, reading.len, 1) : reading.len);
        else
            add_char(&m->text, m->chars[i]);
        buf_release(&reading);
    }
    done(m);
}

static bool has_han(const struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (evade_is_han(m->chars[i]))
            return true;
    return false;
}

static void make_pinyin(struct maker *m)
{
    if (!has_han(m))
        return;
    put_readings(m, false, false, "", m->count, false);
    put_readings(m, false, false, " ", m->count, false);
    put_readings(m, true, false, "", m->count, false);
    put_readings(m, true, false, " ", m->count, false);
    for (size_t i = 0; i < m->count; i++) {
        put_readings(m, false, false, "", i, false);
        put_readings(m, false, false, "", i, true);
    }
}

static void make_initials(struct maker *m)
{
    if (!has_han(m))
        return;
    put_readings(m, false, true, "", m->count, false);
    put_readings(m, false, true, ".", m->count, false);
    for (size_t i = 0; i < m->count && m->count > 1; i++) {
        put_readings(m, false, true, "", i, false);
        put_readings(m, false, true, "", i, true);
    }
}

static void make_homophones(struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        take_forms(m, LETTER_HOMOPHONE, m->chars[i], i);
    substitute(m);
}

/* The term with the hidden letters, or one of them alone, or every so many-th, replaced by a sign. */
static void hide(struct maker *m, const char *sign, const bool *hidden, size_t only, size_t every)
{
    size_t seen = 0;

    for (size_t i = 0; i < m->count; i++) {
        bool turn = hidden[i] && seen++ % every == 0;

        if (turn && (only == m->count || only == i))
            buf_add_text(&m->text, sign);
        else
            add_char(&m->text, m->chars[i]);
    }
    done(m);
}

/* People hide as much of a word as still lets it be read: the first letter stays, and of a Latin word the last one; of
 * the others one alone is hidden, or all of them when they are no more than half, or every second one. */
static void make_censored(struct maker *m)
{
    static const struct forms signs = {{"*", "#", "_", "＊", "●", "○"}, 6};
    size_t last = m->count > 2 && is_latin(m, m->count - 1) ? m->count - 1 : m->count, letters = 0, inner = 0;
    bool hidden[EVADE_MAX_CHARACTERS] = {false};

    for (size_t i = 0; i < m->count; i++)
        letters += is_letter(m, i);
    for (size_t i = 1; i < last; i++) {
        hidden[i] = is_letter(m, i);
        inner += hidden[i];
    }
    for (size_t k = 0; k < signs.count; k++)
        for (size_t only = 1; only < last; only++)
            if (hidden[only])
                hide(m, signs.items[k], hidden, only, 1);
    for (size_t k = 0; k < signs.count && inner > 1; k++)
        hide(m, signs.items[k], hidden, m->count, inner * 2 <= letters ? 1 : 2);
}

/* The whole term, cut before each character in turn. */
static void cut(struct maker *m, enum evade_form form)
{
    size_t at = 0;

    for (size_t i = 0; i + 1 < m->count; i++) {
        at += utf8_char_len(m->term.data + at, m->term.len - at);
        add_variant(m, form, m->term, at);
    }
}

static void make_elements(struct maker *m)
{
    cut(m, EVADE_ELEMENTS);
}

static void make_messages(struct maker *m)
{
    cut(m, EVADE_MESSAGES);
}

static void make_escapes(struct maker *m)
{
    add_variant(m, EVADE_ESCAPES, m->term, 0);
}

/* clang-format off */
#define CLASSES(ROW)                                                                                                   \
    ROW(case, "other letters are capitals", FOLD_CASE)                                                                 \
    ROW(width, "full-width, mathematical and other compatible forms", FOLD_CASE)                                       \
    ROW(invisible, "characters between the letters that cannot be seen", FOLD_INVISIBLE)                               \
    ROW(accents, "marks on the letters", FOLD_ACCENTS)                                                                 \
    ROW(letters, "circled, squared and small capital letters, regional indicators", FOLD_LETTERS)                      \
    ROW(lookalikes, "letters of other scripts that look alike", FOLD_LOOKALIKES)                                       \
    ROW(leet, "digits and signs for letters", FOLD_LEET)                                                               \
    ROW(numbers, "digits of other scripts, circled and Chinese ones", FOLD_NUMBERS)                                    \
    ROW(separators, "signs, blanks, line ends and emoji between the letters", FOLD_SEPARATORS)                         \
    ROW(repeats, "letters repeated", FOLD_REPEATS)                                                                     \
    ROW(variants, "traditional Chinese for simplified, or the other way round", FOLD_SIMPLIFIED)                       \
    ROW(pinyin, "Chinese as it is read", FOLD_PINYIN)                                                                  \
    ROW(initials, "the initials of that", FOLD_INITIALS)                                                               \
    ROW(homophones, "other Chinese characters that are read alike", FOLD_HOMOPHONES)                                   \
    ROW(censored, "signs in place of letters", FOLD_CENSORED)                                                          \
    ROW(elements, "over two text elements of one message", FOLD_NONE)                                                  \
    ROW(messages, "over two messages", FOLD_SPLIT)                                                                     \
    ROW(escapes, "JSON escapes in the webhook's body", FOLD_NONE)

#define CLASS(name, summary, folding) {#name, summary, folding},
#define MAKE(name, summary, folding) make_##name,
const struct evade_class evade_classes[] = {CLASSES(CLASS) {NULL, NULL, 0}};
static void (*const makers[])(struct maker *m) = {CLASSES(MAKE)};
/* clang-format on */

/* The whole ------------------------------------------------------------------------------------------------------- */

static int read_term(struct maker *m, struct span term, struct err *err)
{
    for (size_t at = 0; at < term.len;) {
        size_t n = utf8_char_len(term.data + at, term.len - at);

        if (n == 0)
            return err_set(err, ERR_USAGE, "the term is not valid UTF-8");
        if (m->count == EVADE_MAX_CHARACTERS)
            return err_set(err, ERR_USAGE, "the term has more than %d characters", EVADE_MAX_CHARACTERS);
        m->chars[m->count++] = utf8_decode(term.data + at, n);
        at += n;
    }
    m->term = term;
    return m->count > 0 ? 0 : err_set(err, ERR_USAGE, "the term is empty");
}

int evade_make(struct evasions **out, struct span term, size_t most, struct err *err)
{
    struct maker m = {.most = most < EVADE_MAX_VARIANTS ? most : EVADE_MAX_VARIANTS};
    int r = read_term(&m, term, err);

    if (r == 0)
        r = evade_letters_new(&m.letters, err);
    if (r < 0)
        return r;
    m.e = calloc(1, sizeof(*m.e));
    m.forms = calloc(m.count, sizeof(*m.forms));
    for (size_t i = 0; evade_classes[i].name && m.e && m.forms && !m.e->failed; i++) {
        m.class = &evade_classes[i];
        m.first = m.e->count;
        clear_forms(&m);
        makers[i](&m);
    }
    if (!m.e || !m.forms || m.e->failed || m.e->arena.failed) {
        r = err_set(err, ERR_FAILED, "out of memory");
        evade_free(m.e);
    } else {
        *out = m.e;
    }
    buf_release(&m.text);
    free(m.forms);
    evade_letters_free(m.letters);
    return r;
}

void evade_free(struct evasions *e)
{
    if (!e)
        return;
    arena_release(&e->arena);
    free(e->variants);
    free(e);
}

size_t evade_variants(const struct evasions *e, const struct evade_variant **variants)
{
    *variants = e->variants;
    return e->count;
}

static void add_escaped(struct buf *out, struct span text)
{
    for (size_t at = 0; at < text.len;) {
        size_t n = utf8_char_len(text.data + at, text.len - at);
        uint32_t c = n > 0 ? utf8_decode(text.data + at, n) : 0xFFFD;

        if (c < 0x10000)
            buf_addf(out, "\\u%04x", c);
        else
            buf_addf(out, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
        at += n > 0 ? n : 1;
    }
}

static void add_element(struct buf *out, struct span text, bool escaped)
{
    buf_add_text(out, "{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":");
    if (escaped) {
        buf_add_char(out, '"');
        add_escaped(out, text);
        buf_add_char(out, '"');
    } else {
        json_add_string(out, text);
    }
    buf_add_text(out, "}}");
}

void evade_body(const struct evade_variant *v, struct buf *out)
{
    size_t first = v->form == EVADE_ELEMENTS ? v->cut : v->text.len;

    buf_add_text(out, "{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"MsgBody\":[");
    add_element(out, (struct span){v->text.data, first}, v->form == EVADE_ESCAPES);
    if (v->form == EVADE_ELEMENTS) {
        buf_add_char(out, ',');
        add_element(out, (struct span){v->text.data + first, v->text.len - first}, false);
    }
    buf_add_text(out, "]}");
}
