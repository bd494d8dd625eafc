#include "sim/fault_spec.h"

#include "base/faults.h"
#include "sim/rest_api.h"
#include "sim/webhook_form.h"

#include <math.h>
#include <stdlib.h>

enum value_form { VALUE_NONE, VALUE_NUMBER, VALUE_MAY, VALUE_PART };

/* The language: fault_spec.h says what the words mean. */
static const struct kind {
    const char *name;
    bool webhook; /* else for REST commands */
    enum value_form form;
    int64_t min, max, standard;
    const char *example;
} kinds[FAULT_KINDS] = {
    [FAULT_CODE] = {"code", false, VALUE_NUMBER, 1, INT32_MAX, 0, "code=100001"},
    [FAULT_PROCESSED_CODE] = {"processed-code", false, VALUE_NUMBER, 1, INT32_MAX, 0, "processed-code=60008"},
    [FAULT_HTTP] = {"http", false, VALUE_NUMBER, 400, 599, 0, "http=502"},
    [FAULT_PROCESSED_HTTP] = {"processed-http", false, VALUE_NUMBER, 400, 599, 0, "processed-http=502"},
    [FAULT_RESET] = {"reset", false, VALUE_NONE, 0, 0, 0, "reset"},
    [FAULT_PROCESSED_RESET] = {"processed-reset", false, VALUE_NONE, 0, 0, 0, "processed-reset"},
    [FAULT_GARBAGE] = {"garbage", false, VALUE_NONE, 0, 0, 0, "garbage"},
    [FAULT_TRUNCATED] = {"truncated", false, VALUE_NONE, 0, 0, 0, "truncated"},
    [FAULT_OVERSIZED] = {"oversized", false, VALUE_NUMBER, 1, FAULT_OVERSIZED_MAX, 0, "oversized=2000000"},
    [FAULT_REST_DELAY] = {"delay", false, VALUE_NUMBER, 1, FAULT_DELAY_MAX_MS, 0, "delay=6000"},
    [FAULT_FREQUENCY] = {"MsgFreqCtrl", false, VALUE_NONE, 0, 0, 0, "MsgFreqCtrl"},
    [FAULT_LOST] = {"lost", true, VALUE_NONE, 0, 0, 0, "lost"},
    [FAULT_WEBHOOK_DELAY] = {"delay", true, VALUE_NUMBER, 1, FAULT_DELAY_MAX_MS, 0, "delay=500"},
    [FAULT_REORDER] = {"reorder", true, VALUE_NUMBER, 1, FAULT_DELAY_MAX_MS, 0, "reorder=500"},
    [FAULT_SLOW] = {"slow", true, VALUE_NUMBER, 1, 1000, 0, "slow=20"},
    [FAULT_MISSING] = {"missing", true, VALUE_PART, 0, 0, 0, "missing=MsgId"},
    [FAULT_STRING_EVENT_TIME] = {"string-event-time", true, VALUE_NONE, 0, 0, 0, "string-event-time"},
    [FAULT_DUPLICATE] = {"duplicate", true, VALUE_MAY, 0, FAULT_DELAY_MAX_MS, 0, "duplicate=200"},
};

static const struct {
    const char *name;
    enum webhook_part part;
} parts[] = {
    {"MsgId", WEBHOOK_MSG_ID},
    {"EventTime", WEBHOOK_EVENT_TIME},
    {"Operator_Account", WEBHOOK_OPERATOR},
    {"OptPlatform", WEBHOOK_OPT_PLATFORM},
};

const char *fault_kind_name(enum fault_kind kind)
{
    return kinds[kind].name;
}

const char *fault_command_name(size_t command)
{
    const char *path = rest_api_command(command);

    return path ? strrchr(path, '/') + 1 : NULL;
}

size_t fault_command_of(struct span path)
{
    const char *known;

    for (size_t command = 0; command < FAULT_COMMANDS_MAX && (known = rest_api_command(command)) != NULL; command++) {
        if (span_is(path, known))
            return command;
    }
    return FAULT_COMMANDS_MAX;
}

/* Reading -------------------------------------------------------------------------------------------------------- */

/* The words of one fault, cut apart; value and probability NULL when they are not there. */
struct words {
    char text[FAULT_SPEC_MAX + 1];
    char *where, *kind, *value, *probability;
};

static bool words_cut(struct words *w, const char *text)
{
    if (strlen(text) > FAULT_SPEC_MAX)
        return false;
    strcpy(w->text, text);
    w->where = w->text;
    w->value = w->probability = NULL;
    if (!(w->kind = strchr(w->where, ':')))
        return false;
    *w->kind++ = '\0';
    if ((w->probability = strchr(w->kind, ':')) != NULL)
        *w->probability++ = '\0';
    if ((w->value = strchr(w->kind, '=')) != NULL)
        *w->value++ = '\0';
    return *w->where && *w->kind;
}

static void list_add(struct buf *list, const char *word)
{
    if (list->len > 0)
        buf_add_text(list, ", ");
    buf_add_text(list, word);
}

/* ERR_USAGE: "word" is none of these; did you mean ...? */
static int refuse_word(const char *what, const char *word, const char *const *right, size_t count, struct err *err)
{
    const char *meant = faults_suggest(word, right, count);
    struct buf list = BUF_INIT;

    for (size_t i = 0; i < count; i++)
        list_add(&list, right[i]);
    if (meant)
        err_set(err, ERR_USAGE, "%s \"%s\" is unknown, did you mean \"%s\"? There are %s", what, word, meant,
                buf_text(&list));
    else
        err_set(err, ERR_USAGE, "%s \"%s\" is unknown; there are %s", what, word, buf_text(&list));
    buf_release(&list);
    return ERR_USAGE;
}

