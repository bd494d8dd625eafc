/* Any bytes as the answer to a REST call: read within bounds, and never the reason for a second message.
 *
 * Input: the action, how the call ended, the row's past, then the body. */
#include "fuzz.h"

#include "outbox/outcome.h"

enum { CHOICES = 3, SENT = 1, FAILED = 2, NOT_200 = 4, IN_DOUBT = 1, LAST_TRY = 2, GROUP_MSG = 4, LONG_AGO = 8 };

static struct row row_of(const uint8_t *data)
{
    return (struct row){
        .action = (enum row_action)(data[0] % ACTIONS),
        .command = data[2] & GROUP_MSG ? REST_SEND_GROUP_MSG : REST_SEND_TEXT_MSG,
        .attempt = 1 + (data[2] >> 4),
        .tries = data[2] & LAST_TRY ? 5 : 1,
        .in_doubt = data[2] & IN_DOUBT,
        .first_sent_us = data[2] & LONG_AGO ? 0 : (int64_t)3600 * 1000000,
    };
}

static void check_texts(const struct rest_answer *a)
{
    MUST(is_utf8(span_of(a->action_status)) && strlen(a->action_status) < sizeof(a->action_status));
    MUST(is_utf8(span_of(a->error_info)) && strlen(a->error_info) < sizeof(a->error_info));
    MUST(is_utf8(span_of(a->request_id)) && strlen(a->request_id) < sizeof(a->request_id));
    MUST(is_utf8(span_of(a->msg_drop_reason)) && strlen(a->msg_drop_reason) < sizeof(a->msg_drop_reason));
}

static bool is_sent_again(const struct settled *s)
{
    static const char *const events[] = {"repeat", "busy", "dropped", "not_sent", "renewed", "stopped"};

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (strcmp(s->event, events[i]) == 0)
            return true;
    return false;
}

/* A text that may have come through is not sent again, unless the platform knows its Random. */
static void check_settled(const struct settled *s, const struct outcome *o, const struct row *row, int64_t now_us)
{
    bool known = row->command == REST_SEND_GROUP_MSG && now_us - row->first_sent_us < (int64_t)300 * 1000000;

    MUST(s->event && s->due_ms >= 0 && s->wait_ms >= 0 && s->room_ms >= 0);
    MUST(is_utf8(span_of(o->reason)) && strlen(o->reason) < sizeof(o->reason));
    if (row->action != ACTION_SEND_TEXT || known)
        return;
    if (o->handling == HANDLE_UNKNOWN || o->handling == HANDLE_DONE || o->handling == HANDLE_UNCONFIRMED)
        MUST(!is_sent_again(s));
    if (o->handling == HANDLE_DONE)
        MUST(strcmp(s->event, "accepted") == 0 && o->answer.error_code == 0 && o->answer.msg_seq != 0);
    if (row->in_doubt)
        MUST(strcmp(s->event, "refused") != 0 && strcmp(s->event, "exhausted") != 0);
}

static void check_answer(const uint8_t *data, struct span body)
{
    struct row row = row_of(data);
    const struct settling settling = {(int64_t)3601 * 1000000, 5, 60000, data[1]};
    const struct call_end end = {
        .result = data[1] & FAILED ? ERR_FAILED : 0,
        .why = "the connection ended",
        .sent = data[1] & SENT || !(data[1] & FAILED),
        .http_status = data[1] & NOT_200 ? 502 : 200,
        .body = body,
    };
    struct outcome outcome;
    struct settled settled;

    outcome_read(&outcome, row.action, &end);
    check_texts(&outcome.answer);
    MUST(outcome.answered || outcome.handling == HANDLE_UNKNOWN || outcome.handling == HANDLE_NOT_SENT);
    MUST((outcome.handling == HANDLE_NOT_SENT) == (end.result < 0 && !end.sent));
    outcome_settle(&settled, &outcome, &row, &settling);
    check_settled(&settled, &outcome, &row, settling.now_us);
}

/* What we understood, written and read again. */
static void check_again(struct span body)
{
    struct rest_answer answer, again;
    struct buf out = BUF_INIT;
    struct err err;

    if (rest_read_answer(body, &answer, &err) < 0) {
        MUST(err.code == ERR_INVALID && is_utf8(span_of(err.text)));
        return;
    }
    rest_write_answer(&out, answer.error_code, answer.error_info, answer.request_id, SPAN(""));
    MUST(rest_read_answer(buf_span(&out), &again, &err) == 0);
    MUST(again.error_code == answer.error_code && strcmp(again.error_info, answer.error_info) == 0 &&
         strcmp(again.request_id, answer.request_id) == 0);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span body;

    if (size < CHOICES)
        return 0;
    body = (struct span){(const char *)data + CHOICES, size - CHOICES};
    check_answer(data, body);
    check_again(body);
    return 0;
}
