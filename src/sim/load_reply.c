#include "sim/load_reply.h"

#include "wire/reply.h"

#include <ctype.h>
#include <strings.h>

static bool has(struct span text, const char *what)
{
    return memmem(text.data, text.len, what, strlen(what)) != NULL;
}

/* The line's value when it is the header `name`, without the blanks around it. */
static bool header_is(struct span line, const char *name, struct span *value)
{
    const size_t len = strlen(name);

    if (line.len <= len || line.data[len] != ':' || strncasecmp(line.data, name, len) != 0)
        return false;
    *value = (struct span){line.data + len + 1, line.len - len - 1};
    while (value->len > 0 && (value->data[0] == ' ' || value->data[0] == '\t')) {
        value->data++;
        value->len--;
    }
    while (value->len > 0 && (value->data[value->len - 1] == ' ' || value->data[value->len - 1] == '\t'))
        value->len--;
    return true;
}

static bool status_line(struct span line, struct load_reply *out)
{
    if (line.len < 12 || memcmp(line.data, "HTTP/1.", 7) != 0 || line.data[8] != ' ')
        return false;
    for (size_t i = 9; i < 12; i++) {
        if (!isdigit((unsigned char)line.data[i]))
            return false;
        out->status = out->status * 10 + (line.data[i] - '0');
    }
    out->close = line.data[7] == '0';
    return true;
}

/* Reads the head, its lines ended by CRLF each; true with the length of the body. */
static bool head_read(struct span head, struct load_reply *out, unsigned long long *length)
{
    bool first = true, found = false;

    while (head.len > 0) {
        const char *end = memmem(head.data, head.len, "\r\n", 2);
        const struct span line = {head.data, (size_t)(end - head.data)};
        struct span value;
        if (first) {
            if (!status_line(line, out))
                return false;
            first = false;
        } else if (header_is(line, "Content-Length", &value)) {
            if (!span_to_u64(value, length) || *length > LOAD_REPLY_MAX)
                return false;
            found = true;
        } else if (header_is(line, "Connection", &value)) {
            out->close = span_is_nocase(value, "close");
        }
        head.data += line.len + 2;
        head.len -= line.len + 2;
    }
    return found;
}

enum load_reply_state load_reply_read(struct span bytes, struct load_reply *out)
{
    const char *blank = memmem(bytes.data, bytes.len, "\r\n\r\n", 4);
    unsigned long long length = 0;
    size_t head;

    *out = (struct load_reply){0};
    if (!blank)
        return bytes.len < LOAD_REPLY_MAX ? LOAD_REPLY_MORE : LOAD_REPLY_BAD;
    head = (size_t)(blank - bytes.data) + 4;
    if (!head_read((struct span){bytes.data, head - 2}, out, &length))
        return LOAD_REPLY_BAD;
    if (bytes.len < head + length)
        return LOAD_REPLY_MORE;
    out->len = head + (size_t)length;
    out->body = (struct span){bytes.data + head, (size_t)length};
    return LOAD_REPLY_WHOLE;
}

/* Inside a JSON string a quote is escaped, so that a bare key found by its bytes is a key. */
enum verdict_form load_reply_verdict(struct span body)
{
    static const char key[] = "\"ErrorCode\":";
    const char *at = memmem(body.data, body.len, key, sizeof(key) - 1), *end = body.data + body.len;
    unsigned long code = 0;
    size_t count = 0;

    if (!at || body.len < 2 || body.data[0] != '{' || end[-1] != '}' || !has(body, "\"ActionStatus\":\"OK\""))
        return VERDICT_FAILED;
    for (at += sizeof(key) - 1; at < end && isdigit((unsigned char)*at) && count < 6; at++, count++)
        code = code * 10 + (unsigned long)(*at - '0');
    if (count == 0)
        return VERDICT_FAILED;
    if (code == REPLY_ALLOW)
        return has(body, "\"MsgBody\":") || has(body, "\"CloudCustomData\":") ? VERDICT_REWRITE : VERDICT_ALLOW;
    if (code == REPLY_REJECT)
        return VERDICT_REJECT;
    if (code == REPLY_DISCARD)
        return VERDICT_DISCARD;
    return code >= REPLY_CODE_MIN && code <= REPLY_CODE_MAX ? VERDICT_CODE : VERDICT_FAILED;
}
