/* One request: admit (method, path, application, signature), read the body, parse, judge, write the reply into its
 * buffer, record the event, and only when the record is on disk let the reply go. A corrected message that we sent
 * ourselves is let through in place of being judged (correction.h).
 *
 * What may go wrong after admission, and what the platform is told:
 *
 *                                         Before                          After and every other command
 *     body unreadable                     200, unreadable_verdict         400
 *     no verdict by the deadline          200, fallback_verdict           -
 *     record not on disk by the deadline  200, the verdict; counted       503: not acknowledged
 *     spool full or failed                200, the verdict; counted       503
 *
 * because any status but 200 lets the message of a Before webhook through (`protocol.md` section 1), while an After
 * webhook may come again. */
#include "serve/webhook.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/metrics.h"
#include "rules/judge.h"
#include "serve/correction.h"
#include "serve/policy.h"
#include "serve/query.h"
#include "store/event_record.h"
#include "wire/callback.h"

#include <stdlib.h>

enum {
    MAX_ADDRESS = 64, /* of query values that are recorded; longer ones are left out */
    MAX_WORD = 128,
    THREAD_KEEPS = 256 * 1024, /* a buffer that grew beyond an ordinary body is given back */
    DRAIN_MARGIN_MS = 2000,
};

struct webhook {
    struct http_server *server;
    struct spool *spool; /* borrowed, as is slot */
    struct ruleset_slot *slot;
    struct history *history; /* borrowed */
    char *path;
    struct policy_slot policy;
    struct marker_memory *used; /* markers */
    int64_t drain_ms;           /* longer than any request takes */
};

/* What one server thread keeps between requests. */
struct webhook_thread {
    struct callback_parser *parser;
    struct judge *judge;
    struct history_facts facts;
    struct query query;
    struct buf body, record, hits, follow_ups, own_data;
};

/* One request on its way. */
struct exchange {
    struct webhook *webhook;
    struct webhook_thread *thread;
    const struct http_request *request;
    struct http_reply *reply;
    const struct policy *policy;
    int64_t deadline_us;
    struct event_record record;
};

/* Admission ------------------------------------------------------------------------------------------------------- */

static void refuse(const struct exchange *x, enum metric reason, int status, const char *why)
{
    http_refuse(x->reply, status, "%s", why);
    metric_count(reason);
}

static bool admit(struct exchange *x)
{
    const struct http_request *request = x->request;
    const char *why = NULL;

    if (!span_is(request->method, "POST")) {
        refuse(x, METRIC_REFUSED_METHOD, 405, "webhooks are sent by POST");
        x->reply->extra_headers = "Allow: POST\r\n";
        return false;
    }
    if (!span_is(request->path, x->webhook->path)) {
        refuse(x, METRIC_REFUSED_PATH, 404, "nothing is served at this path");
        return false;
    }
    query_read(&x->thread->query, request->query);
    switch (policy_admit(x->policy, &x->thread->query, x->record.received_us / 1000000, &x->record.sdkappid, &why)) {
    case ADMITTED:
        return true;
    case NO_SUCH_APP:
        refuse(x, METRIC_REFUSED_SDKAPPID, 403, why);
        log_warn("webhook refused", log_str("reason", why), log_str("from", request->remote_address));
        return false;
    case NOT_SIGNED:
        /* If it is our token that is wrong, all real traffic is refused like this, and delivered unmoderated. */
        refuse(x, METRIC_REFUSED_SIGNATURE, 403, why);
        log_error("webhook not authenticated: if it is real, messages are delivered unmoderated",
                  log_str("reason", why), log_u64("sdkappid", x->record.sdkappid),
                  log_str("from", request->remote_address));
        return false;
    }
    return false;
}

/* Verdicts -------------------------------------------------------------------------------------------------------- */

static void decide(struct exchange *x, enum action action, enum decided_by by, int error_code, struct span error_info)
{
    x->record.action = action;
    x->record.decided_by = by;
    x->record.error_code = error_code;
    buf_reset(x->reply->body);
    reply_verdict(x->reply->body, error_code, error_info);
}

