/* A thousand malformed requests of many kinds, made from a table with a fixed seed: each is refused with a JSON body
 * that names the fault, and the next good request on a new connection is answered. */
#include "service.h"

enum { REQUESTS = 1000 };

#define BEFORE "Group.CallbackBeforeSendMsg"
#define GOOD                                                                                                           \
    "{\"CallbackCommand\":\"" BEFORE "\",\"GroupId\":\"room-7\",\"Type\":\"Live\",\"From_Account\":\"viewer_19\","     \
    "\"Random\":3204417755,\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"hello\"}}],"           \
    "\"EventTime\":1764000000123}"

struct rng {
    uint64_t state;
};

static uint64_t rng_next(struct rng *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state;
}

static size_t rng_below(struct rng *r, size_t limit)
{
    return (size_t)(rng_next(r) % limit);
}

static const char *rng_word(struct rng *r, const char *const *words, size_t count)
{
    return words[rng_below(r, count)];
}

#define ONE_OF(r, ...)                                                                                                 \
    rng_word((r), (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* A good request in parts; a kind of fault spoils one of them. */
struct parts {
    const char *method, *path, *version, *line_end;
    struct buf query, headers, body;
    bool no_length, no_host;
};

static void add_header(struct parts *p, const char *line)
{
    buf_add_text(&p->headers, line);
    buf_add_text(&p->headers, p->line_end);
}

static void insert(struct buf *b, size_t at, const char *text, size_t len)
{
    struct buf tail = BUF_INIT;

    buf_add(&tail, b->data + at, b->len - at);
    b->len = at;
    buf_add(b, text, len);
    buf_add_span(b, buf_span(&tail));
    buf_release(&tail);
}

static void insert_text(struct buf *b, size_t at, const char *text)
{
    insert(b, at, text, strlen(text));
}

static size_t end_of(const struct buf *b, const char *text)
{
    return (size_t)(strstr(b->data, text) - b->data) + strlen(text);
}

/* Heads */

static void spoil_method(struct parts *p, struct rng *r)
{
    p->method = ONE_OF(r, "GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND");
}

static void spoil_unknown_method(struct parts *p, struct rng *r)
{
    p->method = ONE_OF(r, "BREW", "post", "P0ST", "POSTPOST", "\xff");
}

static void spoil_path(struct parts *p, struct rng *r)
{
    p->path = ONE_OF(r, "/", "/webhook/", "/Webhook", "/web%2fhook", "/webhook/../webhook", "//webhook", "/webhook%20");
}

static void spoil_escape(struct parts *p, struct rng *r)
{
    p->path = ONE_OF(r, "/webhook%", "/webhook%0", "/webhook%zz", "/webhook%00", "/%c", "/webh%G1ook");
}

static void spoil_target(struct parts *p, struct rng *r)
{
    p->path = ONE_OF(r, "http://elsewhere.example/webhook", "http://example.org:99999999/webhook", "webhook", "*");
}

static void spoil_version(struct parts *p, struct rng *r)
{
    p->version = ONE_OF(r, "HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/11", "HTTP/1.1.1");
}

static void spoil_version_word(struct parts *p, struct rng *r)
{
    p->version = ONE_OF(r, "HTPP/1.1", "1.1", "http/1.1", "HTTP 1.1");
}

static void spoil_repeated_length(struct parts *p, struct rng *r)
{
    char line[64];

    snprintf(line, sizeof(line), "%s: %zu", ONE_OF(r, "Content-Length", "content-length", "CONTENT-LENGTH"),
             rng_below(r, 1000));
    add_header(p, line);
}

static void spoil_length(struct parts *p, struct rng *r)
{
    char line[64];

    snprintf(line, sizeof(line), "Content-Length: %s%zu%s", ONE_OF(r, "+", "-", "0x", "1,", "1 ", "999999999999999999"),
             rng_below(r, 1000) + 1000, ONE_OF(r, "", "zz", ".0", "e1", ";"));
    p->no_length = true;
    add_header(p, line);
}

static void spoil_both_framings(struct parts *p, struct rng *r)
{
    add_header(p, ONE_OF(r, "Transfer-Encoding: chunked", "transfer-encoding: CHUNKED"));
}

static void spoil_encoding(struct parts *p, struct rng *r)
{
    p->no_length = true;
    add_header(p, ONE_OF(r, "Transfer-Encoding: gzip", "Transfer-Encoding: chunked, gzip",
                         "Transfer-Encoding: identity", "Transfer-Encoding: xchunked", "Transfer-Encoding:"));
}

static void spoil_chunks(struct parts *p, struct rng *r)
{
    p->no_length = true;
    add_header(p, "Transfer-Encoding: chunked");
    buf_reset(&p->body);
    buf_add_text(&p->body,
                 ONE_OF(r, "5;a=b\r\nhello\r\n0\r\n\r\n", "5\r\nhelloo\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n",
                        "g\r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n", "\r\n\r\n", "fffffffffffffffff\r\nx"));
}

static void spoil_header_line(struct parts *p, struct rng *r)
{
    add_header(p, ONE_OF(r, "X: folded\r\n here", ": nameless", "\x80: high", "X: a\r\n\tb: tab"));
}

static void spoil_header_name(struct parts *p, struct rng *r)
{
    add_header(p, ONE_OF(r, "X : 1", "X  : 1", "X :"));
}

static void spoil_header_bytes(struct parts *p, struct rng *r)
{
    add_header(p, ONE_OF(r, "X: a\x01", "X: a\rb: c", "no colon", "X: \x7f", "X: \x1b[0m"));
}

static void spoil_line_end(struct parts *p, struct rng *r)
{
    p->line_end = "\n";
    add_header(p, ONE_OF(r, "X: 1", "Accept: */*"));
}

static void spoil_header_count(struct parts *p, struct rng *r)
{
    for (size_t i = 0, n = 64 + rng_below(r, 100); i < n; i++)
        add_header(p, "a: b");
}

static void spoil_head_size(struct parts *p, struct rng *r)
{
    size_t len = 17000 + rng_below(r, 20000);

    buf_add_text(&p->headers, "X: ");
    memset(buf_reserve(&p->headers, len), 'x', len);
    buf_commit(&p->headers, len);
    buf_add_text(&p->headers, "\r\n");
}

static void spoil_host(struct parts *p, struct rng *r)
{
    p->no_host = true;
    if (rng_below(r, 2) == 0) {
        add_header(p, "Host: a");
        add_header(p, "Host: b");
    }
}

static void spoil_expect(struct parts *p, struct rng *r)
{
    add_header(p, ONE_OF(r, "Expect: 200-ok", "Expect: ", "Expect: 100-continue, x"));
}

/* Bodies that do not come as announced */

static void spoil_short(struct parts *p, struct rng *r)
{
    char line[64];

    snprintf(line, sizeof(line), "Content-Length: %zu", p->body.len + 1 + rng_below(r, 5000));
    p->no_length = true;
    add_header(p, line);
}

static void spoil_large(struct parts *p, struct rng *r)
{
    char line[64];

    snprintf(line, sizeof(line), "Content-Length: %zu", 65 * 1024 + rng_below(r, 1000000000));
    p->no_length = true;
    add_header(p, line);
}

/* Admission */

static void spoil_app(struct parts *p, struct rng *r)
{
    size_t end = strcspn(p->query.data, "&");

    memmove(p->query.data, p->query.data + end + 1, p->query.len - end - 1);
    p->query.len -= end + 1;
    insert_text(&p->query, 0,
                ONE_OF(r, "", "SdkAppid=1&", "SdkAppid=&", "SdkAppid=1400000001x&", "SdkAppid=18446744073709551616&",
                       "SdkAppid=1400000001&sdkappid=1400000001&"));
}

static void spoil_sign(struct parts *p, struct rng *r)
{
    char *digit = strstr(p->query.data, "Sign=") + 5 + rng_below(r, SIGNATURE_HEX);

    *digit = *digit == '0' ? '1' : '0';
}

static void spoil_sign_form(struct parts *p, struct rng *r)
{
    char *digit = strstr(p->query.data, "Sign=") + 5 + rng_below(r, SIGNATURE_HEX);

    *digit = "gz-+;"[rng_below(r, 5)];
}

static void spoil_stale(struct parts *p, struct rng *r)
{
    int64_t off = 65 + (int64_t)rng_below(r, 100000);

    service_query(&p->query, SERVICE_APP, BEFORE, service_token,
                  clock_wall_us() / 1000000 + (rng_below(r, 2) ? off : -off));
}

static void spoil_repeated_sign(struct parts *p, struct rng *r)
{
    buf_add_text(&p->query, ONE_OF(r, "&Sign=1", "&sign=", "&REQUESTTIME=1", "&RequestTime"));
}

/* Bodies that are not what they must be */

static void spoil_cut(struct parts *p, struct rng *r)
{
    p->body.len = rng_below(r, p->body.len);
}

static void spoil_utf8(struct parts *p, struct rng *r)
{
    insert_text(
        &p->body, end_of(&p->body, "hel"),
        ONE_OF(r, "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe4\xbd", "\x80", "\xf0\x8f\xbf\xbf"));
}

static void spoil_control(struct parts *p, struct rng *r)
{
    char byte = (char)rng_below(r, 0x20);

    insert(&p->body, end_of(&p->body, "hel"), &byte, 1);
}

static void spoil_escape_in_text(struct parts *p, struct rng *r)
{
    insert_text(&p->body, end_of(&p->body, "hel"), ONE_OF(r, "\\x41", "\\u12", "\\u12g4", "\\'", "\\ "));
}

static void spoil_tail(struct parts *p, struct rng *r)
{
    buf_add_text(&p->body, ONE_OF(r, "x", "{}", ",", "]", "}", "//", "\"", "null"));
}

static void spoil_grammar(struct parts *p, struct rng *r)
{
    insert_text(&p->body, 1,
                ONE_OF(r, ",", "'a':1,", "a:1,", "\"a\":01,", "\"a\":1.,", "\"a\":NaN,", "\"a\":+1,", "\"a\":.5,",
                       "\"a\":tru,", "\"a\":,", "\"a\" 1,", "/* a */", "// a\n", "\"a\":1;", "\"a\":-,", "\"a\":1e,",
                       "\"a\":\"b\" \"c\":1,", "\"a\":Infinity,", "\"a\":0x1,"));
}

static void spoil_number(struct parts *p, struct rng *r)
{
    char digits[4000];
    size_t len = 100 + rng_below(r, 3000);

    memset(digits, '7', len);
    digits[len] = '\0';
    insert_text(&p->body, 1, "\"a\":,");
    insert_text(&p->body, 5, digits);
}

static void spoil_depth(struct parts *p, struct rng *r)
{
    size_t depth = 200 + rng_below(r, 2000);

    insert_text(&p->body, 1, "\"a\":,");
    for (size_t i = 0; i < depth; i++)
        insert_text(&p->body, 5, "[]" + 1);
    for (size_t i = 0; i < depth; i++)
        insert_text(&p->body, 5, "[");
}

static void spoil_shape(struct parts *p, struct rng *r)
{
    buf_reset(&p->body);
    buf_add_text(&p->body, ONE_OF(r, "", " ", "null", "[]", "1", "\"text\"", "{}", "{\"CallbackCommand\":1}",
                                  "{\"CallbackCommand\":null}", "{\"MsgBody\":[]}", "[{\"CallbackCommand\":\"x\"}]"));
}

static void spoil_kind(struct parts *p, struct rng *r)
{
    buf_reset(&p->body);
    buf_addf(&p->body, "{\"CallbackCommand\":\"" BEFORE "\",%s}",
             ONE_OF(r, "\"MsgBody\":5", "\"MsgBody\":{}", "\"MsgBody\":[5]", "\"MsgBody\":[{\"MsgType\":5}]",
                    "\"From_Account\":[]", "\"GroupId\":{}", "\"CloudCustomData\":{\"a\":1}", "\"EventTime\":true",
                    "\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":[]}]", "\"Random\":\"x\""));
}

