#include "store/event_row.h"

#include "store/jsonb_text.h"
#include "wire/callback.h"
#include "wire/gate.h"

#include <stdlib.h>

enum { SALTS = 256 }; /* made at once: each call of the generator has its price */

struct event_encoder {
    uint8_t spool_id[UUID_BYTES];
    struct callback_parser *parser;
    struct buf key;             /* what an event id is the digest of */
    struct event_record record; /* the last one, borrowed from what it was read from; its fault may be `fault` */
    struct err fault;
    struct buf json; /* hits or follow-ups as they are stored */
    uint8_t salts[SALTS][CHAIN_SALT_BYTES];
    size_t salts_used;
    uint8_t leaf[SHA256_BYTES];
};

static const int64_t us_per_s = 1000000;
static const int64_t us_per_day = 86400 * 1000000LL;

/* A webhook comes within seconds of its event, a repeated one within minutes. A time further off is a broken clock or a
 * broken field, and would scatter rows over partitions nobody looks into. */
static const int64_t max_distance_days = 3;

int event_encoder_new(struct event_encoder **out, const char *spool_id, struct err *err)
{
    struct event_encoder *e = calloc(1, sizeof(*e));

    if (!e || !(e->parser = callback_parser_new())) {
        event_encoder_free(e);
        return err_set(err, ERR_FAILED, "could not make an event encoder: no memory");
    }
    if (!uuid_read(span_of(spool_id), e->spool_id)) {
        event_encoder_free(e);
        return err_set(err, ERR_INVALID, "spool id \"%s\" is no UUID", spool_id);
    }
    e->salts_used = SALTS;
    *out = e;
    return 0;
}

const uint8_t *event_encoder_spool(const struct event_encoder *e)
{
    return e->spool_id;
}

void event_encoder_free(struct event_encoder *e)
{
    if (!e)
        return;
    callback_parser_free(e->parser);
    buf_release(&e->key);
    buf_release(&e->json);
    free(e);
}

/* Identity -------------------------------------------------------------------------------------------------------- */

static void key_number(struct buf *key, uint64_t n)
{
    buf_add_u64(key, n);
    buf_add_char(key, ';');
}

static void key_text(struct buf *key, const struct optional_text *t)
{
    key_number(key, t->text.len); /* lengths keep ("ab","c") and ("a","bc") apart */
    buf_add_span(key, t->text);
}

/* Whether an After webhook names its message well enough to know a repeated delivery by it (`protocol.md` section 4).
 * If so, *key holds that name. TopicId is part of it because topics of one community count their messages apart. */
static bool message_key(struct buf *key, const struct event_record *record, const struct message *m)
{
    if (record->command != COMMAND_AFTER || m->group_id.presence != GIVEN)
        return false;
    if (m->msg_seq.presence == GIVEN && m->msg_seq.value > 0) {
        buf_add_text(key, "after-seq;");
        key_number(key, (uint64_t)m->msg_seq.value);
    } else if (m->from_account.presence == GIVEN && m->random.presence == GIVEN && m->msg_time_s.presence == GIVEN) {
        buf_add_text(key, "after-random;");
        key_number(key, (uint64_t)m->random.value);
        key_number(key, (uint64_t)m->msg_time_s.value);
        key_text(key, &m->from_account);
    } else {
        return false;
    }
    key_number(key, record->sdkappid);
    key_text(key, &m->group_id);
    key_text(key, &m->topic_id);
    return true;
}

/* The digest as a UUID of version 8 (RFC 9562: made by rules of our own). */
static int key_digest(struct event_encoder *e, uint8_t id[UUID_BYTES])
{
    uint8_t digest[SHA256_BYTES];

    if (buf_failed(&e->key))
        return -1;
    crypto_sha256(&(struct span){e->key.data, e->key.len}, 1, digest);
    memcpy(id, digest, UUID_BYTES);
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x80);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    return 0;
}

/* *repeatable: the id is that of the message, and a repeated delivery has the same. Otherwise it is that of the place
 * in the spool; received_us is in it because a spool restored from an older copy gives its numbers out again. */
static int event_id(struct event_encoder *e, const struct event_record *record, const struct message *m, uint64_t seq,
                    uint8_t id[UUID_BYTES], bool *repeatable)
{
    buf_reset(&e->key);
    *repeatable = message_key(&e->key, record, m);
    if (!*repeatable) {
        buf_add_text(&e->key, "spool;");
        buf_add(&e->key, e->spool_id, UUID_BYTES);
        key_number(&e->key, seq);
        key_number(&e->key, (uint64_t)record->received_us);
    }
    return key_digest(e, id);
}