static void decide_without_rules(struct exchange *x, enum fallback configured, enum decided_by by, struct span why)
{
    switch (configured) {
    case FALLBACK_ALLOW:
        decide(x, ACTION_ALLOW, by, REPLY_ALLOW, SPAN(""));
        break;
    case FALLBACK_REJECT:
        decide(x, ACTION_REJECT, by, REPLY_REJECT, why);
        break;
    case FALLBACK_DISCARD:
        decide(x, ACTION_DISCARD, by, REPLY_DISCARD, SPAN(""));
        break;
    }
}

/* The evidence, which is recorded whatever was decided in the end. */
static void record_evidence(struct exchange *x, const struct verdict *verdict, const struct message *message)
{
    struct webhook_thread *t = x->thread;

    x->record.revision = verdict->revision;
    x->record.rule = span_of(verdict->rule);
    if (verdict->hit_count > 0) {
        buf_reset(&t->hits);
        verdict_hits_json(&t->hits, verdict, message->text, message->cloud_custom_data.text);
        x->record.hits_json = buf_span(&t->hits);
    }
    if (verdict->follow_up_count > 0) {
        buf_reset(&t->follow_ups);
        buf_add_char(&t->follow_ups, '[');
        for (size_t i = 0; i < verdict->follow_up_count; i++) {
            if (i > 0)
                buf_add_char(&t->follow_ups, ',');
            json_add_string(&t->follow_ups, span_of(verdict->follow_ups[i]));
        }
        buf_add_char(&t->follow_ups, ']');
        x->record.follow_ups_json = buf_span(&t->follow_ups);
    }
}

/* The corrected text: delivered in place of the message, or to be sent again. */
static void record_corrected(struct exchange *x, const struct verdict *verdict)
{
    x->record.becomes = verdict->becomes;
    if (verdict->cloud_custom_data)
        x->record.becomes_custom_data = *verdict->cloud_custom_data;
}

static void rewrite(struct exchange *x, const struct verdict *verdict, const struct message *message)
{
    struct err err;

    buf_reset(x->reply->body);
    if (reply_rewrite(x->reply->body, buf_span(&x->thread->body), message, verdict->rewrites, verdict->rewrite_count,
                      verdict->cloud_custom_data, &err) == 0) {
        record_corrected(x, verdict);
        return;
    }
    log_warn("message rejected because it could not be rewritten", log_str("reason", err.text),
             log_str("rule", verdict->rule));
    decide(x, ACTION_REJECT, verdict->decided_by, REPLY_REJECT, SPAN(""));
}

static void answer_before(struct exchange *x, const struct verdict *verdict, const struct message *message)
{
    if (clock_mono_us() >= x->deadline_us) {
        decide_without_rules(x, x->policy->fallback_verdict, DECIDED_DEADLINE, SPAN(""));
    } else if (verdict->decided_by == DECIDED_OVERLOAD && verdict->action == ACTION_ALLOW) {
        /* no memory; a message with too much in it to be judged whole is rejected by the judge itself */
        decide_without_rules(x, x->policy->fallback_verdict, DECIDED_OVERLOAD, SPAN(""));
    } else {
        decide(x, verdict->action, verdict->decided_by, verdict->error_code, verdict->error_info);
        if (verdict->error_code == REPLY_ALLOW && (verdict->rewrite_count > 0 || verdict->cloud_custom_data))
            rewrite(x, verdict, message);
    }
}

/* Recording ------------------------------------------------------------------------------------------------------- */

/* Puts the event into the spool and waits for the disk. What the sender is told if that fails depends on whether the
 * reply carries a verdict. */
static void record(struct exchange *x, bool carries_verdict)
{
    struct buf *bytes = &x->thread->record;
    struct err err = {0};
    int r;

    x->record.judge_us = (uint32_t)(clock_mono_us() - x->request->started_us);
    x->record.body = (struct span){buf_text(&x->thread->body), x->thread->body.len}; /* empty is not absent */
    buf_reset(bytes);
    event_record_encode(bytes, &x->record);
    r = buf_failed(bytes) ? err_set(&err, ERR_FULL, "no memory for the record")
                          : spool_append(x->webhook->spool, buf_span(bytes), x->deadline_us, NULL, &err);
    if (r == 0)
        return;
    if (!carries_verdict) {
        refuse(x, METRIC_REFUSED_SPOOL, 503, "the event could not be made durable");
        log_error("webhook not acknowledged", log_str("command", command_name(x->record.command)),
                  log_str("reason", err.text));
    } else if (r == ERR_TIMEOUT) {
        metric_count(METRIC_DEADLINE);
        log_warn("verdict sent before its event was on disk", log_str("reason", err.text));
    } else {
        metric_count(METRIC_NOT_RECORDED);
        log_error("verdict given without a record", log_str("reason", err.text));
    }
}

