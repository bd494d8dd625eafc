#include "wire/rest.h"

#include "base/json_write.h"
#include "base/utf8.h"
#include "wire/json_read.h"

/* Writing ---------------------------------------------------------------------------------------------------------- */

void rest_write_send_text_msg(struct buf *out, const struct send_text_msg *request)
{
    buf_add_char(out, '{');
    json_add_member_span(out, "RoomId", request->room_id);
    json_add_member_span(out, "Sender_Account", request->sender_account);
    json_add_member_span(out, "TextContent", request->text_content);
    if (request->extension_info.presence == GIVEN)
        json_add_member_span(out, "ExtensionInfo", request->extension_info.text);
    buf_add_char(out, '}');
}

void rest_write_answer(struct buf *out, int64_t error_code, const char *error_info, const char *request_id,
                       struct span response_members)
{
    buf_add_text(out, "{\"ErrorCode\":");
    buf_add_i64(out, error_code);
    json_add_member_text(out, "ErrorInfo", error_info);
    json_add_member_text(out, "ActionStatus", error_code == 0 ? "OK" : "FAIL");
    json_add_member_text(out, "RequestId", request_id);
    if (response_members.len > 0) {
        json_add_key(out, "Response");
        buf_add_char(out, '{');
        buf_add_span(out, response_members);
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
}

/* Reading ---------------------------------------------------------------------------------------------------------- */

static int wrong_member(struct err *err, const char *key, const char *wanted)
{
    return err_set(err, ERR_INVALID, "answer: %s is not %s", key, wanted);
}

/* A string of the answer, cut to size; "" when it is absent or null. */
static int copy_text(struct json_value object, const char *key, char *out, size_t size, struct err *err)
{
    struct json_value v = json_member(object, key);
    struct buf text = BUF_INIT;
    int r = 0;

    out[0] = '\0';
    if (v.kind == JSON_ABSENT || v.kind == JSON_NULL)
        return 0;
    if (v.kind != JSON_STRING)
        return wrong_member(err, key, "a string");
    json_string_without_nul(&text, v);
    if (buf_failed(&text)) {
        r = err_set(err, ERR_FAILED, "out of memory");
    } else if (text.len > 0) {
        size_t len = utf8_cut(text.data, text.len, size - 1);
        memcpy(out, text.data, len);
        out[len] = '\0';
    }
    buf_release(&text);
    return r;
}

static int copy_number(struct json_value object, const char *key, int64_t *out, struct err *err)
{
    struct json_value v = json_member(object, key);

    *out = 0;
    if (v.kind == JSON_ABSENT || v.kind == JSON_NULL || json_integer(v, out))
        return 0;
    return wrong_member(err, key, "an integer");
}

static int read_answer(struct json_value root, struct rest_answer *out, struct err *err)
{
    struct json_value response = json_member(root, "Response");
    struct json_value result = response.kind == JSON_OBJECT ? response : root; /* Live or Chat */
    int r;

    if (!json_integer(json_member(root, "ErrorCode"), &out->error_code))
        return wrong_member(err, "ErrorCode", "an integer");
    if ((r = copy_text(root, "ActionStatus", out->action_status, sizeof(out->action_status), err)) < 0 ||
        (r = copy_text(root, "ErrorInfo", out->error_info, sizeof(out->error_info), err)) < 0 ||
        (r = copy_text(root, "RequestId", out->request_id, sizeof(out->request_id), err)) < 0 ||
        (r = copy_text(result, "MsgDropReason", out->msg_drop_reason, sizeof(out->msg_drop_reason), err)) < 0 ||
        (r = copy_number(result, "MsgTime", &out->msg_time_s, err)) < 0 ||
        (r = copy_number(result, "MsgSeq", &out->msg_seq, err)) < 0)
        return r;
    return 0;
}

int rest_read_answer(struct span body, struct rest_answer *out, struct err *err)
{
    struct rest_answer answer = {.error_code = 0};
    struct json_reader *reader = json_reader_new();
    struct json_value root;
    int r;

    if (!reader)
        return err_set(err, ERR_FAILED, "out of memory");
    r = json_read(reader, body, &root, err);
    if (r < 0)
        err_prefix(err, "answer");
    else if (root.kind != JSON_OBJECT)
        r = err_set(err, ERR_INVALID, "answer: it is not an object");
    else
        r = read_answer(root, &answer, err);
    json_reader_free(reader);
    if (r == 0)
        *out = answer;
    return r;
}
