#include "rules/measure.h"

#include "base/utf8.h"
#include "rules/characters.h"
#include "rules/language/json_path.h"
#include "rules/language/rule_names.h"
#include "rules/scope.h"
#include "wire/gate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    INNER_MAX = 1024 * 1024, /* of JSON inside a string; a webhook body is not longer */
    INNER_KEEPS = 64 * 1024,
    VALUE_SHOWN = 32, /* bytes of a JSON value in the words */
    FORCE_EMOJI = 0xFE0F,
};

/* Compiling ------------------------------------------------------------------------------------------------------- */

static struct texts copy_texts(struct arena *a, struct texts from)
{
    const char **items = arena_array(a, from.count, sizeof(*items));

    for (size_t i = 0; i < from.count && items; i++)
        items[i] = arena_text(a, from.items[i]);
    return (struct texts){items, items ? from.count : 0};
}

static int compile_scripts(struct measure *out, struct arena *a, struct err *err)
{
    uint16_t *numbers = arena_array(a, out->share.scripts.count, sizeof(*numbers));

    for (size_t i = 0; i < out->share.scripts.count && numbers; i++) {
        int script = character_script(out->share.scripts.items[i]);

        if (script < 0 || script >= MEASURE_SCRIPTS)
            return err_set(err, ERR_USAGE, "\"%s\" is not a script; write its English name, for example Latin or Han",
                           out->share.scripts.items[i]);
        numbers[i] = (uint16_t)script;
    }
    out->scripts = numbers;
    return 0;
}

static int compile_path(struct measure *out, struct arena *a, struct err *err)
{
    struct json_step steps[JSON_PATH_MAX_STEPS];
    struct measure_step *copies;
    size_t count;

    if (json_path_parse(span_of(out->path), steps, &count, err) < 0)
        return ERR_USAGE;
    copies = arena_array(a, count, sizeof(*copies));
    for (size_t i = 0; i < count && copies; i++)
        copies[i] = (struct measure_step){steps[i].is_index ? NULL : arena_span(a, steps[i].key).data, steps[i].index};
    out->steps = copies;
    out->step_count = copies ? count : 0;
    return 0;
}

int measure_compile(struct measure *out, const struct condition *condition, struct arena *a, struct err *err)
{
    *out = (struct measure){.kind = condition->kind};
    switch (condition->kind) {
    case CONDITION_LENGTH:
    case CONDITION_LINES:
        out->bounds = condition->bounds;
        return 0;
    case CONDITION_SHARE:
        out->share = condition->share;
        out->share.scripts = copy_texts(a, condition->share.scripts);
        return compile_scripts(out, a, err);
    case CONDITION_TYPES:
        out->types = condition->types;
        return 0;
    case CONDITION_JSON:
        out->json = condition->json;
        out->json.values = copy_texts(a, condition->json.values);
        out->path = arena_text(a, condition->text);
        return out->path ? compile_path(out, a, err) : 0;
    case CONDITION_REPEATED:
    case CONDITION_RATE:
        out->rate = condition->rate;
        return 0;
    case CONDITION_TERMS:
    case CONDITION_REGEX:
    case CONDITION_LINKS:
    case CONDITION_CONTACT:
    case CONDITION_ANY:
    case CONDITION_ALL:
    case CONDITION_NOT:
        break;
    }
    return err_set(err, ERR_USAGE, "this condition measures nothing");
}

/* Counting -------------------------------------------------------------------------------------------------------- */

struct cluster { /* the one being read */
    const struct character *base;
    bool visible, emoji, maybe_emoji;
};

static void count_cluster(struct text_counts *counts, const struct cluster *c)
{
    if (!c->base || !c->visible)
        return;
    counts->length++;
    if (c->base->kind & CHARACTER_BLANK)
        return;
    counts->seen++;
    counts->scripts[c->base->script % MEASURE_SCRIPTS]++;
    if (c->emoji)
        counts->emoji++;
    else if (c->base->kind & CHARACTER_CAPITAL)
        counts->capitals++;
    else if (c->base->kind & CHARACTER_DIGIT)
        counts->digits++;
    else if (c->base->kind & CHARACTER_SYMBOL)
        counts->symbols++;
}

