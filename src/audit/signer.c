#include "audit/signer.h"

#include "audit/checkpoint.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "store/db_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NUMBER = 24, READ_BYTES = 64 << 10 };

struct signer {
    const struct config *config; /* these are fixed once started */
    const char *spool_id, *instance_id;
    struct crypto_key *key;

    struct db_worker worker;

    int fd; /* the rest belongs to the thread; -1: not open */
    bool failing;
    uint64_t number, block, erasures; /* of the last checkpoint, from the file or the table; 0: none */
    uint8_t digest[SHA256_BYTES];
    struct buf unsaved; /* lines of the file that may not be in the table */
};

struct head { /* what there is to sign */
    uint64_t block, last_seq, erasures;
    uint8_t hash[SHA256_BYTES], erasure_hash[SHA256_BYTES];
};

/* The file -------------------------------------------------------------------------------------------------------- */

static void take_last(struct signer *s, struct span line)
{
    uint8_t id[UUID_BYTES];
    struct checkpoint c;

    if (!checkpoint_read(&c, line) || !uuid_read(span_of(s->spool_id), id) || memcmp(id, c.spool_id, UUID_BYTES) != 0 ||
        c.number <= s->number)
        return;
    s->number = c.number;
    s->block = c.block;
    s->erasures = c.erasures;
    checkpoint_digest(line, s->digest);
}

static void take_lines(struct signer *s, struct span rest)
{
    const char *end;

    while (rest.len > 0 && (end = memchr(rest.data, '\n', rest.len))) {
        size_t len = (size_t)(end - rest.data);

        take_last(s, (struct span){rest.data, len});
        rest.data += len + 1;
        rest.len -= len + 1;
    }
}

/* The end of what an earlier run left: its last checkpoint, and those the table may not have. A line that was torn is
 * ended, so that the next one stands alone. */
static int read_back(struct signer *s, struct err *err)
{
    char *bytes = malloc(READ_BYTES);
    off_t size = lseek(s->fd, 0, SEEK_END);
    off_t from = size > READ_BYTES ? size - READ_BYTES : 0;
    ssize_t n = bytes && size >= 0 ? pread(s->fd, bytes, (size_t)(size - from), from) : -1;

    if (n >= 0) {
        take_lines(s, (struct span){bytes, (size_t)n});
        buf_add(&s->unsaved, bytes, (size_t)n);
    }
    if (n < 0 || (n > 0 && bytes[n - 1] != '\n' && write(s->fd, "\n", 1) != 1)) {
        free(bytes);
        return err_set_errno(err, ERR_FAILED, "could not read the file of checkpoints");
    }
    free(bytes);
    return 0;
}

static int open_file(struct signer *s, struct err *err)
{
    const char *directory = s->config->audit.directory ? s->config->audit.directory : s->config->spool.directory;
    char path[4096];
    int r = 0, parent;

    if (s->fd >= 0)
        return 0;
    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, ERR_FAILED, "could not make \"%.256s\"", directory);
    snprintf(path, sizeof(path), "%s/checkpoints", directory);
    s->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (s->fd < 0)
        return err_set_errno(err, ERR_FAILED, "could not open \"%.256s\"", path);
    parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 || fsync(parent) < 0)
        r = err_set_errno(err, ERR_FAILED, "could not sync \"%.256s\"", directory);
    if (parent >= 0)
        close(parent);
    if (r == 0)
        r = read_back(s, err);
    if (r < 0) {
        close(s->fd);
        s->fd = -1;
    }
    return r;
}

static int append(struct signer *s, const struct buf *line, struct err *err)
{
    struct buf out = BUF_INIT;
    ssize_t n;
    int r = 0;

    buf_add_span(&out, buf_span(line));
    buf_add_char(&out, '\n');
    n = buf_failed(&out) ? -1 : write(s->fd, out.data, out.len);
    if (n < 0 || (size_t)n != out.len || fsync(s->fd) < 0) {
        r = err_set_errno(err, ERR_FAILED, "could not write to the file of checkpoints");
        close(s->fd); /* what of it is there is read back */
        s->fd = -1;
    }
    buf_release(&out);
    return r;
}

