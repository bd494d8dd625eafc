/* Answers to webhooks: as the platform reads them (verdict_reply), and as a load run does (load_reply). */
#include "sim/load_reply.h"
#include "sim/verdict_reply.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ELEMENT  "{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"\\\"ErrorCode\\\":1\"}}"
#define CUSTOM   "{\"MsgContent\":{\"Data\":\"x\"},\"MsgType\":\"TIMCustomElem\"}"
#define OK(rest) "{\"ActionStatus\":\"OK\",\"ErrorInfo\":\"\"" rest "}"

static const struct {
    const char *body;
    enum verdict_form form;
    bool load_takes_it; /* a load run looks less closely */
} cases[] = {
    {OK(",\"ErrorCode\":0"), VERDICT_ALLOW, true},
    {OK(",\"ErrorCode\":1"), VERDICT_REJECT, true},
    {OK(",\"ErrorCode\":2"), VERDICT_DISCARD, true},
    {OK(",\"ErrorCode\":10100"), VERDICT_CODE, true},
    {OK(",\"ErrorCode\":10200"), VERDICT_CODE, true},
    {OK(",\"ErrorCode\":0,\"MsgBody\":[" ELEMENT "]"), VERDICT_REWRITE, true},
    {OK(",\"ErrorCode\":0,\"MsgBody\":[" CUSTOM "," ELEMENT "]"), VERDICT_REWRITE, true},
    {OK(",\"ErrorCode\":0,\"CloudCustomData\":\"\""), VERDICT_REWRITE, true},
    {OK(",\"ErrorCode\":3"), VERDICT_FAILED, true},
    {OK(",\"ErrorCode\":10099"), VERDICT_FAILED, true},
    {OK(",\"ErrorCode\":10201"), VERDICT_FAILED, true},
    {OK(",\"ErrorCode\":-1"), VERDICT_FAILED, true},
    {OK(""), VERDICT_FAILED, true},
    {"", VERDICT_FAILED, true},
    {"{", VERDICT_FAILED, true},
    {"OK", VERDICT_FAILED, true},
    {"{\"ActionStatus\":\"FAIL\",\"ErrorCode\":0}", VERDICT_FAILED, true},
    {"{\"ErrorCode\":0}", VERDICT_FAILED, true},
    {OK(",\"ErrorCode\":0,\"ErrorInfo\":5"), VERDICT_FAILED, false},
    {OK(",\"ErrorCode\":0,\"CloudCustomData\":{}"), VERDICT_FAILED, false},
    {OK(",\"ErrorCode\":0,\"MsgBody\":[]"), VERDICT_FAILED, false},
    {OK(",\"ErrorCode\":0,\"MsgBody\":{}"), VERDICT_FAILED, false},
    {OK(",\"ErrorCode\":0,\"MsgBody\":[5]"), VERDICT_FAILED, false},
    {OK(",\"ErrorCode\":0,\"MsgBody\":[{\"MsgType\":\"TIMTextElem\"}]"), VERDICT_FAILED, false},
    {OK(",\"ErrorCode\":0,\"MsgBody\":[" CUSTOM "," CUSTOM "]"), VERDICT_FAILED, false},
    {OK(",\"ErrorCode\":1,\"MsgBody\":[" ELEMENT "]"), VERDICT_FAILED, false},
    {"{\"ActionStatus\":\"OK\",\"ErrorCode\":0,}", VERDICT_FAILED, false},
};

static void forms_of_a_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* on the heap, exactly as long: a sanitizer sees a step too far */
        const size_t len = strlen(cases[i].body);
        char *copy = malloc(len ? len : 1);
        const struct span body = {copy, len};
        struct verdict_reply reply;
        assert_non_null(copy);
        memcpy(copy, cases[i].body, len);
        verdict_reply_read(body, 100, &reply);
        if (reply.form != cases[i].form)
            fail_msg("%s: %s", cases[i].body, verdict_form_name(reply.form));
        assert_int_equal(reply.fault != NULL, reply.form == VERDICT_FAILED);
        if (cases[i].load_takes_it)
            assert_int_equal(load_reply_verdict(body), cases[i].form);
        free(copy);
    }
}

static void a_longer_body_may_only_replace_a_long_one(void **state)
{
    struct buf body = BUF_INIT;
    struct verdict_reply reply;

    (void)state;
    buf_add_text(
        &body, "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"MsgBody\":[{\"MsgType\":\"T\",\"MsgContent\":{\"Text\":\"");
    for (int i = 0; i < 13000; i++)
        buf_add_char(&body, 'a');
    buf_add_text(&body, "\"}}]}");
    verdict_reply_read(buf_span(&body), 20000, &reply);
    assert_int_equal(reply.form, VERDICT_REWRITE);
    verdict_reply_read(buf_span(&body), 12000, &reply);
    assert_int_equal(reply.form, VERDICT_FAILED);
    buf_release(&body);
}

static void answers_off_the_socket(void **state)
{
    static const struct {
        const char *bytes;
        enum load_reply_state state;
        int status;
        bool close;
        size_t body;
    } answers[] = {
        {"", LOAD_REPLY_MORE, 0, false, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", LOAD_REPLY_MORE, 0, false, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", LOAD_REPLY_MORE, 0, false, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", LOAD_REPLY_WHOLE, 200, false, 2},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP", LOAD_REPLY_WHOLE, 200, false, 2},
        {"HTTP/1.1 503 No\r\nconnection:  Close \r\ncontent-length:0\r\n\r\n", LOAD_REPLY_WHOLE, 503, true, 0},
        {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", LOAD_REPLY_WHOLE, 200, true, 0},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", LOAD_REPLY_WHOLE, 200, false, 0},
        {"HTTP/1.1 200 OK\r\n\r\n", LOAD_REPLY_BAD, 0, false, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", LOAD_REPLY_BAD, 0, false, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", LOAD_REPLY_BAD, 0, false, 0},
        {"HTTP/2 200\r\n\r\n", LOAD_REPLY_BAD, 0, false, 0},
        {"\r\n\r\n", LOAD_REPLY_BAD, 0, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct load_reply reply;
        assert_int_equal(load_reply_read(span_of(answers[i].bytes), &reply), answers[i].state);
        if (answers[i].state != LOAD_REPLY_WHOLE)
            continue;
        assert_int_equal(reply.status, answers[i].status);
        assert_int_equal(reply.close, answers[i].close);
        assert_int_equal(reply.body.len, answers[i].body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_a_verdict),
        cmocka_unit_test(a_longer_body_may_only_replace_a_long_one),
        cmocka_unit_test(answers_off_the_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
