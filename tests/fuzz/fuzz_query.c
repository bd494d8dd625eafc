/* Any bytes as the query of a webhook's URL: read within bounds, the same by both readers there are, and let in only
 * with exactly one SdkAppid of ours and a signature its token made within a minute. The time is 1764000000. */
#include "fuzz.h"

#include "base/http_server.h"
#include "serve/policy.h"
#include "wire/signature.h"

enum { MAX_TEXT = 64, NOW_S = 1764000000 };

static char token[] = "token-of-the-fuzz-target", previous[] = "an-earlier-one";

static struct policy *policy_of_target(void)
{
    static struct config config = {
        .webhook = {.authentication = true},
        .apps = {{.sdkappid = 1400000001, .token = token, .previous_token = previous}, {.sdkappid = 7, .token = token}},
        .app_count = 2,
    };
    static struct policy_slot slot;

    if (!slot.current) {
        policy_slot_init(&slot);
        MUST(policy_slot_put(&slot, &config, NULL) == 0);
    }
    return slot.current;
}

static bool made_by(const char *with, struct span time, struct span sign)
{
    char made[SIGNATURE_HEX + 1];

    signature_make(with, time, made);
    return span_is_nocase(sign, made);
}

static void check_admitted(const struct query *q, uint64_t sdkappid)
{
    struct span time = q->value[QUERY_REQUEST_TIME], sign = q->value[QUERY_SIGN];
    unsigned long long app, time_s;

    MUST(q->count[QUERY_SDKAPPID] == 1 && q->count[QUERY_SIGN] == 1 && q->count[QUERY_REQUEST_TIME] == 1);
    MUST(span_to_u64(q->value[QUERY_SDKAPPID], &app) && app == sdkappid && (app == 7 || app == 1400000001));
    MUST(span_to_u64(time, &time_s) && time_s >= NOW_S - 60 && time_s <= NOW_S + 60);
    MUST(made_by(token, time, sign) || (app != 7 && made_by(previous, time, sign)));
}

static void check_alike(struct span query, const struct query *q, const char *name, enum query_name which)
{
    struct buf value = BUF_INIT;

    MUST(http_query(query, name, &value) == q->count[which]);
    MUST(span_equal(buf_span(&value), q->value[which]));
    buf_release(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct query q;
    struct span query = {(const char *)data, size};
    const char *why = NULL;
    uint64_t sdkappid = 0;

    query_read(&q, query);
    check_alike(query, &q, "SdkAppid", QUERY_SDKAPPID);
    check_alike(query, &q, "sign", QUERY_SIGN);
    check_alike(query, &q, "REQUESTTIME", QUERY_REQUEST_TIME);
    check_alike(query, &q, "ClientIP", QUERY_CLIENT_IP);
    for (size_t i = 0; i < QUERY_NAMES; i++) {
        struct span text = query_text(&q, (enum query_name)i, MAX_TEXT);

        MUST(!text.data || (text.len <= MAX_TEXT && is_utf8(text) && span_equal(text, q.value[i])));
    }
    if (policy_admit(policy_of_target(), &q, NOW_S, &sdkappid, &why) == ADMITTED)
        check_admitted(&q, sdkappid);
    else
        MUST(why && is_utf8(span_of(why)));
    return 0;
}
