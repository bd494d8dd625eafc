#include "rules/matcher.h"

#include "base/crypto.h"
#include "rules/stored_file.h"
#include "rules/folding/word_edge.h"

#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    EXPRESSION_FLAGS = HS_FLAG_UTF8 | HS_FLAG_SOM_LEFTMOST,
    TERM_FLAGS = 0, /* where a term starts follows from its length */
    CACHE_KEEP = 16,
    CACHE_FORMAT = 2,
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
    {"Pattern too large", "shorten it, use smaller repeats or split it into several"},
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

/* What vectorscan unrolls: each repeat {n}, {n,} or {n,m} taken with its upper bound as often as what it repeats has
 * characters, repeats within it included. Beyond a thousand it works for many seconds before it gives up; a property
 * such as \p{L} is a big machine of its own, and groups that are repeated make work with the cube of their number,
 * as every one may be followed by every other. Written for any text, also for what is no expression. */
enum { PROPERTY_WEIGHT = 100, MAX_NESTING = 64 };

struct unrolled {
    const char *at;
    unsigned long long sum;                 /* of the repeats, outermost ones only */
    unsigned long long groups[MAX_NESTING]; /* characters in each open group */
    size_t depth;
    unsigned long long last; /* characters in what a repeat would repeat */
    unsigned long long repeated_groups, properties;
};

enum { UNROLLED_MOST = 1000000000 };

/* Reads a character class or an escape: one character, or what a property weighs. */
static unsigned long long atom_weight(struct unrolled *u)
{
    unsigned long long weight = 1;
    bool in_brackets = *u->at == '[', class = in_brackets;

    if (class) {
        u->at++;
        u->at += *u->at == '^';
        u->at += *u->at == ']';
    }
    for (; *u->at; u->at++) {
        if (*u->at == '\\' && u->at[1]) {
            u->at++;
            if (*u->at == 'p' || *u->at == 'P')
                weight = PROPERTY_WEIGHT;
        } else if (class && *u->at == ']') {
            class = false;
        }
        if (!class)
            break;
    }
    if (*u->at)
        u->at++;
    u->properties += weight > 1;
    if (weight > 1 && !in_brackets && *u->at == '{') { /* its name: \p{Lu} */
        u->at += strcspn(u->at, "}");
        u->at += *u->at == '}';
    }
    return weight;
}

/* The upper bound of the repeat at u->at, which is behind it then; 0: it is none. */
static unsigned long long repeat_bound(struct unrolled *u)
{
    unsigned long long bound = 0, low = 0;
    const char *p = u->at + 1;

    for (; (*p >= '0' && *p <= '9') || *p == ','; p++) {
        if (*p == ',') {
            low = bound;
            bound = 0;
        } else if (bound < 1000000) {
            bound = bound * 10 + (unsigned)(*p - '0');
        }
    }
    if (*p != '}' || p == u->at + 1)
        return 0;
    u->at = p + 1;
    return bound > low ? bound : low;
}

static void add_characters(struct unrolled *u, unsigned long long characters)
{
    u->last = characters;
    u->groups[u->depth] += characters;
    if (u->groups[u->depth] > UNROLLED_MOST)
        u->groups[u->depth] = UNROLLED_MOST;
}

static struct unrolled unroll(const char *text)
{
    struct unrolled u = {.at = text};

    while (*u.at) {
        unsigned long long bound;

        if (*u.at == '(' && u.depth + 1 < MAX_NESTING) {
            u.groups[++u.depth] = 0;
            u.at++;
        } else if (*u.at == ')' && u.depth) {
            unsigned long long inside = u.groups[u.depth--];

            add_characters(&u, inside);
            u.at++;
            u.repeated_groups += *u.at && strchr("*+?{", *u.at);
        } else if (*u.at == '{' && (bound = repeat_bound(&u)) > 0) {
            unsigned long long more = bound * (u.last ? u.last : 1);

            more = more < UNROLLED_MOST ? more : UNROLLED_MOST;
            u.sum = u.sum + more < UNROLLED_MOST ? u.sum + more : UNROLLED_MOST;
            u.groups[u.depth] -= u.last;
            add_characters(&u, more);
        } else if (*u.at == '\\' || *u.at == '[') {
            add_characters(&u, atom_weight(&u));
        } else {
            add_characters(&u, 1);
            u.at++;
        }
    }
    return u;
}

/* Squares, so that many expressions with few of them are nothing. */
unsigned long long matcher_weight(const char *text)
{
    struct unrolled u = unroll(text);

    return u.sum + u.repeated_groups * u.repeated_groups / 2 + 8 * u.properties * u.properties;
}

static int check_bounds(const char *text, struct err *err)
{
    struct unrolled u = unroll(text);

    if (u.sum > MATCHER_MAX_REPEATS)
        return err_set(err, ERR_USAGE, "its repeats add up to %llu, more than %d; use + or smaller repeats", u.sum,
                       MATCHER_MAX_REPEATS);
    if (u.repeated_groups > MATCHER_MAX_GROUPS)
        return err_set(err, ERR_USAGE, "it repeats %llu groups, more than %d; split it into several", u.repeated_groups,
                       MATCHER_MAX_GROUPS);
    if (u.properties > MATCHER_MAX_PROPERTIES)
        return err_set(err, ERR_USAGE, "it has %llu properties such as \\p{L}, more than %d; split it into several",
                       u.properties, MATCHER_MAX_PROPERTIES);
    return 0;
}

