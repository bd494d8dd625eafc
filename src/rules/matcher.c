#include "rules/matcher.h"

#include "base/crypto.h"
#include "rules/stored_file.h"
#include "rules/word_edge.h"

#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    EXPRESSION_FLAGS = HS_FLAG_UTF8 | HS_FLAG_SOM_LEFTMOST,
    TERM_FLAGS = 0, /* where a term starts follows from its length */
    CACHE_KEEP = 16,
    CACHE_FORMAT = 1,
};

struct matched_pattern {
    uint32_t len; /* of a term; 0: an expression, whose start vectorscan tells */
    uint8_t boundary;
};

struct matcher {
    hs_database_t *database;
    struct matched_pattern *patterns;
    bool from_cache;
};

struct matcher_scratch {
    hs_scratch_t *hs;
};

/* What to do about the refusals people meet most; by the beginning of vectorscan's words. */
static const struct {
    const char *says, *advice;
} advices[] = {
    {"Back-references", "write out the repeated text"},
    {"Zero-width assertions",
     "look-ahead and look-behind do not exist here; use \\b or an allow rule for what must pass"},
    {"Pattern matches empty buffer", "make at least one character required, for example + in place of *"},
    {"Bounded repeat is too large", "use a smaller repeat"},
    {"Pattern is too large", "shorten it, use smaller repeats or split it into several"},
    {"Expression is not valid UTF-8", "save the file as UTF-8"},
    {"\\b unsupported in UCP mode", "leave out (*UCP)"},
};

static int refusal(struct err *err, const char *message)
{
    size_t len = strlen(message);
    const char *advice = "correct it; expressions are PCRE without look-around and back-references";

    for (size_t i = 0; i < sizeof(advices) / sizeof(*advices); i++)
        if (strncmp(message, advices[i].says, strlen(advices[i].says)) == 0)
            advice = advices[i].advice;
    if (len && message[len - 1] == '.')
        len--;
    return err_set(err, ERR_USAGE, "%.*s; %s", (int)len, message, advice);
}

/* The upper bounds of all repeats {n}, {n,} and {n,m} taken together. vectorscan unrolls them: beyond a thousand it
 * works for many seconds before it gives up. */
static unsigned long long repeats_of(const char *text)
{
    unsigned long long sum = 0;

    for (const char *p = text; *p; p++) {
        unsigned long long bound = 0, low = 0;

        if (*p == '\\' && p[1]) {
            p++;
            continue;
        }
        if (*p != '{')
            continue;
        for (p++; (*p >= '0' && *p <= '9') || *p == ','; p++) {
            if (*p == ',') {
                low = bound;
                bound = 0;
            } else if (bound < 1000000) {
                bound = bound * 10 + (unsigned)(*p - '0');
            }
        }
        if (*p == '}')
            sum += bound > low ? bound : low;
        else
            p--;
    }
    return sum;
}

int matcher_check_expression(const char *text, struct err *err)
{
    hs_compile_error_t *error = NULL;
    hs_expr_info_t *info = NULL;
    unsigned long long repeats = repeats_of(text);
    int r = 0;

    if (repeats > MATCHER_MAX_REPEATS)
        return err_set(err, ERR_USAGE, "its repeats add up to %llu, more than %d; use + or smaller repeats", repeats,
                       MATCHER_MAX_REPEATS);

    if (hs_expression_info(text, EXPRESSION_FLAGS, &info, &error) != HS_SUCCESS) {
        r = refusal(err, error && error->message ? error->message : "out of memory");
        hs_free_compile_error(error);
        return r;
    }
    if (info->min_width == 0)
        r = refusal(err, "Pattern matches empty buffer");
    free(info);
    return r;
}

/* A term as an expression that matches just these bytes. */
static void add_escaped(struct buf *out, const struct pattern *p)
{
    for (size_t i = 0; i < p->len; i++) {
        unsigned char c = (unsigned char)p->text[i];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            buf_add_char(out, (char)c);
        else
            buf_addf(out, "\\x%02x", c);
    }
    buf_add_char(out, '\0');
}

/* Everything the database depends on, hashed: its name in the cache. */
static bool cache_name(char name[SHA256_HEX + 16], struct span expressions, const unsigned *flags, size_t count)
{
    struct buf key = BUF_INIT;
    char digest[SHA256_HEX];
    hs_platform_info_t platform = {0};
    bool ok;

    hs_populate_platform(&platform);
    buf_addf(&key, "%d %s tune %u features %llu patterns %zu\n", CACHE_FORMAT, hs_version(), platform.tune,
             platform.cpu_features, count);
    buf_add(&key, flags, count * sizeof(*flags));
    buf_add_span(&key, expressions);
    ok = !buf_failed(&key);
    if (ok)
        crypto_sha256_hex(&(struct span){key.data, key.len}, 1, digest);
    buf_release(&key);
    if (ok)
        snprintf(name, SHA256_HEX + 16, "matcher-%s", digest);
    return ok;
}

static hs_database_t *cache_get(const char *directory, const char *name)
{
    struct buf content = BUF_INIT;
    hs_database_t *database = NULL;
    uint64_t number;

    if (stored_file_read(directory, name, &number, &content, NULL) == 0 &&
        hs_deserialize_database(buf_text(&content), content.len, &database) != HS_SUCCESS)
        database = NULL;
    buf_release(&content);
    return database;
}

/* A cache that cannot be written costs the next start some time, nothing else. */
static void cache_put(const char *directory, const char *name, const hs_database_t *database)
{
    char *bytes = NULL;
    size_t len = 0;

    if (hs_serialize_database(database, &bytes, &len) != HS_SUCCESS)
        return;
    if (stored_file_write(directory, name, CACHE_FORMAT, (struct span){bytes, len}, NULL) == 0)
        stored_file_prune(directory, "matcher-", CACHE_KEEP);
    free(bytes);
}