/* Time ------------------------------------------------------------------------------------------------------------ */

static bool time_of(const struct optional_number *n, int64_t unit_us, int64_t *us)
{
    if (n->presence != GIVEN || n->value < 0 || n->value > COPY_TIME_MAX_US / unit_us)
        return false;
    *us = n->value * unit_us;
    return true;
}

static int64_t clamp(int64_t n, int64_t min, int64_t max)
{
    return n < min ? min : n > max ? max : n;
}

static int64_t event_time(int64_t received_us, const struct message *m, bool repeatable)
{
    int64_t own_us;
    bool has_own = (m->command == COMMAND_AFTER && time_of(&m->msg_time_s, us_per_s, &own_us)) ||
                   time_of(&m->event_time_ms, 1000, &own_us);

    if (has_own && own_us >= received_us - max_distance_days * us_per_day &&
        own_us <= received_us + max_distance_days * us_per_day)
        return own_us;
    /* event_time is part of the primary key: a repeated delivery must meet its twin though it came at another time of
     * the day. */
    if (repeatable)
        return received_us - ((received_us % us_per_day) + us_per_day) % us_per_day;
    return received_us;
}

/* The row --------------------------------------------------------------------------------------------------------- */

static void add_text(struct buf *out, struct span text)
{
    copy_text(out, text.data ? text : SPAN(""));
}

static void add_optional_text(struct buf *out, const struct optional_text *t)
{
    if (t->presence == GIVEN)
        add_text(out, t->text);
    else
        copy_null(out);
}

static void add_optional_number(struct buf *out, const struct optional_number *n)
{
    if (n->presence == GIVEN)
        copy_i64(out, n->value);
    else
        copy_null(out);
}

/* As it will be read back, since that is what is digested. What cannot be brought into that form PostgreSQL refuses. */
static void add_json(struct event_encoder *e, struct buf *out, struct span json)
{
    buf_reset(&e->json);
    copy_jsonb(out, json.data && jsonb_text(&e->json, json) ? buf_span(&e->json) : json);
}

/* The order in the next functions is that of EVENT_OPEN. */
static void add_place(struct event_encoder *e, struct buf *out, uint64_t seq, const uint8_t id[UUID_BYTES],
                      int64_t time_us, int64_t received_us)
{
    copy_timestamptz(out, time_us);
    copy_timestamptz(out, received_us);
    copy_i64(out, (int64_t)e->record.sdkappid);
    copy_i64(out, (int64_t)seq);
    copy_uuid(out, id);
    copy_uuid(out, e->spool_id);
}

static void add_message(struct buf *out, const struct event_record *record)
{
    const struct message *m = &record->message;
    int64_t msg_time_us;

    add_text(out, m->group_id.text);
    copy_text(out, span_of(command_name(record->command)));
    copy_text(out, m->command_word);
    add_optional_text(out, &m->type);
    add_optional_text(out, &m->topic_id);
    add_optional_number(out, &m->random);
    add_optional_number(out, &m->msg_seq);
    if (time_of(&m->msg_time_s, us_per_s, &msg_time_us))
        copy_timestamptz(out, msg_time_us);
    else
        copy_null(out);
    copy_text(out, record->platform);
}

static void add_verdict(struct event_encoder *e, struct buf *out)
{
    const struct event_record *record = &e->record;
    bool judged = record->command == COMMAND_BEFORE || record->command == COMMAND_AFTER;

    copy_text(out, judged ? span_of(action_name(record->action)) : (struct span){NULL, 0});
    copy_text(out, judged ? span_of(decided_by_name(record->decided_by)) : (struct span){NULL, 0});
    copy_text(out, record->rule);
    copy_i32(out, record->error_code);
    copy_i64(out, (int64_t)record->revision);
    copy_i64(out, record->judge_us);
    add_json(e, out, record->follow_ups_json);
}

static void add_rest(struct buf *out, const struct event_record *record)
{
    const struct message *m = &record->message;
    uint8_t id[UUID_BYTES];

    copy_text(out, record->fault);
    add_optional_number(out, &m->error_code);
    add_optional_text(out, &m->error_info);
    if (record->command == COMMAND_RECALL && !record->fault.data)
        copy_i64_array(out, m->recalled_seqs, m->recalled_count);
    else
        copy_null(out);
    copy_bool(out, m->duplicate_keys);
    if (uuid_read(record->correction_id, id)) /* which correction the message is, by its marker */
        copy_uuid(out, id);
    else
        copy_null(out);
    copy_text(out, span_of(marker_use_name(record->marker)));
}

