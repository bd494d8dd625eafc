#include "outbox/outcome.h"

#include "outbox/backoff.h"
#include "wire/json_read.h"

#include <inttypes.h>
#include <stdio.h>

/* Longest waits before another try. Rates recover within seconds; an internal fault of the platform may take longer. */
enum {
    RETRY_FIRST_MS = 500,
    RETRY_MOST_MS = 30000,
    SLOW_FIRST_MS = 300,
    SLOW_MOST_MS = 10000,
    ROOM_FIRST_MS = 400,
    ROOM_MOST_MS = 10000,
    UNSENT_FIRST_MS = 200,
    UNSENT_MOST_MS = 10000,
    /* The platform knows a Random for five minutes; clocks and the last call's own time are inside the fifth. */
    RANDOM_KNOWN_US = 4 * 60 * 1000 * 1000,
};

/* The table ------------------------------------------------------------------------------------------------------- */

static const struct {
    int64_t code;
    enum handling handling;
    const char *meaning;
} codes[] = {
    {60002, HANDLE_REFUSED, "the URL cannot be parsed"},
    {60003, HANDLE_REFUSED, "the request is no JSON"},
    {60004, HANDLE_REFUSED, "account or signature wrong"},
    {60005, HANDLE_REFUSED, "account or signature wrong"},
    {60006, HANDLE_STOP, "application id invalid"},
    {60007, HANDLE_SLOW, "calls come too fast"},
    {60008, HANDLE_UNKNOWN, "service timeout"},
    {60009, HANDLE_REFUSED, "bad resource"},
    {60010, HANDLE_REFUSED, "the caller must be an administrator"},
    {60011, HANDLE_SLOW, "calls come too fast"},
    {60012, HANDLE_STOP, "application id missing"},
    {60013, HANDLE_UNKNOWN, "bad reply inside the platform"},
    {60014, HANDLE_UNKNOWN, "timeout inside the platform"},
    {60015, HANDLE_REFUSED, "an account is not a text"},
    {60016, HANDLE_STOP, "application disabled"},
    {60017, HANDLE_STOP, "request disabled"},
    {60018, HANDLE_SLOW, "calls come too fast"},
    {60019, HANDLE_SLOW, "calls come too fast"},
    {60020, HANDLE_STOP, "the application's package has expired"},
    {60021, HANDLE_STOP, "this address may not call"},
    {70001, HANDLE_RENEW, "UserSig expired"},
    {70002, HANDLE_STOP, "UserSig empty"},
    {70003, HANDLE_STOP, "UserSig unreadable"},
    {70005, HANDLE_STOP, "UserSig made with another key"},
    {70009, HANDLE_STOP, "UserSig made with another key"},
    {70013, HANDLE_STOP, "UserSig of another account"},
    {70014, HANDLE_STOP, "UserSig of another application"},
    {70016, HANDLE_STOP, "the application has no key"},
    {70020, HANDLE_STOP, "there is no such application"},
    {70050, HANDLE_PAUSE, "throttled after bad UserSigs"},
    {70051, HANDLE_REFUSED, "account blocked"},
    {70107, HANDLE_REFUSED, "account unknown"},
    {100001, HANDLE_RETRY, "fault inside the platform"},
    {100002, HANDLE_REFUSED, "invalid parameter"},
    {100004, HANDLE_ROOM_GONE, "the room does not exist any more"},
    {100006, HANDLE_REFUSED, "not a Live room"},
    {100601, HANDLE_REFUSED, "the sender is muted"},
    {100602, HANDLE_ROOM_BUSY, "messages come too fast"},
    {100603, HANDLE_REFUSED, "longer than 12 KB"},
    {10002, HANDLE_RETRY, "fault inside the platform"},
    {10004, HANDLE_REFUSED, "invalid parameter"},
    {10007, HANDLE_REFUSED, "not permitted"},
    {10010, HANDLE_ROOM_GONE, "the group does not exist any more"},
    {10015, HANDLE_REFUSED, "invalid group id"},
    {10016, HANDLE_REFUSED, "a webhook refused it"},
    {10017, HANDLE_REFUSED, "the sender is muted"},
    {10023, HANDLE_ROOM_BUSY, "messages come too fast"},
    {10030, HANDLE_REFUSED, "the message to recall was not found"},
    {10031, HANDLE_REFUSED, "too late to recall the message"},
    {10032, HANDLE_REFUSED, "the message cannot be recalled"},
    {10033, HANDLE_REFUSED, "the message cannot be recalled"},
    {80001, HANDLE_REFUSED, "the platform's own moderation refused the text"},
    {80002, HANDLE_REFUSED, "the message is too long"},
};