/* Commands -------------------------------------------------------------------------------------------------------- */

static const enum metric verdict_metrics[ACTION_COUNT] = {
    [ACTION_ALLOW] = METRIC_VERDICTS_ALLOW,   [ACTION_FLAG] = METRIC_VERDICTS_FLAG,
    [ACTION_MASK] = METRIC_VERDICTS_MASK,     [ACTION_REPLACE] = METRIC_VERDICTS_REPLACE,
    [ACTION_REJECT] = METRIC_VERDICTS_REJECT, [ACTION_DISCARD] = METRIC_VERDICTS_DISCARD,
};

static void count(const struct exchange *x)
{
    int64_t us = clock_mono_us() - x->request->started_us;

    switch (x->record.command) {
    case COMMAND_BEFORE:
        metric_count(METRIC_WEBHOOKS_BEFORE);
        metric_count(verdict_metrics[x->record.action]);
        metric_observe_us(HISTOGRAM_BEFORE, us);
        break;
    case COMMAND_AFTER:
        metric_count(METRIC_WEBHOOKS_AFTER);
        metric_observe_us(HISTOGRAM_AFTER, us);
        break;
    case COMMAND_EXCEPTION:
        metric_count(METRIC_WEBHOOKS_EXCEPTION);
        metric_observe_us(HISTOGRAM_OTHER, us);
        break;
    case COMMAND_RECALL:
        metric_count(METRIC_WEBHOOKS_RECALL);
        metric_observe_us(HISTOGRAM_OTHER, us);
        break;
    case COMMAND_OTHER:
        metric_count(METRIC_WEBHOOKS_OTHER);
        metric_observe_us(HISTOGRAM_OTHER, us);
        break;
    }
}

/* Our own corrected message: let through unread. The sender did not say it, so it does not count as theirs either. */
static void let_through(struct exchange *x, const struct correction *correction, const struct message *message,
                        const struct ruleset *set)
{
    struct err err;

    x->record.revision = set ? ruleset_revision(set) : 0;
    decide(x, ACTION_ALLOW, DECIDED_CORRECTION, REPLY_ALLOW, SPAN(""));
    if (message->command != COMMAND_BEFORE)
        return;
    buf_reset(x->reply->body);
    if (correction_reply(x->reply->body, correction, buf_span(&x->thread->body), message, &err) == 0)
        return;
    log_warn("correction let through with its marker", log_str("reason", err.text));
    decide(x, ACTION_ALLOW, DECIDED_CORRECTION, REPLY_ALLOW, SPAN(""));
}

/* What rules may ask beside the message. A Before message is counted here, an After one was. */
static struct circumstances circumstances_of(struct exchange *x, const struct ruleset *set,
                                             const struct message *message, int64_t now_ms)
{
    struct history_facts *facts = &x->thread->facts;

    history_observe(x->webhook->history, set, message, x->record.sdkappid, now_ms, facts);
    return (struct circumstances){
        .sdkappid = x->record.sdkappid,
        .platform = x->record.platform,
        .earlier = {facts->earlier, facts->earlier_len},
        .meters = facts->meters,
    };
}

static void judge_and_answer(struct exchange *x, struct ruleset *set, const struct message *message,
                             bool has_follow_ups)
{
    int64_t now_ms = clock_mono_us() / 1000;
    struct circumstances circumstances = circumstances_of(x, set, message, now_ms);
    struct verdict verdict;

    judge_message(x->thread->judge, set, message, &circumstances, &verdict);
    if (!has_follow_ups)
        verdict.follow_up_count = 0;
    record_evidence(x, &verdict, message);
    if (message->command == COMMAND_BEFORE)
        answer_before(x, &verdict, message);
    else /* judged for the record only: the platform ignores what an After reply says (`protocol.md` section 4) */
        decide(x, verdict.action, verdict.decided_by, REPLY_ALLOW, SPAN(""));
    if ((message->command != COMMAND_BEFORE || x->record.action >= ACTION_REJECT) && verdict_wants_resend(&verdict))
        record_corrected(x, &verdict);
    history_verdict(x->webhook->history, set, message, x->record.sdkappid, now_ms, x->record.action);
}