/* In the order of EVENT_PERSONAL. */
static void add_personal(struct event_encoder *e, struct buf *out)
{
    const struct event_record *record = &e->record;
    const struct message *m = &record->message;

    add_optional_text(out, &m->from_account);
    add_optional_text(out, &m->operator_account);
    add_optional_text(out, &m->msg_id);
    copy_text(out, record->client_ip);
    copy_text(out, record->request_id);
    if (m->element_count > 0 || m->text.len > 0)
        add_text(out, m->text);
    else
        copy_null(out);
    add_optional_text(out, &m->cloud_custom_data);
    add_json(e, out, record->hits_json);
    copy_text(out, record->becomes);
    copy_text(out, record->becomes_custom_data);
    copy_bytea(out, record->body);
}

static void add_custom_json(struct buf *out, const struct optional_text *data)
{
    struct gate_fault ignored;

    if (data->presence == GIVEN && gate_check(data->text, GATE_JSONB, &ignored))
        copy_jsonb(out, data->text);
    else
        copy_null(out);
}

static const uint8_t *next_salt(struct event_encoder *e)
{
    if (e->salts_used == SALTS) {
        if (!crypto_random(e->salts, sizeof(e->salts)))
            return NULL;
        e->salts_used = 0;
    }
    return e->salts[e->salts_used++];
}

/* Gives what is in the body: as the record brings it, or parsed now. */
static int read_body(struct event_encoder *e)
{
    struct event_record *record = &e->record;

    if (record->fault.data || record->parsed)
        return 0;
    if (callback_parse(e->parser, record->body, &record->message, &e->fault) == 0)
        return 0;
    record->message = (struct message){.command = record->command};
    record->fault = span_of(e->fault.text);
    return e->fault.code == ERR_INVALID ? 0 : e->fault.code;
}

int event_encode(struct event_encoder *e, struct buf *out, const struct spool_record *spooled, int64_t *event_time_us,
                 struct err *err)
{
    const struct event_record *record = &e->record;
    const struct message *m = &record->message;
    uint8_t id[UUID_BYTES], personal[SHA256_BYTES];
    size_t open_at, personal_at, personal_end;
    const uint8_t *salt;
    bool repeatable;
    int64_t received_us, time_us;
    int r = event_record_decode(spooled->data, &e->record, err);

    if (r < 0)
        return r;
    if (record->sdkappid > INT64_MAX || record->revision > INT64_MAX)
        return err_set(err, ERR_INVALID, "event record: SdkAppid or revision out of range");
    if (read_body(e) < 0) {
        err_set(err, ERR_FAILED, "%s", e->fault.text);
        return err_prefix(err, "could not read a spooled body");
    }
    if (event_id(e, record, m, spooled->seq, id, &repeatable) < 0)
        return err_set(err, ERR_FAILED, "could not make an event id: no memory");
    received_us = clamp(record->received_us, COPY_TIME_MIN_US, COPY_TIME_MAX_US);
    time_us = event_time(received_us, m, repeatable);

    salt = next_salt(e);
    if (!salt)
        return err_set(err, ERR_FAILED, "could not encode an event: no random bytes");
    copy_row_begin(out, EVENT_COLUMN_COUNT);
    open_at = out->len;
    add_place(e, out, spooled->seq, id, time_us, received_us);
    add_message(out, record);
    add_verdict(e, out);
    add_rest(out, record);
    personal_at = out->len;
    add_personal(e, out);
    personal_end = out->len;
    copy_bytea(out, (struct span){(const char *)salt, CHAIN_SALT_BYTES});
    add_custom_json(out, &m->cloud_custom_data);
    if (buf_failed(out) || buf_failed(&e->json))
        return err_set(err, ERR_FULL, "could not encode an event: no memory");
    chain_personal_digest(salt, (struct span){out->data + personal_at, personal_end - personal_at}, personal);
    chain_event_leaf((struct span){out->data + open_at, personal_at - open_at}, personal, e->leaf);
    *event_time_us = time_us;
    return 0;
}

const struct event_record *event_encoded(const struct event_encoder *e)
{
    return &e->record;
}

const uint8_t *event_encoded_leaf(const struct event_encoder *e)
{
    return e->leaf;
}