static int compile_database(hs_database_t **out, const char *const *expressions, const unsigned *flags,
                            const unsigned *ids, size_t count, size_t *bad, struct err *err)
{
    hs_compile_error_t *error = NULL;
    hs_error_t status = hs_compile_multi(expressions, flags, ids, (unsigned)count, HS_MODE_BLOCK, NULL, out, &error);
    int r;

    if (status == HS_SUCCESS)
        return 0;
    if (status == HS_COMPILER_ERROR && error && error->expression >= 0) {
        *bad = (size_t)error->expression;
        r = refusal(err, error->message);
    } else {
        r = err_set(err, ERR_FAILED, "vectorscan could not compile %zu patterns: %s", count,
                    error && error->message ? error->message : "out of memory");
    }
    hs_free_compile_error(error);
    return r;
}

int matcher_compile(struct matcher **out, const struct pattern *patterns, size_t count, const char *cache_directory,
                    size_t *bad, struct err *err)
{
    struct matcher *m = calloc(1, sizeof(*m));
    const char **expressions = calloc(count, sizeof(*expressions));
    size_t *offsets = calloc(count, sizeof(*offsets));
    unsigned *flags = calloc(count, sizeof(*flags)), *ids = calloc(count, sizeof(*ids));
    struct buf text = BUF_INIT;
    char name[SHA256_HEX + 16];
    bool named;
    int r = ERR_FAILED;

    if (!m || !expressions || !offsets || !flags || !ids || count > UINT32_MAX)
        goto no_memory;
    m->patterns = calloc(count, sizeof(*m->patterns));
    if (!m->patterns)
        goto no_memory;
    for (size_t i = 0; i < count; i++) {
        const struct pattern *p = &patterns[i];

        offsets[i] = text.len;
        ids[i] = (unsigned)i;
        flags[i] = p->expression ? EXPRESSION_FLAGS : TERM_FLAGS;
        if (p->expression) {
            buf_add(&text, p->text, p->len + 1);
        } else {
            add_escaped(&text, p);
            m->patterns[i] = (struct matched_pattern){(uint32_t)p->len, (uint8_t)p->boundary};
        }
    }
    if (buf_failed(&text))
        goto no_memory;
    for (size_t i = 0; i < count; i++)
        expressions[i] = text.data + offsets[i];

    named = cache_directory && cache_name(name, buf_span(&text), flags, count);
    if (named) {
        m->database = cache_get(cache_directory, name);
        m->from_cache = m->database != NULL;
    }
    r = m->database ? 0 : compile_database(&m->database, expressions, flags, ids, count, bad, err);
    if (r == 0 && named && !m->from_cache)
        cache_put(cache_directory, name, m->database);
    if (r == 0) {
        *out = m;
        m = NULL;
    }
    goto out;

no_memory:
    r = err_set(err, ERR_FAILED, "could not compile %zu patterns: out of memory", count);
out:
    matcher_free(m);
    free(expressions);
    free(offsets);
    free(flags);
    free(ids);
    buf_release(&text);
    return r;
}

void matcher_free(struct matcher *m)
{
    if (!m)
        return;
    hs_free_database(m->database);
    free(m->patterns);
    free(m);
}

bool matcher_from_cache(const struct matcher *m)
{
    return m->from_cache;
}

int matcher_scratch_for(struct matcher_scratch **scratch, const struct matcher *m)
{
    struct matcher_scratch *s = *scratch ? *scratch : calloc(1, sizeof(*s));

    if (!s)
        return ERR_FAILED;
    *scratch = s;
    return hs_alloc_scratch(m->database, &s->hs) == HS_SUCCESS ? 0 : ERR_FAILED;
}

struct matcher_scratch *matcher_scratch_clone(const struct matcher_scratch *scratch)
{
    struct matcher_scratch *s = calloc(1, sizeof(*s));

    if (s && hs_clone_scratch(scratch->hs, &s->hs) != HS_SUCCESS) {
        free(s);
        s = NULL;
    }
    return s;
}

void matcher_scratch_free(struct matcher_scratch *scratch)
{
    if (!scratch)
        return;
    hs_free_scratch(scratch->hs);
    free(scratch);
}

static bool stands_alone(enum term_boundary boundary, struct span text, size_t start, size_t end)
{
    return boundary == BOUNDARY_ANY ||
           (!word_goes_on(boundary, word_class_before(text, start), word_class_after(text, start)) &&
            !word_goes_on(boundary, word_class_before(text, end), word_class_after(text, end)));
}

struct scan {
    const struct matcher *m;
    struct span text;
    bool (*found)(void *arg, uint32_t pattern, size_t start, size_t end);
    void *arg;
};

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    const struct scan *s = context;
    const struct matched_pattern *p = &s->m->patterns[id];
    size_t start = p->len ? (size_t)to - p->len : (size_t)from;

    (void)flags;
    if (p->len && !stands_alone((enum term_boundary)p->boundary, s->text, start, (size_t)to))
        return 0;
    return s->found(s->arg, id, start, (size_t)to) ? 0 : 1;
}

int matcher_scan(const struct matcher *m, struct matcher_scratch *scratch, struct span text,
                 bool (*found)(void *arg, uint32_t pattern, size_t start, size_t end), void *arg)
{
    struct scan s = {m, text, found, arg};
    hs_error_t status;

    if (text.len == 0)
        return 0;
    status = hs_scan(m->database, text.data, (unsigned)text.len, 0, scratch->hs, on_match, &s);
    if (status == HS_SCAN_TERMINATED)
        return ERR_FULL;
    return status == HS_SUCCESS ? 0 : ERR_FAILED;
}
