#include "base/http_head.h"

#include <strings.h>

enum { MAX_LENGTH_DIGITS = 18 }; /* of Content-Length: fits in 63 bits whatever they are */

/* Whether a comma-separated list, as in Connection, names option. */
static bool list_names(const char *list, const char *option)
{
    size_t len = strlen(option);

    while (*list) {
        size_t word = strcspn(list, ", \t");

        if (word == len && strncasecmp(list, option, len) == 0)
            return true;
        list += word;
        list += strspn(list, ", \t");
    }
    return false;
}

static bool content_length_of(const char *value, size_t *out)
{
    struct span digits = {value, strlen(value)};
    unsigned long long n;

    while (digits.len > 0 && digits.data[digits.len - 1] == ' ')
        digits.len--;
    if (digits.len > MAX_LENGTH_DIGITS || !span_to_u64(digits, &n))
        return false;
    *out = (size_t)n;
    return true;
}

/* civetweb stops at a header line it cannot read (folded, empty name, a stray CR) and silently ignores the rest, a
 * Content-Length included; it takes bare LF and a blank before the colon, which a proxy in front may read otherwise;
 * and with blank lines before a request it parses what an earlier request left in its buffer. So a head must stand in
 * the buffer exactly as RFC 9112 writes it. civetweb puts NULs over the CR LF of each line and over the last LF. */
static const char *layout_fault(const struct http_head *head)
{
    const char *line_end = head->version + strlen(head->version);

    if (head->method != head->buffer)
        return "blank lines before the request";
    if (head->count > HTTP_MAX_HEADERS)
        return "more than 63 headers";
    for (size_t i = 0; i < head->count; i++) {
        const char *name = head->headers[i].name, *value = head->headers[i].value;
        const char *name_end = name + strlen(name);

        if (name != line_end + 2)
            return "a line of the head does not end with CR LF";
        if (value > name_end + 1 && name_end[1] == '\0')
            return "a blank before the colon of a header";
        line_end = value + strlen(value);
        if (line_end + 4 > head->buffer + HTTP_MAX_HEAD)
            return "the head is larger than 16 KiB";
        if (line_end[1] != '\0')
            return "a line of the head does not end with CR LF";
    }
    if (head->count > 0 && (line_end[2] != '\r' || line_end[3] != '\0'))
        return "a malformed header line";
    return NULL;
}

/* How often each header that matters was there. */
struct header_counts {
    unsigned hosts, lengths, encodings, upgrades;
};

static void header_judge(const char *name, const char *value, struct header_counts *counts, struct http_framing *out)
{
    if (strcasecmp(name, "Host") == 0) {
        counts->hosts++;
    } else if (strcasecmp(name, "Content-Length") == 0) {
        counts->lengths++;
        if (!content_length_of(value, &out->content_length))
            out->fault = "Content-Length is not a number";
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        counts->encodings++;
        out->chunked = true;
        if (strcasecmp(value, "chunked") != 0)
            out->fault = "Transfer-Encoding other than chunked";
    } else if (strcasecmp(name, "Connection") == 0) {
        out->keep_alive = list_names(value, "keep-alive") && !list_names(value, "close");
    } else if (strcasecmp(name, "Expect") == 0) {
        out->expects_continue = true;
        if (strcasecmp(value, "100-continue") != 0) {
            out->fault = "Expect other than 100-continue";
            out->status = 417;
        }
    } else if (strcasecmp(name, "Upgrade") == 0) {
        counts->upgrades++;
    }
}

static const char *counts_fault(const struct header_counts *counts, bool http_1_1)
{
    if (counts->hosts > 1 || (http_1_1 && counts->hosts == 0))
        return "exactly one Host header is required";
    if (counts->lengths > 1)
        return "repeated Content-Length";
    if (counts->encodings > 1)
        return "repeated Transfer-Encoding";
    if (counts->lengths > 0 && counts->encodings > 0)
        return "both Content-Length and Transfer-Encoding";
    if (counts->encodings > 0 && !http_1_1)
        return "Transfer-Encoding in an HTTP/1.0 request";
    return NULL;
}

void http_head_judge(const struct http_head *head, struct http_framing *out)
{
    bool http_1_1 = strcmp(head->version, "1.1") == 0;
    struct header_counts counts = {0};

    *out = (struct http_framing){.status = 400, .keep_alive = http_1_1, .fault = layout_fault(head)};
    for (size_t i = 0; i < head->count && !out->fault; i++)
        header_judge(head->headers[i].name, head->headers[i].value, &counts, out);
    if (!out->fault)
        out->fault = counts_fault(&counts, http_1_1);
    out->expects_continue = out->expects_continue && http_1_1;
    if (counts.upgrades > 0) /* not taken up, which is allowed; civetweb closes the connection then */
        out->keep_alive = false;
}