static int where_read(struct fault_spec *out, const char *word, struct err *err)
{
    static const char *const names[] = {"rest", "before", "after", "recall", "webhooks"};
    static const enum fault_where wheres[] = {WHERE_REST, WHERE_BEFORE, WHERE_AFTER, WHERE_RECALL, WHERE_WEBHOOKS};
    enum { NAMES = sizeof(names) / sizeof(names[0]) };
    const char *right[NAMES + FAULT_COMMANDS_MAX], *command;
    size_t count = 0;

    for (; count < NAMES; count++) {
        right[count] = names[count];
        if (strcmp(word, names[count]) == 0) {
            out->where = wheres[count];
            return 0;
        }
    }
    for (size_t i = 0; i < FAULT_COMMANDS_MAX && (command = fault_command_name(i)) != NULL; i++) {
        right[count++] = command;
        if (strcmp(word, command) == 0) {
            out->where = WHERE_COMMAND;
            out->command = i;
            return 0;
        }
    }
    return refuse_word("what a fault hits,", word, right, count, err);
}

static int kind_read(struct fault_spec *out, const char *word, struct err *err)
{
    const bool webhook = out->where != WHERE_COMMAND && out->where != WHERE_REST;
    const char *right[FAULT_KINDS];
    size_t count = 0;

    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        if (kinds[kind].webhook != webhook)
            continue;
        right[count++] = kinds[kind].name;
        if (strcmp(word, kinds[kind].name) == 0) {
            out->kind = (enum fault_kind)kind;
            return 0;
        }
    }
    return refuse_word(webhook ? "for webhooks the kind" : "for REST commands the kind", word, right, count, err);
}

static int part_read(struct fault_spec *out, const char *word, struct err *err)
{
    enum { PARTS = sizeof(parts) / sizeof(parts[0]) };
    const char *right[PARTS];

    for (size_t i = 0; i < PARTS; i++) {
        right[i] = parts[i].name;
        if (strcmp(word, parts[i].name) == 0) {
            out->value = parts[i].part;
            return 0;
        }
    }
    return refuse_word("what can be missing,", word, right, PARTS, err);
}

static int value_read(struct fault_spec *out, const char *word, struct err *err)
{
    const struct kind *kind = &kinds[out->kind];
    unsigned long long n;

    out->value = kind->standard;
    if (kind->form == VALUE_NONE)
        return word ? err_set(err, ERR_USAGE, "\"%s\" takes no value", kind->name) : 0;
    if (!word && kind->form == VALUE_MAY)
        return 0;
    if (!word)
        return err_set(err, ERR_USAGE, "\"%s\" needs a value, as in %s", kind->name, kind->example);
    if (kind->form == VALUE_PART)
        return part_read(out, word, err);
    if (!span_to_u64(span_of(word), &n) || n < (unsigned long long)kind->min || n > (unsigned long long)kind->max)
        return err_set(err, ERR_USAGE, "\"%s\" needs a number from %lld to %lld, as in %s, not \"%s\"", kind->name,
                       (long long)kind->min, (long long)kind->max, kind->example, word);
    out->value = (int64_t)n;
    return 0;
}

/* Digits and one point, so that no locale and no "nan" come in. */
static int probability_read(struct fault_spec *out, const char *word, struct err *err)
{
    char *end;

    out->probability = 1;
    if (!word)
        return 0;
    if (*word && strspn(word, "0123456789.") == strlen(word)) {
        out->probability = strtod(word, &end);
        if (end != word && !*end && out->probability >= 0 && out->probability <= 1)
            return 0;
    }
    return err_set(err, ERR_USAGE, "a probability is a number from 0 to 1, as in 0.1, not \"%s\"", word);
}

/* What the table cannot say: kinds that fit only some of the places of their side. */
static int fits(const struct fault_spec *spec, struct err *err)
{
    if (spec->kind == FAULT_DUPLICATE && spec->where != WHERE_AFTER && spec->where != WHERE_RECALL)
        return err_set(err, ERR_USAGE, "a Before webhook is never sent twice; there are after:%s and recall:%s",
                       kinds[spec->kind].example, kinds[spec->kind].example);
    if (spec->kind == FAULT_FREQUENCY && spec->where == WHERE_COMMAND &&
        strncmp(fault_command_name(spec->command), "send_", 5) != 0)
        return err_set(err, ERR_USAGE, "MsgFreqCtrl is for commands that send a message: send_text_msg:MsgFreqCtrl");
    return 0;
}

int fault_spec_read(struct fault_spec *out, const char *text, struct err *err)
{
    struct fault_spec spec = {0};
    struct words w;
    int r;

    if (!words_cut(&w, text))
        return err_set(err, ERR_USAGE,
                       "a fault is WHERE:KIND[=VALUE][:PROBABILITY] of at most %d bytes, as in "
                       "send_text_msg:code=100001:0.1, not \"%.*s\"",
                       FAULT_SPEC_MAX, FAULT_SPEC_MAX, text);
    if ((r = where_read(&spec, w.where, err)) == 0 && (r = kind_read(&spec, w.kind, err)) == 0 &&
        (r = value_read(&spec, w.value, err)) == 0 && (r = probability_read(&spec, w.probability, err)) == 0)
        r = fits(&spec, err);
    if (r < 0)
        return err_prefix(err, "the fault \"%s\"", text);
    strcpy(spec.text, text);
    *out = spec;
    return 0;
}