void text_counts_add(struct text_counts *counts, struct span text)
{
    const struct character *table = characters();
    struct cluster_state state = {0};
    struct cluster now = {0};
    size_t n;

    if (!text.len || !table)
        return;
    counts->lines++;
    for (size_t i = 0; i < text.len; i += n) {
        bool ascii = (signed char)text.data[i] > 0;
        uint32_t code;
        const struct character *c;

        n = ascii ? 1 : utf8_char_len(text.data + i, text.len - i);
        n = n ? n : 1;
        code = ascii ? (uint32_t)text.data[i] : utf8_decode(text.data + i, n);
        c = character_of(table, code);
        if (cluster_begins(&state, (enum cluster_kind)c->cluster)) {
            count_cluster(counts, &now);
            now = (struct cluster){.base = c};
            counts->lines += (c->kind & CHARACTER_LINE_END) != 0;
        }
        now.visible = now.visible || !(c->kind & CHARACTER_INVISIBLE);
        now.emoji = now.emoji || (c->kind & CHARACTER_EMOJI) || (now.maybe_emoji && code == FORCE_EMOJI);
        now.maybe_emoji = now.maybe_emoji || (c->kind & CHARACTER_MAYBE_EMOJI);
    }
    count_cluster(counts, &now);
}

static bool is_for_programs(enum text_source source)
{
    return source == TEXT_CUSTOM_DATA || source == TEXT_CUSTOM_EXT || source == TEXT_FACE_DATA;
}

static const struct text_counts *counts_of(struct measurer *m)
{
    const struct message *message = m->message;

    if (m->has_counts)
        return &m->counts;
    m->counts = (struct text_counts){0};
    for (size_t i = 0; i < message->piece_count;) {
        const struct text_piece *first = &message->pieces[i++];
        size_t end = first->start + (size_t)first->len;

        /* Text elements that follow each other are one text to the reader. */
        while (i < message->piece_count && first->source == TEXT_TEXT && message->pieces[i].source == TEXT_TEXT) {
            end = message->pieces[i].start + (size_t)message->pieces[i].len;
            i++;
        }
        if (!is_for_programs(first->source) && end > first->start && end <= m->text.len)
            text_counts_add(&m->counts, (struct span){m->text.data + first->start, end - first->start});
    }
    m->has_counts = true;
    return &m->counts;
}

/* Words ----------------------------------------------------------------------------------------------------------- */

