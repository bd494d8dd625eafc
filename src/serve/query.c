#include "serve/query.h"

#include "base/http_server.h"
#include "base/utf8.h"

static const struct {
    const char *text;
    enum query_name name;
} names[] = {
    {"SdkAppid", QUERY_SDKAPPID},  {"CallbackCommand", QUERY_COMMAND},  {"WebhookCommand", QUERY_COMMAND},
    {"ClientIP", QUERY_CLIENT_IP}, {"OptPlatform", QUERY_PLATFORM},     {"RequestID", QUERY_REQUEST_ID},
    {"Sign", QUERY_SIGN},          {"RequestTime", QUERY_REQUEST_TIME},
};

static void query_take(struct query *q, struct span key, struct span value)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        enum query_name name = names[i].name;

        if (!span_is_nocase(key, names[i].text))
            continue;
        q->count[name]++;
        if (value.len > 0 && memchr(value.data, '%', value.len)) {
            http_percent_decode(value, &q->decoded[name]);
            value = buf_span(&q->decoded[name]);
        }
        q->value[name] = value;
        return;
    }
}

void query_read(struct query *q, struct span text)
{
    const char *at = text.data, *end = text.data + text.len;

    memset(q->count, 0, sizeof(q->count));
    memset(q->value, 0, sizeof(q->value));
    while (at < end) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        const char *pair_end = next ? next : end;
        const char *equals = memchr(at, '=', (size_t)(pair_end - at));
        const char *key_end = equals ? equals : pair_end;
        const char *value = equals ? equals + 1 : pair_end;

        query_take(q, (struct span){at, (size_t)(key_end - at)}, (struct span){value, (size_t)(pair_end - value)});
        at = pair_end + 1;
    }
}

void query_release(struct query *q)
{
    for (size_t i = 0; i < QUERY_NAMES; i++)
        buf_release(&q->decoded[i]);
}

struct span query_text(const struct query *q, enum query_name name, size_t max_bytes)
{
    struct span value = q->value[name];

    if (!value.data || value.len > max_bytes || utf8_valid_prefix(value.data, value.len) != value.len)
        return (struct span){0};
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.data[i] < 0x20 || value.data[i] == 0x7F)
            return (struct span){0};
    }
    return value;
}