int matcher_check_expression(const char *text, struct err *err)
{
    hs_compile_error_t *error = NULL;
    hs_expr_info_t *info = NULL;
    int r = check_bounds(text, err);

    if (r < 0)
        return r;
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

int matcher_try_expression(const char *text, struct err *err)
{
    hs_database_t *database = NULL;
    hs_compile_error_t *error = NULL;
    int r = matcher_check_expression(text, err);

    if (r == 0 && hs_compile(text, EXPRESSION_FLAGS, HS_MODE_VECTORED, NULL, &database, &error) != HS_SUCCESS) {
        r = refusal(err, error && error->message ? error->message : "out of memory");
        hs_free_compile_error(error);
    }
    hs_free_database(database);
    return r;
}

/* A term as an expression that matches just these bytes; an expression as it is. NUL-terminated. */
static void add_expression(struct buf *out, const struct pattern *p)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < p->len; i++) {
        unsigned char c = (unsigned char)p->text[i];

        if (p->expression || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            buf_add_char(out, (char)c);
        else
            buf_add(out, (const char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
    }
    buf_add_char(out, '\0');
}

/* Everything the database depends on, hashed: its name in the cache. */
static bool cache_name(char name[SHA256_HEX + 16], const struct pattern *patterns, size_t count)
{
    struct buf key = BUF_INIT;
    char digest[SHA256_HEX];
    hs_platform_info_t platform = {0};
    bool ok;

    hs_populate_platform(&platform);
    buf_addf(&key, "%d %s tune %u features %llu patterns %zu\n", CACHE_FORMAT, hs_version(), platform.tune,
             platform.cpu_features, count);
    for (size_t i = 0; i < count; i++) {
        buf_add_char(&key, patterns[i].expression ? 'e' : 't');
        buf_add(&key, &patterns[i].len, sizeof(patterns[i].len));
        buf_add(&key, patterns[i].text, patterns[i].len);
    }
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

/* What hs_compile_multi wants to be given. */
struct compile_input {
    struct buf text;
    const char **expressions;
    size_t *offsets;
    unsigned *flags, *ids;
};

static bool compile_input_make(struct compile_input *in, const struct pattern *patterns, size_t count)
{
    in->expressions = calloc(count, sizeof(*in->expressions));
    in->offsets = calloc(count, sizeof(*in->offsets));
    in->flags = calloc(count, sizeof(*in->flags));
    in->ids = calloc(count, sizeof(*in->ids));
    if (!in->expressions || !in->offsets || !in->flags || !in->ids)
        return false;
    for (size_t i = 0; i < count; i++) {
        in->offsets[i] = in->text.len;
        in->ids[i] = (unsigned)i;
        in->flags[i] = patterns[i].expression ? EXPRESSION_FLAGS : TERM_FLAGS;
        add_expression(&in->text, &patterns[i]);
    }
    for (size_t i = 0; i < count && !buf_failed(&in->text); i++)
        in->expressions[i] = in->text.data + in->offsets[i];
    return !buf_failed(&in->text);
}

static void compile_input_release(struct compile_input *in)
{
    free(in->expressions);
    free(in->offsets);
    free(in->flags);
    free(in->ids);
    buf_release(&in->text);
}

static int no_memory(size_t count, struct err *err)
{
    return err_set(err, ERR_FAILED, "could not compile %zu patterns: out of memory", count);
}

/* Vectored mode, although each text is one piece: in block mode vectorscan 5.4.9 writes the rest of the text into a
 * buffer of 255 bytes when it looks for the start of a match backwards (rvermicelliDoubleExec; mended in 5.4.13), and
 * the process ends. It costs a tenth of a scan. */
static int compile_database(hs_database_t **out, const struct pattern *patterns, size_t count, size_t *bad,
                            struct err *err)
{
    struct compile_input in = {.text = BUF_INIT};
    hs_compile_error_t *error = NULL;
    hs_error_t status;
    int r = 0;

    if (!compile_input_make(&in, patterns, count)) {
        compile_input_release(&in);
        return no_memory(count, err);
    }
    status = hs_compile_multi(in.expressions, in.flags, in.ids, (unsigned)count, HS_MODE_VECTORED, NULL, out, &error);
    compile_input_release(&in);
    if (status == HS_COMPILER_ERROR && error && error->expression >= 0) {
        *bad = (size_t)error->expression;
        r = refusal(err, error->message);
    } else if (status != HS_SUCCESS) {
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
    char name[SHA256_HEX + 16];
    bool named;
    int r;

    if (m)
        m->patterns = calloc(count, sizeof(*m->patterns));
    if (!m || !m->patterns || count > UINT32_MAX) {
        matcher_free(m);
        return no_memory(count, err);
    }
    for (size_t i = 0; i < count; i++)
        if (!patterns[i].expression)
            m->patterns[i] = (struct matched_pattern){(uint32_t)patterns[i].len, (uint8_t)patterns[i].boundary};
    named = cache_directory && cache_name(name, patterns, count);
    if (named) {
        m->database = cache_get(cache_directory, name);
        m->from_cache = m->database != NULL;
    }
    r = m->database ? 0 : compile_database(&m->database, patterns, count, bad, err);
    if (r == 0 && named && !m->from_cache)
        cache_put(cache_directory, name, m->database);
    if (r < 0) {
        matcher_free(m);
        return r;
    }
    *out = m;
    return 0;
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
    const unsigned len = (unsigned)text.len;
    hs_error_t status;

    if (text.len == 0)
        return 0;
    status = hs_scan_vector(m->database, &text.data, &len, 1, 0, scratch->hs, on_match, &s);
    if (status == HS_SCAN_TERMINATED)
        return ERR_FULL;
    return status == HS_SUCCESS ? 0 : ERR_FAILED;
}