/* The table ------------------------------------------------------------------------------------------------------- */

static int insert(struct signer *s, struct span line, struct err *err)
{
    char number[NUMBER], block[NUMBER], last_seq[NUMBER], hash[SHA256_HEX], text[CHECKPOINT_MAX_LINE + 1];
    struct checkpoint c;

    if (!checkpoint_read(&c, line))
        return 0;
    snprintf(number, sizeof(number), "%" PRIu64, c.number);
    snprintf(block, sizeof(block), "%" PRIu64, c.block);
    snprintf(last_seq, sizeof(last_seq), "%" PRIu64, c.last_seq);
    snprintf(text, sizeof(text), "%.*s", (int)line.len, line.data);
    crypto_hex(c.hash, hash);
    char spool[UUID_STRING];
    uuid_write(spool, c.spool_id);
    const char *params[] = {spool, number, block, last_seq, hash, c.at, c.instance, text};
    return db_query(
        s->worker.db, NULL,
        "INSERT INTO chatsluice.checkpoint (spool_id, number, block, last_seq, hash, made_at, instance_id, line) "
        "VALUES ($1, $2, $3, $4, decode($5, 'hex'), $6, $7, $8) ON CONFLICT (spool_id, number) DO NOTHING",
        8, params, err);
}

static int save_lines(struct signer *s, struct err *err)
{
    struct span rest = buf_span(&s->unsaved);
    const char *end;
    int r = 0;

    while (r == 0 && rest.len > 0 && (end = memchr(rest.data, '\n', rest.len))) {
        size_t len = (size_t)(end - rest.data);

        r = insert(s, (struct span){rest.data, len}, err);
        rest.data += len + 1;
        rest.len -= len + 1;
    }
    if (r == 0)
        buf_reset(&s->unsaved);
    return r;
}

/* 1: *head is there to be signed. 0: there is no chain yet. */
static int read_head(struct signer *s, struct head *head, struct err *err)
{
    const char *params[] = {s->spool_id};
    struct db_result *rows;
    int r = db_query(
        s->worker.db, &rows,
        "SELECT b.block, b.last_seq, encode(b.hash, 'hex'), coalesce(e.number, 0), "
        "coalesce(encode(e.hash, 'hex'), repeat('0', 64)), "
        "(SELECT c.line FROM chatsluice.checkpoint c WHERE c.spool_id = p.spool_id ORDER BY c.number DESC "
        "LIMIT 1) FROM chatsluice.spool_position p JOIN chatsluice.chain_block b "
        "ON b.spool_id = p.spool_id AND b.block = p.chain_block "
        "LEFT JOIN LATERAL (SELECT number, hash FROM chatsluice.erasure ORDER BY number DESC LIMIT 1) e ON true "
        "WHERE p.spool_id = $1",
        1, params, err);

    if (r < 0)
        return r;
    if (db_rows(rows) == 1) {
        head->block = db_u64(rows, 0, 0);
        head->last_seq = db_u64(rows, 0, 1);
        head->erasures = db_u64(rows, 0, 3);
        if (!hex_decode(db_value(rows, 0, 2), head->hash, SHA256_BYTES) ||
            !hex_decode(db_value(rows, 0, 4), head->erasure_hash, SHA256_BYTES))
            r = err_set(err, ERR_FAILED, "the head of the chain cannot be read");
        else
            r = 1;
        take_last(s, db_value(rows, 0, 5)); /* should the file be a new one */
    }
    db_result_free(rows);
    return r;
}

/* One checkpoint -------------------------------------------------------------------------------------------------- */

static int connect_database(struct signer *s, struct err *err)
{
    struct db *db;
    int r;

    if (s->worker.db)
        return 0;
    r = db_open(&db, s->config->database.url, "chatsluice signer", s->config->database.connect_timeout_ms, err);
    if (r < 0)
        return r;
    db_worker_use(&s->worker, db);
    return 0;
}

static void time_text(char out[CHECKPOINT_WORD])
{
    int64_t now_us = clock_wall_us();
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm tm;
    size_t len;

    gmtime_r(&seconds, &tm);
    len = strftime(out, CHECKPOINT_WORD, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + len, CHECKPOINT_WORD - len, ".%06dZ", (int)(now_us % 1000000));
}