static const struct kind {
    const char *name;
    void (*spoil)(struct parts *p, struct rng *r);
    int status;
    const char *fault; /* in the words of the refusal */
} kinds[] = {
    {"method", spoil_method, 405, "POST"},
    {"unknown method", spoil_unknown_method, 400, "malformed"},
    {"path", spoil_path, 404, "path"},
    {"escape", spoil_escape, 400, "escape"},
    {"target", spoil_target, 400, ""},
    {"version", spoil_version, 505, "HTTP/1.1"},
    {"version word", spoil_version_word, 400, "malformed"},
    {"repeated length", spoil_repeated_length, 400, "Content-Length"},
    {"length", spoil_length, 400, "Content-Length is not a number"},
    {"both framings", spoil_both_framings, 400, "both Content-Length and Transfer-Encoding"},
    {"encoding", spoil_encoding, 400, ""},
    {"chunks", spoil_chunks, 400, "chunked body"},
    {"header line", spoil_header_line, 400, ""},
    {"header name", spoil_header_name, 400, "colon"},
    {"header bytes", spoil_header_bytes, 400, "malformed"},
    {"line end", spoil_line_end, 400, "CR LF"},
    {"header count", spoil_header_count, 400, "63 headers"},
    {"head size", spoil_head_size, 400, "16 KiB"},
    {"host", spoil_host, 400, "Host"},
    {"expect", spoil_expect, 417, "Expect"},
    {"short", spoil_short, 400, "shorter"},
    {"large", spoil_large, 413, "larger"},
    {"app", spoil_app, 403, "SdkAppid"},
    {"sign", spoil_sign, 403, "another token"},
    {"sign form", spoil_sign_form, 403, "Sign"},
    {"stale", spoil_stale, 403, "60 s"},
    {"repeated sign", spoil_repeated_sign, 403, "exactly one Sign"},
    {"cut", spoil_cut, 200, "body: "},
    {"utf-8", spoil_utf8, 200, "body: byte "},
    {"control", spoil_control, 200, "body: byte "},
    {"escape in text", spoil_escape_in_text, 200, "body: byte "},
    {"tail", spoil_tail, 200, "body: byte "},
    {"grammar", spoil_grammar, 200, "body: byte "},
    {"number", spoil_number, 200, "body: byte "},
    {"depth", spoil_depth, 200, "body: byte "},
    {"shape", spoil_shape, 200, "body: "},
    {"kind", spoil_kind, 200, "body: "},
};