enum handling handling_of_code(int64_t code, const char **meaning)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code) {
            *meaning = codes[i].meaning;
            return codes[i].handling;
        }
    }
    *meaning = "a code nobody documents";
    return HANDLE_REFUSED;
}

/* Reading --------------------------------------------------------------------------------------------------------- */

/* The RetCode of the one message a recall names, 0 also when the platform lists none. False: unreadable. */
static bool recall_code(struct span body, int64_t *code)
{
    struct json_reader *reader = json_reader_new();
    struct json_value root;
    bool readable = false;

    *code = 0;
    if (reader && json_read(reader, body, &root, NULL) == 0) {
        struct json_value response = json_member(root, "Response");
        struct json_value list = json_member(response.kind == JSON_OBJECT ? response : root, "RecallRetList");
        readable = list.kind == JSON_ABSENT || list.kind == JSON_NULL || json_count(list) == 0 ||
                   json_integer(json_member(json_item(list, 0), "RetCode"), code);
    }
    json_reader_free(reader);
    return readable;
}

static void unknown(struct outcome *out, const char *why)
{
    out->handling = HANDLE_UNKNOWN;
    snprintf(out->reason, sizeof(out->reason), "%s: it may have been done", why);
}

static void read_success(struct outcome *out, enum row_action action, struct span body)
{
    out->handling = HANDLE_DONE;
    if (action == ACTION_SEND_TEXT && out->answer.msg_drop_reason[0] != '\0')
        out->handling = HANDLE_DROPPED;
    else if (action == ACTION_SEND_TEXT && out->answer.msg_seq == 0)
        out->handling = HANDLE_UNCONFIRMED;
    else if (action == ACTION_RECALL && !recall_code(body, &out->answer.error_code))
        unknown(out, "the answer cannot be read");
}

static void read_refusal(struct outcome *out)
{
    const char *meaning;

    out->handling = handling_of_code(out->answer.error_code, &meaning);
    if (out->handling == HANDLE_UNKNOWN) {
        char why[80];
        snprintf(why, sizeof(why), "answered %" PRId64 " (%s)", out->answer.error_code, meaning);
        unknown(out, why);
    } else {
        snprintf(out->reason, sizeof(out->reason), "answered %" PRId64 ": %s", out->answer.error_code, meaning);
    }
}

void outcome_read(struct outcome *out, enum row_action action, const struct call_end *end)
{
    *out = (struct outcome){.handling = HANDLE_UNKNOWN};
    if (end->result < 0 && !end->sent) {
        out->handling = HANDLE_NOT_SENT;
        snprintf(out->reason, sizeof(out->reason), "nothing was sent: %.120s", end->why);
        return;
    }
    if (end->result < 0) {
        unknown(out, end->result == ERR_FULL ? "the answer is too long" : end->why);
        return;
    }
    out->http_status = end->http_status;
    if (end->http_status != 200) {
        char why[40];
        snprintf(why, sizeof(why), "HTTP status %d", end->http_status);
        unknown(out, why);
        return;
    }
    if (rest_read_answer(end->body, &out->answer, NULL) < 0) {
        unknown(out, "the answer cannot be read");
        return;
    }
    out->answered = true;
    if (out->answer.error_code == 0)
        read_success(out, action, end->body);
    if (out->answer.error_code != 0)
        read_refusal(out);
}

