#include "cli/rules_await.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "store/rule_revision.h"

#include <inttypes.h>

enum { LOOK_MS = 50 };

static const char *state_name(const struct revision_instance *i)
{
    return i->state == INSTANCE_TOOK ? "took" : i->state == INSTANCE_REFUSED ? "refused" : "silent";
}

static void add_text(struct buf *out, const struct revision_instance *i)
{
    buf_addf(out, "  %.*s pid %" PRIu64 " ", (int)i->host.len, i->host.data, i->pid);
    if (i->state == INSTANCE_SILENT)
        buf_addf(out, "has not answered, it runs %" PRIu64 "\n", i->runs);
    else if (i->state == INSTANCE_REFUSED)
        buf_addf(out, "refused it and keeps %" PRIu64 ": %.*s\n", i->runs, (int)i->error.len, i->error.data);
    else if (i->after_ms >= 0)
        buf_addf(out, "took it after %" PRId64 " ms\n", i->after_ms);
    else
        buf_addf(out, "runs a newer one, %" PRIu64 "\n", i->runs);
}

static void add_json(struct buf *out, const struct revision_instance *i)
{
    buf_add_text(out, out->len == 0 ? "[{" : ",{");
    json_add_member_span(out, "instance", i->instance_id);
    json_add_member_span(out, "host", i->host);
    json_add_member_u64(out, "pid", i->pid);
    json_add_member_text(out, "state", state_name(i));
    json_add_member_u64(out, "runs", i->runs);
    json_add_key(out, "after_ms");
    if (i->after_ms >= 0)
        buf_add_i64(out, i->after_ms);
    else
        buf_add_text(out, "null");
    json_add_member_span(out, "error", i->state == INSTANCE_REFUSED ? i->error : (struct span){NULL, 0});
    buf_add_char(out, '}');
}

static void note(const struct revision_instance *instance, void *arg)
{
    struct awaited *a = arg;

    a->took += instance->state == INSTANCE_TOOK;
    a->refused += instance->state == INSTANCE_REFUSED;
    a->silent += instance->state == INSTANCE_SILENT;
    add_text(&a->text, instance);
    add_json(&a->json, instance);
}

static int look(struct db *db, uint64_t revision, struct awaited *a, struct err *err)
{
    a->took = a->refused = a->silent = 0;
    buf_reset(&a->text);
    buf_reset(&a->json);
    int r = rule_revision_instances(db, revision, note, a, err);
    buf_add_text(&a->json, a->json.len == 0 ? "[]" : "]");
    return r;
}

int rules_await(struct db *db, uint64_t revision, int64_t wait_ms, struct awaited *out, struct err *err)
{
    int64_t until_us = clock_mono_us() + wait_ms * 1000;
    int r;

    *out = (struct awaited){.text = BUF_INIT, .json = BUF_INIT};
    while ((r = look(db, revision, out, err)) == 0 && out->silent > 0 && clock_mono_us() < until_us)
        clock_sleep_ms(LOOK_MS);
    return r;
}

void awaited_release(struct awaited *a)
{
    buf_release(&a->text);
    buf_release(&a->json);
}
