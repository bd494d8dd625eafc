/* service.h - the webhook side of the service for a test: real sockets, a real spool in a directory of its own, real
 * rules. */
#ifndef CHATSLUICE_TESTS_SERVICE_H
#define CHATSLUICE_TESTS_SERVICE_H

#include "../http_client.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "serve/operations.h"
#include "serve/webhook.h"
#include "store/event_record.h"
#include "wire/signature.h"

#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define SERVICE_PATH "/webhook"

enum { SERVICE_APP = 1400000001, SERVICE_SECOND_APP = 1400000002 };

static char service_token[] = "live-hook-token-01", service_previous_token[] = "the-one-before";
static char service_second_token[] = "token-of-the-second";

struct service {
    char directory[64];
    struct config config;
    struct spool *spool;
    struct ruleset_slot *slot;
    struct history *history;
    struct webhook *webhook;
    unsigned port;
    uint64_t read_seq; /* records already looked at */
};

static inline struct config service_config(void)
{
    static char listen[] = "127.0.0.1:0", path[] = SERVICE_PATH;

    return (struct config){
        .webhook = {.listen = listen,
                    .path = path,
                    .threads = 8,
                    .max_body_bytes = 64 * 1024,
                    .body_timeout_ms = 1000,
                    .deadline_ms = 20000, /* no test waits for the disk's sake */
                    .keep_alive_ms = 60000,
                    .authentication = true,
                    .fallback_verdict = FALLBACK_REJECT,
                    .unreadable_verdict = FALLBACK_REJECT},
        .operations = {.listen = listen, .threads = 4},
        .apps = {{.sdkappid = SERVICE_APP, .token = service_token, .previous_token = service_previous_token},
                 {.sdkappid = SERVICE_SECOND_APP, .token = service_second_token}},
        .app_count = 2,
        .spool = {.max_bytes = 64 * 1024 * 1024, .segment_bytes = 1024 * 1024},
    };
}

static inline void service_rules(struct service *s, const char *yaml, uint64_t revision)
{
    struct rule_document *doc = rule_document_new();
    struct faults faults = FAULTS_INIT;
    struct ruleset *set = NULL;

    if (rule_document_read_text(doc, "test", span_of(yaml), &faults) < 0 || rule_document_check(doc, &faults) < 0 ||
        ruleset_compile(&set, doc, revision, NULL, &faults) < 0)
        fail_msg("%s", buf_text(&faults.text));
    ruleset_slot_put(s->slot, set);
    ruleset_unref(set);
    rule_document_free(doc);
    faults_release(&faults);
}

/* rules may be NULL: none. */
static inline void service_start(struct service *s, const struct config *config, const char *rules)
{
    struct spool_options options = {.max_bytes = config->spool.max_bytes, .segment_bytes = config->spool.segment_bytes};
    struct err err = {0};

    *s = (struct service){.directory = "/tmp/chatsluice-serve-XXXXXX", .config = *config};
    assert_non_null(mkdtemp(s->directory));
    options.directory = s->directory;
    if (spool_open(&s->spool, &options, &err) != 0)
        fail_msg("%s", err.text);
    s->slot = ruleset_slot_new();
    assert_non_null(s->slot);
    s->history = history_new(HISTORY_LEAST_BYTES);
    assert_non_null(s->history);
    if (rules)
        service_rules(s, rules, 7);
    if (webhook_start(&s->webhook, &s->config, s->spool, s->slot, s->history, &err) != 0)
        fail_msg("%s", err.text);
    s->port = webhook_port(s->webhook);
}

static inline int service_remove(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void service_stop(struct service *s)
{
    webhook_stop(s->webhook);
    spool_close(s->spool);
    ruleset_slot_free(s->slot);
    history_free(s->history);
    nftw(s->directory, service_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* "SdkAppid=..&CallbackCommand=..&..&Sign=..&RequestTime=.."; command NULL: not named. */
static inline void service_query(struct buf *out, uint64_t app, const char *command, const char *token, int64_t time_s)
{
    char time[24], sign[SIGNATURE_HEX + 1];

    snprintf(time, sizeof(time), "%" PRId64, time_s);
    signature_make(token, span_of(time), sign);
    buf_reset(out);
    buf_addf(out, "SdkAppid=%" PRIu64 "&contenttype=json&ClientIP=203.0.113.7&OptPlatform=Android&RequestID=r-1", app);
    if (command)
        buf_addf(out, "&CallbackCommand=%s", command);
    buf_addf(out, "&Sign=%s&RequestTime=%s", sign, time);
}

static inline void service_send(const struct client *c, const char *query, struct span body)
{
    struct buf request = BUF_INIT;

    buf_addf(&request, "POST " SERVICE_PATH "?%s HTTP/1.1\r\nHost: hook.example\r\nContent-Length: %zu\r\n\r\n", query,
             body.len);
    buf_add_span(&request, body);
    client_send(c, request.data, request.len);
    buf_release(&request);
}

/* One signed webhook on a connection of its own. */
static inline void service_ask(struct service *s, const char *command, struct span body, struct client_reply *reply)
{
    struct client c = client_open(s->port);
    struct buf query = BUF_INIT;

    service_query(&query, SERVICE_APP, command, service_token, clock_wall_us() / 1000000);
    service_send(&c, query.data, body);
    assert_true(client_read(&c, reply));
    buf_release(&query);
    client_close(&c);
}

/* The next record in the spool, its bytes in *bytes; false when there is none. */
static inline bool service_next_record(struct service *s, struct event_record *record, struct buf *bytes)
{
    struct spool_reader *reader = NULL;
    struct spool_record raw;
    struct err err = {0};
    bool found = false;

    assert_int_equal(spool_reader_open(&reader, s->spool, s->read_seq + 1, &err), 0);
    if (spool_reader_next(reader, &raw, &err) == 1) {
        buf_reset(bytes);
        buf_add_span(bytes, raw.data);
        if (event_record_decode(buf_span(bytes), record, &err) != 0)
            fail_msg("%s", err.text);
        s->read_seq = raw.seq;
        found = true;
    }
    spool_reader_close(reader);
    return found;
}

#endif