static void set_words(struct measured *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void set_words(struct measured *to, const char *fmt, ...)
{
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(to->words, sizeof(to->words), fmt, args);
    va_end(args);
    if (len < 0)
        len = 0;
    if ((size_t)len >= sizeof(to->words))
        len = (int)utf8_cut(to->words, sizeof(to->words) - 1, sizeof(to->words) - 1);
    to->words_len = (uint8_t)len;
}

static void set_bounds_words(struct measured *to, const char *what, int64_t value, struct bounds b)
{
    if (b.least > INT64_MIN && b.most < INT64_MAX)
        set_words(to, "%s %" PRId64 " in %" PRId64 "..%" PRId64, what, value, b.least, b.most);
    else if (b.most < INT64_MAX)
        set_words(to, "%s %" PRId64 " < %" PRId64, what, value, b.most + 1);
    else if (b.least > INT64_MIN)
        set_words(to, "%s %" PRId64 " > %" PRId64, what, value, b.least - 1);
    else
        set_words(to, "%s %" PRId64, what, value);
}

static bool within(struct bounds b, int64_t value)
{
    return value >= b.least && value <= b.most;
}

/* Each measure ---------------------------------------------------------------------------------------------------- */

static bool bounds_hold(struct measured *to, const char *what, size_t count, struct bounds b)
{
    if (!within(b, (int64_t)count))
        return false;
    set_bounds_words(to, what, (int64_t)count, b);
    return true;
}

static size_t shared(const struct measure *measure, const struct text_counts *counts, const char **what)
{
    size_t sum = 0;

    switch (measure->share.of) {
    case SHARE_EMOJI:
        *what = "emoji";
        return counts->emoji;
    case SHARE_CAPS:
        *what = "caps";
        return counts->capitals;
    case SHARE_DIGITS:
        *what = "digits";
        return counts->digits;
    case SHARE_SYMBOLS:
        *what = "symbols";
        return counts->symbols;
    case SHARE_SCRIPT:
        *what = measure->share.scripts.count ? measure->share.scripts.items[0] : "script";
        for (size_t i = 0; i < measure->share.scripts.count && measure->scripts; i++)
            sum += counts->scripts[measure->scripts[i]];
        return sum;
    }
    return 0;
}

static bool share_holds(struct measurer *m, const struct measure *measure, struct measured *to)
{
    const struct text_counts *counts = counts_of(m);
    const char *what = "";
    size_t part = shared(measure, counts, &what);

    if (!counts->seen || part < measure->share.least || part * 100 < counts->seen * measure->share.percent)
        return false;
    set_words(to, "%.40s %zu%% of %zu >= %u%%", what, part * 100 / counts->seen, counts->seen, measure->share.percent);
    return true;
}

static bool types_hold(struct measurer *m, const struct measure *measure, struct measured *to)
{
    for (size_t i = 0; i < m->message->element_count; i++) {
        if (measure->types & (1U << m->message->elements[i])) {
            set_words(to, "type %s", type_names.names[m->message->elements[i]]);
            return true;
        }
    }
    return false;
}

static bool meter_holds(struct measurer *m, const struct measure *measure, struct measured *to)
{
    bool repeated = measure->kind == CONDITION_REPEATED;
    int64_t within_ms = measure->rate.within_ms;
    uint32_t count;

    if (!m->circumstances || !m->circumstances->meters)
        return false;
    count = m->circumstances->meters[measure->meter];
    /* The third of three is a repetition; a bucket of three is empty for the fourth. */
    if (repeated ? count < measure->rate.times : count <= measure->rate.times)
        return false;
    set_words(to, "%s %u in %" PRId64 "%s by %s", repeated ? "repeated" : "rate", count,
              within_ms % 1000 ? within_ms : within_ms / 1000, within_ms % 1000 ? "ms" : "s",
              counted_names.names[measure->rate.of]);
    return true;
}

/* JSON ------------------------------------------------------------------------------------------------------------ */

static bool is_json(struct span text)
{
    struct gate_fault fault;

    return gate_check(text, GATE_WIRE, &fault);
}

/* A string that holds JSON gives way to it: *value then stands in inner[*next], and the other buffer is free. */
static bool look_inside(struct measurer *m, struct span *value, size_t *next)
{
    struct buf *inner = &m->inner[*next];

    buf_reset(inner);
    if (!gate_string(*value, inner) || buf_failed(inner) || !is_json(buf_span(inner)))
        return false;
    *value = buf_span(inner);
    *next = !*next;
    return true;
}

static struct span without_blanks(struct span json)
{
    while (json.len && strchr(" \t\r\n", json.data[0]))
        json = (struct span){json.data + 1, json.len - 1};
    while (json.len && strchr(" \t\r\n", json.data[json.len - 1]))
        json.len--;
    return json;
}

/* What stands at the measure's path of a text that is JSON. *next becomes the inner buffer that is free. */
static bool walk(struct measurer *m, const struct measure *measure, struct span json, struct span *value, size_t *next)
{
    unsigned nested = 0;

    *value = without_blanks(json);
    for (size_t i = 0; i < measure->step_count; i++) {
        const struct measure_step *step = &measure->steps[i];

        while (value->len && value->data[0] == '"') {
            if (nested++ == MEASURE_MAX_NESTING || !look_inside(m, value, next))
                return false;
            *value = without_blanks(*value);
        }
        if (!(step->key ? gate_member(*value, step->key, value) : gate_element(*value, step->index, value)))
            return false;
    }
    return value->len > 0;
}

/* number: of at most GATE_MAX_NUMBER characters. Whole numbers are compared exactly. */
static bool number_within(struct span number, struct bounds b)
{
    char text[GATE_MAX_NUMBER + 1], *end;
    long long whole;
    double real;

    if (number.len > GATE_MAX_NUMBER || !number.len || !strchr("-0123456789", number.data[0]))
        return false;
    memcpy(text, number.data, number.len);
    text[number.len] = '\0';
    if (number.len < 19) {
        whole = strtoll(text, &end, 10);
        if (!*end)
            return within(b, whole);
    }
    real = strtod(text, NULL);
    return (b.least == INT64_MIN || real >= (double)b.least) && (b.most == INT64_MAX || real <= (double)b.most);
}

static bool value_passes(const struct measure *measure, struct span value, bool is_text)
{
    const struct texts *wanted = &measure->json.values;

    switch (measure->json.test) {
    case JSON_EXISTS:
        return true;
    case JSON_IS_ONE_OF:
        for (size_t i = 0; i < wanted->count; i++)
            if (span_is(value, wanted->items[i]))
                return true;
        return false;
    case JSON_MATCHES_GLOB:
        for (size_t i = 0; i < wanted->count; i++)
            if (glob_matches(wanted->items[i], value))
                return true;
        return false;
    case JSON_WITHIN:
        return !is_text && number_within(value, measure->json.within);
    }
    return false;
}

static bool json_passes(struct measurer *m, const struct measure *measure, struct span json, struct measured *to)
{
    struct span value;
    size_t next = 0;
    bool is_text;

    if (!walk(m, measure, json, &value, &next))
        return false;
    is_text = value.data[0] == '"';
    if (is_text) {
        struct buf *inner = &m->inner[next];

        buf_reset(inner);
        if (!gate_string(value, inner) || buf_failed(inner))
            return false;
        value = buf_span(inner);
    } else if ((value.data[0] == '{' || value.data[0] == '[') && measure->json.test != JSON_EXISTS) {
        return false;
    }
    if (!value_passes(measure, value, is_text))
        return false;
    if (measure->json.test == JSON_EXISTS)
        set_words(to, "json %.40s exists", measure->path);
    else
        set_words(to, "json %.40s = %.*s", measure->path, (int)utf8_cut(value.data, value.len, VALUE_SHOWN),
                  value.data ? value.data : "");
    return true;
}

static bool json_holds(struct measurer *m, const struct measure *measure, struct measured *to)
{
    struct json_source *source = &m->sources[measure->json.in];
    const struct optional_text *custom = &m->message->cloud_custom_data;

    if (measure->json.in == JSON_IN_CLOUD_CUSTOM_DATA) {
        if (!source->known)
            *source = (struct json_source){true, custom->presence == GIVEN && is_json(custom->text), custom->text, 0};
        return source->good && json_passes(m, measure, source->text, to);
    }
    for (size_t i = 0; i < m->message->piece_count; i++) {
        const struct text_piece *piece = &m->message->pieces[i];
        struct span data = {m->text.data + piece->start, piece->len};

        if (piece->source != TEXT_CUSTOM_DATA)
            continue;
        if (!source->known || source->piece != i) /* a message has one custom element, as far as the platform says */
            *source = (struct json_source){true, is_json(data), data, i};
        if (source->good && json_passes(m, measure, data, to))
            return true;
    }
    return false;
}

/* The measurer ---------------------------------------------------------------------------------------------------- */

bool measurer_take_set(struct measurer *m, uint64_t serial, size_t measure_count)
{
    if (m->serial == serial)
        return true;
    free(m->measured);
    m->serial = 0;
    m->measured = calloc(measure_count + 1, sizeof(*m->measured));
    if (!m->measured)
        return false;
    m->serial = serial;
    m->epoch = 0;
    return true;
}

void measurer_begin(struct measurer *m, const struct message *message, struct span text,
                    const struct circumstances *circumstances)
{
    m->message = message;
    m->text = text.data ? text : SPAN(""); /* so that there is an address to count from */
    m->circumstances = circumstances;
    m->has_counts = false;
    m->epoch++; /* that 2^32 messages later an old answer stood there unasked in between is not a worry */
    for (size_t i = 0; i < 2; i++) {
        m->sources[i].known = false;
        m->inner[i].max = INNER_MAX;
        if (m->inner[i].cap > INNER_KEEPS)
            buf_release(&m->inner[i]);
    }
}

static bool work_out(struct measurer *m, const struct measure *measure, struct measured *to)
{
    switch (measure->kind) {
    case CONDITION_LENGTH:
        return bounds_hold(to, "length", counts_of(m)->length, measure->bounds);
    case CONDITION_LINES:
        return bounds_hold(to, "lines", counts_of(m)->lines, measure->bounds);
    case CONDITION_SHARE:
        return share_holds(m, measure, to);
    case CONDITION_TYPES:
        return types_hold(m, measure, to);
    case CONDITION_JSON:
        return json_holds(m, measure, to);
    case CONDITION_REPEATED:
    case CONDITION_RATE:
        return meter_holds(m, measure, to);
    case CONDITION_TERMS:
    case CONDITION_REGEX:
    case CONDITION_LINKS:
    case CONDITION_CONTACT:
    case CONDITION_ANY:
    case CONDITION_ALL:
    case CONDITION_NOT:
        break;
    }
    return false;
}

bool measurer_holds(struct measurer *m, const struct measure *measure, size_t index)
{
    struct measured *to = &m->measured[index];

    if (to->epoch == m->epoch)
        return to->holds;
    *to = (struct measured){.epoch = m->epoch};
    to->holds = work_out(m, measure, to);
    return to->holds;
}

void measurer_count(struct measurer *m, size_t index)
{
    m->measured[index].counted = true;
}

struct span measurer_words(const struct measurer *m, size_t index)
{
    const struct measured *of = &m->measured[index];

    if (of->epoch != m->epoch || !of->counted)
        return (struct span){NULL, 0};
    return (struct span){of->words, of->words_len};
}

void measurer_release(struct measurer *m)
{
    free(m->measured);
    buf_release(&m->inner[0]);
    buf_release(&m->inner[1]);
    *m = (struct measurer){0};
}
