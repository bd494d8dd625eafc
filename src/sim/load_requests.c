#include "sim/load_requests.h"

#include "base/json_write.h"
#include "sim/schedule.h"
#include "sim/seeded.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Widths of what is written over; each value always fills its own. */
enum { WIDTH_RANDOM = 10, WIDTH_SECONDS = 10, WIDTH_MS = 13, WIDTH_SEQ = 10, WIDTH_USER = 6, WIDTH_ROOM = 3 };
enum { WIDTH_NUMBER = 12 /* of the message, in MsgId */, USERS = 50000 };
static const uint64_t FIRST_SEQ = 1000000000, FIRST_RANDOM = 1000000000, RANDOMS = 3294967296;

static const char user_prefix[] = "viewer_", id_prefix[] = "144115";

/* One text as one whole request; where its parts stand, from the start of the bytes. 0: not there. */
struct form {
    struct buf bytes;
    size_t sign, request_time;            /* query */
    size_t from, actor, room, id, random; /* body */
    size_t event_ms, seq, time;
};

struct load_requests {
    struct load_requests_options options;
    char room_prefix[16];
    size_t texts;
    struct form *forms[2]; /* Before and After, one a text */
};

/* Making the forms ---------------------------------------------------------------------------------------------- */

/* The place behind the first mark after `from`. A mark holds bare quotes or '&', which no text can contain here: inside
 * JSON strings quotes are escaped, and the query holds nothing of a text. */
static size_t place(const struct form *f, const char *mark)
{
    const char *found = memmem(f->bytes.data, f->bytes.len, mark, strlen(mark));

    return found ? (size_t)(found - f->bytes.data) + strlen(mark) : 0;
}

static void form_places(struct form *f, const struct webhook_style *style, size_t room_prefix_len)
{
    f->sign = place(f, "&Sign=");
    f->request_time = place(f, "&RequestTime=");
    f->from = place(f, "\"From_Account\":\"") + sizeof(user_prefix) - 1;
    f->actor = place(f, "\"Operator_Account\":\"") + sizeof(user_prefix) - 1;
    f->room = place(f, "\"GroupId\":\"") + room_prefix_len;
    f->id = place(f, "\"MsgId\":\"") + sizeof(id_prefix) - 1;
    f->random = place(f, "\"Random\":");
    f->event_ms = place(f, style->string_event_time ? "\"EventTime\":\"" : "\"EventTime\":");
    f->seq = place(f, "\"MsgSeq\":");
    f->time = place(f, "\"MsgTime\":");
}

/* Writes the request with zeros of the right width; index varies what real senders vary. */
static int form_make(struct form *f, const struct load_requests *r, enum command command, struct span text,
                     size_t index, struct err *err)
{
    static const char *const platforms[] = {"iOS", "Android", "Android", "Web", "Windows"};
    struct buf body = BUF_INIT, msg_body = BUF_INIT;
    char ip[32], room[32], id[64];
    struct group_message message = {
        .type = SPAN("Live"),
        .from_account = SPAN("viewer_000000"),
        .operator_account = SPAN("viewer_000000"),
        .random = (uint32_t)FIRST_RANDOM,
        .event_time_ms = 1000000000000,
        .msg_seq = (uint32_t)FIRST_SEQ,
        .msg_time_s = 1000000000,
        .client_ip = ip,
        .opt_platform = platforms[index % 5],
    };

    snprintf(ip, sizeof(ip), "203.0.113.%zu", index % 254 + 1);
    snprintf(room, sizeof(room), "%s000", r->room_prefix);
    snprintf(id, sizeof(id), "%s000000000000-1000000000-1000000000", id_prefix);
    message.group_id = span_of(room);
    message.msg_id = span_of(id);
    if (index % 4 == 3)
        message.cloud_custom_data = SPAN("\"{\\\"lvl\\\":3}\"");
    buf_add_text(&msg_body, "[{\"MsgContent\":{\"Text\":");
    json_add_string(&msg_body, text);
    buf_add_text(&msg_body, "},\"MsgType\":\"TIMTextElem\"}]");
    message.msg_body = buf_span(&msg_body);
    webhook_body(&body, &r->options.style, command, &message);

    buf_addf(&f->bytes, "POST %s?", r->options.path);
    webhook_query(&f->bytes, &r->options.style, command, &message, NULL, 1000000000);
    buf_addf(&f->bytes, " HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
             r->options.host, body.len);
    buf_add_span(&f->bytes, buf_span(&body));
    const bool failed = buf_failed(&f->bytes) || buf_failed(&body) || buf_failed(&msg_body);
    buf_release(&msg_body);
    buf_release(&body);
    if (failed)
        return err_set(err, ERR_FAILED, "could not prepare the requests: out of memory");
    form_places(f, &r->options.style, strlen(r->room_prefix));
    return 0;
}