/* For the row ----------------------------------------------------------------------------------------------------- */

bool row_is_repeatable(const struct row *row, int64_t now_us)
{
    if (row->action != ACTION_SEND_TEXT)
        return true;
    return row->command == REST_SEND_GROUP_MSG && now_us - row->first_sent_us < RANDOM_KNOWN_US;
}

bool row_is_too_late(const struct row *row, int64_t now_us)
{
    return row->in_doubt && row->command == REST_SEND_GROUP_MSG && now_us - row->first_sent_us >= RANDOM_KNOWN_US;
}

static void retry(struct settled *out, const struct row *row, const struct settling *s, const char *event,
                  int64_t first_ms, int64_t most_ms)
{
    out->event = row->tries < s->most_tries ? event : "exhausted";
    out->due_ms = backoff_ms(row->tries, first_ms, most_ms, s->random);
}

/* Asking again may double it: wait for its webhook. */
static void wait_for_webhook(struct settled *out, const struct settling *s, const char *event)
{
    out->event = event;
    out->wait_ms = s->confirm_ms;
}

/* Refused now says nothing about an earlier call that got no answer. */
static void give_up_doubt(struct settled *out, struct outcome *outcome, const struct row *row, const struct settling *s)
{
    char before[sizeof(outcome->reason)];

    if (!row->in_doubt || row->action != ACTION_SEND_TEXT ||
        (strcmp(out->event, "refused") != 0 && strcmp(out->event, "exhausted") != 0))
        return;
    wait_for_webhook(out, s, "no_answer");
    memcpy(before, outcome->reason, sizeof(before));
    snprintf(outcome->reason, sizeof(outcome->reason), "%.90s; an earlier call may have done it", before);
}

void outcome_settle(struct settled *out, struct outcome *outcome, const struct row *row, const struct settling *s)
{
    *out = (struct settled){.event = "refused"};
    switch (outcome->handling) {
    case HANDLE_DONE:
        out->event = "accepted";
        break;
    case HANDLE_UNCONFIRMED:
        wait_for_webhook(out, s, "unconfirmed");
        break;
    case HANDLE_NOT_SENT: /* no try: its time to live bounds it */
        out->event = "not_sent";
        out->due_ms = backoff_ms(row->attempt, UNSENT_FIRST_MS, UNSENT_MOST_MS, s->random);
        break;
    case HANDLE_UNKNOWN:
        if (row_is_repeatable(row, s->now_us) && row->tries < s->most_tries)
            retry(out, row, s, "repeat", RETRY_FIRST_MS, RETRY_MOST_MS);
        else if (row->action == ACTION_SEND_TEXT)
            wait_for_webhook(out, s, "no_answer");
        else
            out->event = "exhausted";
        break;
    case HANDLE_RETRY:
        retry(out, row, s, "busy", RETRY_FIRST_MS, RETRY_MOST_MS);
        break;
    case HANDLE_SLOW:
        retry(out, row, s, "busy", SLOW_FIRST_MS, SLOW_MOST_MS);
        break;
    case HANDLE_ROOM_BUSY:
        retry(out, row, s, "busy", ROOM_FIRST_MS, ROOM_MOST_MS);
        out->room_ms = out->due_ms;
        break;
    case HANDLE_DROPPED:
        retry(out, row, s, "dropped", ROOM_FIRST_MS, ROOM_MOST_MS);
        out->room_ms = out->due_ms;
        break;
    case HANDLE_RENEW:
        out->event = "renewed";
        break;
    case HANDLE_PAUSE:
    case HANDLE_STOP:
        out->event = "stopped";
        out->due_ms = s->breaker_ms;
        break;
    case HANDLE_ROOM_GONE:
        out->room_gone = true;
        break;
    case HANDLE_REFUSED:
        break;
    }
    give_up_doubt(out, outcome, row, s);
}