static void find_correction(struct exchange *x, const struct message *message, struct correction *correction)
{
    const struct origin origin = {
        .key = policy_marker_key(x->policy, x->record.sdkappid),
        .platform = x->thread->query.value[QUERY_PLATFORM],
        .wall_s = x->record.received_us / 1000000,
        .mono_s = x->request->started_us / 1000000,
    };

    correction_find(correction, message, &origin, x->webhook->used, &x->thread->own_data);
    correction_record(&x->record, correction);
}

static void answer_message(struct exchange *x, const struct message *message)
{
    struct span url_command = x->thread->query.value[QUERY_COMMAND];
    struct ruleset *set = ruleset_slot_get(x->webhook->slot);
    struct correction correction;

    x->record.command = message->command;
    x->record.parsed = true; /* so that the loader need not parse again */
    x->record.message = *message;
    if (url_command.data && !span_equal(url_command, message->command_word)) {
        metric_count(METRIC_COMMAND_MISMATCH);
        log_warn("webhook URL and body name different commands",
                 log_span("url", query_text(&x->thread->query, QUERY_COMMAND, MAX_WORD)),
                 log_str("dispatched", command_name(message->command)));
    }
    find_correction(x, message, &correction);
    if (correction.use == MARKER_ACCEPTED)
        let_through(x, &correction, message, set);
    else
        judge_and_answer(x, set, message, !correction_is_ours(&correction));
    record(x, message->command == COMMAND_BEFORE);
    ruleset_unref(set); /* the record's names are borrowed from it */
}

/* Authenticated and well-framed, but not a webhook body: kept as it came, with the fault, so that nothing is lost. */
static void answer_unreadable(struct exchange *x, struct span fault)
{
    struct span url_command = x->thread->query.value[QUERY_COMMAND];

    x->record.command = url_command.data ? command_of(url_command) : COMMAND_BEFORE;
    x->record.fault = fault;
    metric_count(METRIC_REFUSED_UNREADABLE);
    log_warn("webhook body unreadable", log_str("command", command_name(x->record.command)), log_span("fault", fault),
             log_u64("bytes", x->thread->body.len));
    decide_without_rules(x, x->policy->unreadable_verdict, DECIDED_DEFAULT, fault);
    if (x->record.command != COMMAND_BEFORE)
        http_refuse(x->reply, 400, "%.*s", (int)fault.len, fault.data);
    record(x, x->record.command == COMMAND_BEFORE);
}

static void answer_body(struct exchange *x)
{
    struct message message;
    struct err err;
    int r;

    x->record.client_ip = query_text(&x->thread->query, QUERY_CLIENT_IP, MAX_ADDRESS);
    x->record.platform = query_text(&x->thread->query, QUERY_PLATFORM, MAX_WORD);
    x->record.request_id = query_text(&x->thread->query, QUERY_REQUEST_ID, MAX_WORD);
    r = callback_parse(x->thread->parser, buf_span(&x->thread->body), &message, &err);
    if (r == 0)
        answer_message(x, &message);
    else
        answer_unreadable(x, span_of(err.text));
    count(x);
}

/* The server's handler -------------------------------------------------------------------------------------------- */

static void thread_trim(struct webhook_thread *t)
{
    if (t->body.cap > THREAD_KEEPS)
        buf_release(&t->body);
    if (t->record.cap > THREAD_KEEPS)
        buf_release(&t->record);
    if (t->own_data.cap > THREAD_KEEPS)
        buf_release(&t->own_data);
}

static void webhook_handle(const struct http_request *request, struct http_reply *reply, void *arg)
{
    struct webhook *webhook = arg;
    struct policy *policy = policy_slot_get(&webhook->policy);
    struct exchange x = {
        .webhook = webhook,
        .thread = request->thread,
        .request = request,
        .reply = reply,
        .policy = policy,
        .deadline_us = request->started_us + policy->deadline_us,
        .record = {.received_us = clock_wall_us()},
    };

    metric_add(METRIC_IN_FLIGHT, 1);
    if (admit(&x) && http_read_body(request, &x.thread->body, reply) == HTTP_BODY_OK)
        answer_body(&x);
    metric_add(METRIC_IN_FLIGHT, (uint64_t)-1);
    thread_trim(x.thread);
    policy_unref(policy);
}