int load_requests_new(struct load_requests **out, const struct load_requests_options *options,
                      const struct corpus *corpus, struct err *err)
{
    struct load_requests *r = calloc(1, sizeof(*r));

    if (!r)
        return err_set(err, ERR_FAILED, "could not prepare the requests: out of memory");
    r->options = *options;
    r->texts = corpus->count;
    snprintf(r->room_prefix, sizeof(r->room_prefix), "load-%08" PRIx32 "-", options->run);
    for (int kind = 0; kind < 2; kind++) {
        r->forms[kind] = calloc(r->texts, sizeof(struct form));
        if (!r->forms[kind]) {
            load_requests_free(r);
            return err_set(err, ERR_FAILED, "could not prepare the requests: out of memory");
        }
        for (size_t i = 0; i < r->texts; i++) {
            if (form_make(&r->forms[kind][i], r, kind ? COMMAND_AFTER : COMMAND_BEFORE, corpus->texts[i], i, err) < 0) {
                load_requests_free(r);
                return ERR_FAILED;
            }
        }
    }
    *out = r;
    return 0;
}

void load_requests_free(struct load_requests *r)
{
    if (!r)
        return;
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; r->forms[kind] && i < r->texts; i++)
            buf_release(&r->forms[kind][i].bytes);
        free(r->forms[kind]);
    }
    free(r);
}

/* Filling one in ------------------------------------------------------------------------------------------------ */

static void digits(char *at, size_t width, uint64_t n)
{
    while (width-- > 0) {
        at[width] = (char)('0' + n % 10);
        n /= 10;
    }
}

static void sign_for(struct load_signer *signer, const char *token, int64_t time_s)
{
    if (signer->time_s == time_s)
        return;
    signer->time_s = time_s;
    digits(signer->time, WIDTH_SECONDS, (uint64_t)time_s);
    signature_make(token, (struct span){signer->time, WIDTH_SECONDS}, signer->sign);
}

void load_requests_make(const struct load_requests *r, struct load_signer *signer, uint64_t n, int64_t wall_us,
                        struct buf *out, struct load_key *key)
{
    const uint64_t afters = schedule_afters(r->options.after_share, n);
    const bool after = schedule_afters(r->options.after_share, n + 1) > afters;
    const uint64_t message = after ? afters : n - afters; /* its number in the run */
    const uint64_t mixed = seeded_mix(message ^ (uint64_t)r->options.run << 32);
    const struct form *f = &r->forms[after][mixed % r->texts];
    const uint64_t time_s = (uint64_t)(wall_us / 1000000), user = (mixed >> 20) % USERS;
    const uint64_t room = message % r->options.rooms, seq = FIRST_SEQ + message / r->options.rooms + 1;
    char *at;

    buf_reset(out);
    buf_add_span(out, buf_span(&f->bytes));
    if (buf_failed(out))
        return;
    at = out->data;
    if (r->options.style.token) {
        sign_for(signer, r->options.style.token, (int64_t)time_s);
        memcpy(at + f->sign, signer->sign, SIGNATURE_HEX);
        memcpy(at + f->request_time, signer->time, WIDTH_SECONDS);
    }
    digits(at + f->from, WIDTH_USER, user);
    digits(at + f->actor, WIDTH_USER, user);
    digits(at + f->room, WIDTH_ROOM, room);
    digits(at + f->random, WIDTH_RANDOM, FIRST_RANDOM + (mixed >> 8) % RANDOMS);
    digits(at + f->event_ms, WIDTH_MS, (uint64_t)(wall_us / 1000));
    /* MsgId: the message's number, the run's, and Random again. */
    digits(at + f->id, WIDTH_NUMBER, message);
    digits(at + f->id + WIDTH_NUMBER + 1, WIDTH_SECONDS, r->options.run);
    memcpy(at + f->id + WIDTH_NUMBER + 1 + WIDTH_SECONDS + 1, at + f->random, WIDTH_RANDOM);
    key->command = after ? COMMAND_AFTER : COMMAND_BEFORE;
    if (after) {
        digits(at + f->seq, WIDTH_SEQ, seq);
        digits(at + f->time, WIDTH_SECONDS, time_s);
        snprintf(key->text, sizeof(key->text), "after %s%03" PRIu64 " %" PRIu64, r->room_prefix, room, seq);
    } else {
        const int id_len = (int)(sizeof(id_prefix) - 1) + WIDTH_NUMBER + 1 + WIDTH_SECONDS + 1 + WIDTH_RANDOM;
        snprintf(key->text, sizeof(key->text), "before %.*s", id_len, at + f->id - (sizeof(id_prefix) - 1));
    }
}
