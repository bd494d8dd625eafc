/* rest_query.c - what the URL of a REST call must say before anything else is looked at (`protocol.md` section 8). */
#include "sim/rest_call.h"

#include "base/clock.h"
#include "wire/usersig.h"

enum { MAX_PARAMETER = 4096 };

/* The value of a parameter, "" when it is missing; names are case-sensitive here, unlike in webhooks. */
static struct span parameter(struct rest_call *call, const char *name, struct buf *value)
{
    const size_t name_len = strlen(name);
    struct span rest = call->request->query;

    buf_reset(value);
    while (rest.len > 0) {
        const char *amp = memchr(rest.data, '&', rest.len);
        const size_t len = amp ? (size_t)(amp - rest.data) : rest.len;
        if (len > name_len && rest.data[name_len] == '=' && memcmp(rest.data, name, name_len) == 0) {
            http_query((struct span){rest.data, len}, name, value);
            break;
        }
        rest.data += amp ? len + 1 : len;
        rest.len -= amp ? len + 1 : len;
    }
    return buf_span(value);
}

static bool check_sdkappid(struct rest_call *call, struct buf *value)
{
    const struct span text = parameter(call, "sdkappid", value);
    unsigned long long id;

    if (text.len == 0)
        return rest_fail(call, 60012, "sdkappid is missing in the URL");
    if (!span_to_u64(text, &id) || id != call->options->sdkappid)
        return rest_fail(call, 60006, "sdkappid is not that of this application");
    return true;
}

static bool check_usersig(struct rest_call *call, const char *identifier, struct buf *value)
{
    const struct rest_api_options *options = call->options;
    const struct span text = parameter(call, "usersig", value);

    if (text.len == 0)
        return rest_fail(call, 70002, "usersig is missing or empty");
    if (!options->secret)
        return true;
    switch (usersig_check(text, options->secret, identifier, options->sdkappid, clock_wall_us() / 1000000)) {
    case USERSIG_OK:
        return true;
    case USERSIG_MALFORMED:
        return rest_fail(call, 70003, "usersig could not be read");
    case USERSIG_EXPIRED:
        return rest_fail(call, 70001, "usersig has expired");
    case USERSIG_WRONG_USER:
        return rest_fail(call, 70013, "usersig is that of another identifier");
    case USERSIG_WRONG_APP:
        return rest_fail(call, 70014, "usersig is that of another sdkappid");
    case USERSIG_WRONG_KEY:
        break;
    }
    return rest_fail(call, 70009, "usersig was made with another key");
}

bool rest_check_query(struct rest_call *call)
{
    struct buf value = {.max = MAX_PARAMETER}, identifier = {.max = MAX_PARAMETER};
    unsigned long long random;
    bool ok = check_sdkappid(call, &value);

    if (ok && parameter(call, "identifier", &identifier).len == 0)
        ok = rest_fail(call, 60004, "identifier is missing in the URL");
    if (ok)
        ok = check_usersig(call, buf_text(&identifier), &value);
    if (ok && !span_is(buf_span(&identifier), call->options->admin))
        ok = rest_fail(call, 60010, "identifier is no administrator of this application");
    if (ok && (!span_to_u64(parameter(call, "random", &value), &random) || random > UINT32_MAX))
        ok = rest_fail(call, 60002, "random is not a number from 0 to 4294967295");
    if (ok && !span_is(parameter(call, "contenttype", &value), "json"))
        ok = rest_fail(call, 60002, "contenttype is not json");
    buf_release(&value);
    buf_release(&identifier);
    return ok;
}