static void webhook_thread_free(void *thread)
{
    struct webhook_thread *t = thread;

    callback_parser_free(t->parser);
    judge_free(t->judge);
    history_facts_release(&t->facts);
    query_release(&t->query);
    buf_release(&t->body);
    buf_release(&t->record);
    buf_release(&t->hits);
    buf_release(&t->follow_ups);
    buf_release(&t->own_data);
    free(t);
}

static void *webhook_thread_new(void *arg)
{
    struct webhook_thread *t = calloc(1, sizeof(*t));

    (void)arg;
    if (!t)
        return NULL;
    t->parser = callback_parser_new();
    t->judge = judge_new();
    if (!t->parser || !t->judge) {
        webhook_thread_free(t);
        return NULL;
    }
    return t;
}

static void webhook_refused(int status, enum http_body why, void *arg)
{
    (void)status;
    (void)arg;
    switch (why) {
    case HTTP_BODY_OK:
        break;
    case HTTP_BODY_TOO_LARGE:
        metric_count(METRIC_REFUSED_TOO_LARGE);
        break;
    case HTTP_BODY_SLOW:
        metric_count(METRIC_REFUSED_SLOW_BODY);
        break;
    case HTTP_BODY_SHORT:
    case HTTP_BODY_BAD_FRAMING:
        metric_count(METRIC_REFUSED_FRAMING);
        break;
    case HTTP_BODY_NEVER_READ:
        metric_count(METRIC_REFUSED_CONNECTION);
        break;
    }
}

static void webhook_connection(int change, void *arg)
{
    (void)arg;
    metric_add(METRIC_CONNECTIONS, (uint64_t)(int64_t)change);
}

/* Life ------------------------------------------------------------------------------------------------------------ */

static void webhook_free(struct webhook *webhook)
{
    policy_slot_release(&webhook->policy);
    marker_memory_free(webhook->used);
    free(webhook->path);
    free(webhook);
}

int webhook_start(struct webhook **out, const struct config *config, struct spool *spool, struct ruleset_slot *slot,
                  struct history *history, struct err *err)
{
    struct webhook *webhook = calloc(1, sizeof(*webhook));
    int r;

    if (!webhook)
        return err_set(err, ERR_FAILED, "could not start the webhook server: no memory");
    webhook->spool = spool;
    webhook->slot = slot;
    webhook->history = history;
    webhook->path = strdup(config->webhook.path);
    webhook->drain_ms = config->webhook.body_timeout_ms + config->webhook.deadline_ms + DRAIN_MARGIN_MS;
    webhook->used = marker_memory_new();
    policy_slot_init(&webhook->policy);

    r = webhook->path && webhook->used ? policy_slot_put(&webhook->policy, config, err)
                                       : err_set(err, ERR_FAILED, "could not start the webhook server: no memory");
    if (r == 0) {
        const struct http_server_options options = {
            .listen = config->webhook.listen,
            .threads = (unsigned)config->webhook.threads,
            .max_body_bytes = (size_t)config->webhook.max_body_bytes,
            .body_timeout_ms = config->webhook.body_timeout_ms,
            .keep_alive_ms = config->webhook.keep_alive_ms,
            .handler = webhook_handle,
            .thread_new = webhook_thread_new,
            .thread_free = webhook_thread_free,
            .refused = webhook_refused,
            .connection = webhook_connection,
            .arg = webhook,
        };

        r = http_server_start(&webhook->server, &options, err);
    }
    if (r < 0) {
        webhook_free(webhook);
        return r;
    }
    *out = webhook;
    return 0;
}

unsigned webhook_port(const struct webhook *webhook)
{
    return http_server_port(webhook->server);
}

int webhook_reload(struct webhook *webhook, const struct config *config, struct err *err)
{
    return policy_slot_put(&webhook->policy, config, err);
}

void webhook_stop(struct webhook *webhook)
{
    if (!webhook)
        return;
    http_server_stop(webhook->server, webhook->drain_ms);
    webhook_free(webhook);
}