static void make_request(struct buf *out, const struct kind *kind, struct rng *r)
{
    struct parts p = {.method = "POST", .path = SERVICE_PATH, .version = "HTTP/1.1", .line_end = "\r\n"};

    service_query(&p.query, SERVICE_APP, BEFORE, service_token, clock_wall_us() / 1000000);
    buf_add_text(&p.body, GOOD);
    kind->spoil(&p, r);

    buf_reset(out);
    buf_addf(out, "%s %s?", p.method, p.path);
    buf_add_span(out, buf_span(&p.query));
    buf_addf(out, " %s%s", p.version, p.line_end);
    if (!p.no_host)
        buf_addf(out, "Host: hook.example%s", p.line_end);
    if (p.headers.len > 0)
        buf_add_span(out, buf_span(&p.headers));
    if (!p.no_length)
        buf_addf(out, "Content-Length: %zu%s", p.body.len, p.line_end);
    buf_add_text(out, p.line_end);
    buf_add_span(out, buf_span(&p.body));
    buf_release(&p.query);
    buf_release(&p.headers);
    buf_release(&p.body);
}

/* {"ActionStatus":..,"ErrorCode":n,"ErrorInfo":"words"}: n is the status, or 1, the verdict on an unreadable body. */
static void check_refusal(const struct kind *kind, const struct client_reply *reply, const struct buf *request)
{
    char start[80];
    const char *words = strstr(buf_text(&reply->body), "\"ErrorInfo\":\"");

    snprintf(start, sizeof(start), "{\"ActionStatus\":\"%s\",\"ErrorCode\":%d,", kind->status == 200 ? "OK" : "FAIL",
             kind->status == 200 ? 1 : kind->status);
    if (reply->status != kind->status || strncmp(buf_text(&reply->body), start, strlen(start)) != 0 || !words ||
        strlen(words) < strlen("\"ErrorInfo\":\"xxxxx\"}") || !strstr(words, kind->fault))
        fail_msg("%s: %d %s\nto %s", kind->name, reply->status, buf_text(&reply->body), buf_text(request));
}

static void refuses_a_thousand_malformed_requests(void **state)
{
    struct config config = service_config();
    struct rng rng = {.state = 0x9E3779B97F4A7C15};
    struct client_reply reply = {0};
    struct buf request = BUF_INIT;
    struct service s;

    (void)state;
    service_start(&s, &config, NULL);
    for (size_t i = 0; i < REQUESTS; i++) {
        const struct kind *kind = &kinds[i % (sizeof(kinds) / sizeof(kinds[0]))];
        struct client c = client_open(s.port);

        make_request(&request, kind, &rng);
        client_send(&c, request.data, request.len);
        shutdown(c.fd, SHUT_WR);
        if (!client_read(&c, &reply))
            fail_msg("%s: no reply to %s", kind->name, buf_text(&request));
        check_refusal(kind, &reply, &request);
        client_close(&c);

        service_ask(&s, BEFORE, span_of(GOOD), &reply);
        assert_int_equal(reply.status, 200);
        assert_string_equal(buf_text(&reply.body), "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\"}");
    }
    client_reply_release(&reply);
    buf_release(&request);
    service_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(refuses_a_thousand_malformed_requests)};

    return cmocka_run_group_tests_name("malformed", tests, NULL, NULL);
}