static int sign_head(struct signer *s, const struct head *head, struct err *err)
{
    struct checkpoint c = {
        .number = s->number + 1, .block = head->block, .last_seq = head->last_seq, .erasures = head->erasures};
    struct buf line = BUF_INIT;
    int r;

    if (!uuid_read(span_of(s->spool_id), c.spool_id))
        return err_set(err, ERR_INVALID, "spool id \"%s\" is no UUID", s->spool_id);
    memcpy(c.hash, head->hash, SHA256_BYTES);
    memcpy(c.erasure_hash, head->erasure_hash, SHA256_BYTES);
    memcpy(c.previous, s->digest, SHA256_BYTES);
    snprintf(c.instance, sizeof(c.instance), "%s", s->instance_id);
    time_text(c.at);
    r = checkpoint_write(&c, s->key, &line, err);
    if (r == 0)
        r = append(s, &line, err);
    if (r == 0) {
        take_last(s, buf_span(&line));
        buf_add_span(&s->unsaved, buf_span(&line));
        buf_add_char(&s->unsaved, '\n');
        r = save_lines(s, err);
        log_info("checkpoint signed", log_u64("number", c.number), log_u64("block", c.block),
                 log_u64("last_seq", c.last_seq));
    }
    buf_release(&line);
    return r;
}

static int sign_when_moved(struct signer *s, struct err *err)
{
    struct head head = {0};
    int r = open_file(s, err);

    if (r == 0)
        r = connect_database(s, err);
    if (r == 0)
        r = save_lines(s, err);
    if (r == 0)
        r = read_head(s, &head, err);
    if (r == 1)
        r = head.block > s->block || head.erasures != s->erasures ? sign_head(s, &head, err) : 0;
    return r;
}

static void tend(struct signer *s)
{
    struct err err = {0};

    if (sign_when_moved(s, &err) == 0) {
        s->failing = false;
        return;
    }
    if (!s->failing)
        log_warn("no checkpoint could be signed", log_str("reason", err.text));
    s->failing = true;
    db_worker_use(&s->worker, NULL);
}

/* The thread ------------------------------------------------------------------------------------------------------ */

static void *signer_main(void *arg)
{
    struct signer *s = arg;

    while (db_worker_pause(&s->worker, s->config->audit.checkpoint_interval_ms))
        tend(s);
    tend(s);
    db_worker_use(&s->worker, NULL);
    return NULL;
}

static void signer_free(struct signer *s)
{
    db_worker_release(&s->worker);
    buf_release(&s->unsaved);
    crypto_key_free(s->key);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

int signer_start(struct signer **out, const struct config *config, const char *spool_id, const char *instance_id,
                 struct err *err)
{
    struct buf pem = BUF_INIT;
    struct signer *s;

    *out = NULL;
    if (!config->audit.key) {
        log_info("no audit.key is configured, checkpoints are not signed");
        return 0;
    }
    s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(err, ERR_FAILED, "could not start the signer: no memory");
    *s = (struct signer){.config = config, .spool_id = spool_id, .instance_id = instance_id, .fd = -1};
    db_worker_init(&s->worker);
    buf_add_text(&pem, config->audit.key);
    buf_add_char(&pem, '\n'); /* which reading a secret from its file takes away */
    s->key = buf_failed(&pem) ? NULL : crypto_key_private(buf_span(&pem));
    if (pem.data)
        explicit_bzero(pem.data, pem.len);
    buf_release(&pem);
    if (!s->key) {
        signer_free(s);
        return err_set(err, ERR_USAGE,
                       "audit.key is no Ed25519 private key in PEM, as `openssl genpkey -algorithm ed25519` "
                       "writes it");
    }
    if (db_worker_start(&s->worker, signer_main, s, err) < 0) {
        signer_free(s);
        return err_prefix(err, "could not start the signer");
    }
    *out = s;
    return 0;
}

void signer_stop(struct signer *s)
{
    if (!s)
        return;
    db_worker_end(&s->worker);
    db_worker_join(&s->worker);
    signer_free(s);
}
