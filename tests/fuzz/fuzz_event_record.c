/* Any bytes as a record of the spool: refused, or read within bounds and written again to something that reads the
 * same. (The spool's checksums keep damage out; this is about records of other versions, and about ourselves.) */
#include "fuzz.h"

#include "store/event_record.h"

static void check_inside(struct span bytes, struct span part)
{
    MUST(!part.data || part.len == 0 || (part.data >= bytes.data && part.data + part.len <= bytes.data + bytes.len));
}

static void check_bounds(struct span bytes, const struct event_record *r)
{
    check_inside(bytes, r->body);
    check_inside(bytes, r->client_ip);
    check_inside(bytes, r->fault);
    check_inside(bytes, r->rule);
    check_inside(bytes, r->hits_json);
    check_inside(bytes, r->becomes);
    check_inside(bytes, r->follow_ups_json);
    check_inside(bytes, r->correction_id);
    if (!r->parsed)
        return;
    check_inside(bytes, r->message.text);
    check_inside(bytes, r->message.command_word);
    check_inside(bytes, r->message.group_id.text);
    check_inside(bytes, r->message.cloud_custom_data.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {(const char *)data, size};
    struct buf first = BUF_INIT, second = BUF_INIT;
    struct event_record record, again;
    struct err err;

    if (event_record_decode(bytes, &record, &err) < 0) {
        MUST(err.code == ERR_INVALID);
        return 0;
    }
    check_bounds(bytes, &record);
    event_record_encode(&first, &record);
    MUST(event_record_decode(buf_span(&first), &again, &err) == 0);
    MUST(span_equal(record.body, again.body) && record.parsed == again.parsed && record.action == again.action);
    event_record_encode(&second, &again);
    MUST(span_equal(buf_span(&first), buf_span(&second)));
    buf_release(&first);
    buf_release(&second);
    return 0;
}
