/* Three tables of cells, one for each thing remembered, each split into shards and the shards into rows of HISTORY_WAYS
 * cells. The hash of whose and what it is names shard and row, and stands in the cell. Memory nobody has touched costs
 * nothing: the tables are zeroed pages until they are used. */
#include "rules/history.h"

#include "base/siphash.h"
#include "base/utf8.h"
#include "rules/characters.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    HISTORY_SHARDS = 64,
    HISTORY_WAYS = 8,
    SLICES = 16, /* that the time of a repetition is cut into */
    MESSAGE_END = 0x1F,
};

struct cell {
    uint64_t key; /* 0: free */
    int64_t used_ms;
};

struct bucket {
    struct cell cell;
    int64_t full_us; /* when the bucket will be full again */
};

struct repetition {
    struct cell cell;
    int64_t slice; /* the newest, counted since the clock's zero */
    uint16_t counts[SLICES];
};

struct words {
    struct cell cell;
    char text[HISTORY_EARLIER_BYTES]; /* whole messages, each ended by MESSAGE_END */
    uint8_t lens[HISTORY_EARLIER_MESSAGES];
    int64_t at_ms[HISTORY_EARLIER_MESSAGES];
    uint32_t count;
};

struct table {
    size_t cell_size, rows; /* rows of one shard */
    char *cells;
};

struct shard {
    _Alignas(64) pthread_mutex_t lock; /* guards the shard's cells of all tables */
};

struct history {
    uint64_t key[2];
    struct table buckets, repetitions, words;
    struct shard shards[HISTORY_SHARDS];
};

/* Tables ---------------------------------------------------------------------------------------------------------- */

static bool table_init(struct table *t, size_t cell_size, size_t bytes)
{
    t->cell_size = cell_size;
    t->rows = bytes / (cell_size * HISTORY_WAYS * HISTORY_SHARDS);
    t->cells = calloc(t->rows * HISTORY_WAYS * HISTORY_SHARDS, cell_size);
    return t->rows && t->cells;
}

static pthread_mutex_t *lock_of(struct history *h, uint64_t key)
{
    return &h->shards[key % HISTORY_SHARDS].lock;
}

/* The cell of key. When there is none: NULL, or if make a free one, cleared and given the key. */
static void *cell_locked(struct table *t, uint64_t key, int64_t now_ms, bool make)
{
    size_t row = key % HISTORY_SHARDS * t->rows + key / HISTORY_SHARDS % t->rows;
    char *first = t->cells + row * HISTORY_WAYS * t->cell_size;
    struct cell *oldest = NULL;

    for (size_t i = 0; i < HISTORY_WAYS; i++) {
        struct cell *c = (struct cell *)(void *)(first + i * t->cell_size);

        if (c->key == key) {
            c->used_ms = now_ms;
            return c;
        }
        if (!oldest || (oldest->key && (!c->key || c->used_ms < oldest->used_ms)))
            oldest = c;
    }
    if (!make)
        return NULL;
    memset(oldest, 0, t->cell_size);
    *oldest = (struct cell){key, now_ms};
    return oldest;
}

/* Whose and what -------------------------------------------------------------------------------------------------- */

static void hash_text(struct siphash *s, struct span text)
{
    siphash_add_u64(s, text.len);
    siphash_add(s, text.data, text.len);
}

static bool is_known(const struct optional_text *id)
{
    return id->presence == GIVEN && id->text.len > 0;
}

/* Begins the hash of what is kept for the counted; false when the message does not say whose it is. */
static bool begin_key(const struct history *h, struct siphash *s, enum counted of, const struct message *message,
                      uint64_t sdkappid)
{
    siphash_begin(s, h->key);
    siphash_add_u64(s, sdkappid);
    siphash_add_u64(s, (uint64_t)of);
    if (of != COUNTED_ROOM) {
        if (!is_known(&message->from_account))
            return false;
        hash_text(s, message->from_account.text);
    }
    if (of != COUNTED_SENDER) {
        if (!is_known(&message->group_id))
            return false;
        hash_text(s, message->group_id.text);
    }
    return true;
}

static uint64_t end_key(struct siphash *s)
{
    uint64_t key = siphash_end(s);

    return key ? key : 1;
}

static void hash_meter(struct siphash *s, const struct meter *meter)
{
    siphash_add_u64(s, (uint64_t)meter->kind);
    siphash_add_u64(s, meter->rate.times);
    siphash_add_u64(s, (uint64_t)meter->rate.within_ms);
    siphash_add_u64(s, meter->rate.tighten);
}

/* Rates ----------------------------------------------------------------------------------------------------------- */

static int64_t us_a_message(const struct meter *meter)
{
    int64_t us = meter->rate.within_ms * 1000 / (meter->rate.times ? meter->rate.times : 1);

    return us > 0 ? us : 1;
}

/* Takes messages out of the bucket and tells how many are out of it now. */
static uint32_t take(struct history *h, const struct meter *meter, uint64_t key, int64_t now_ms, unsigned messages)
{
    int64_t each = us_a_message(meter), now_us = now_ms * 1000, out = 0;
    struct bucket *b;

    pthread_mutex_lock(lock_of(h, key));
    b = cell_locked(&h->buckets, key, now_ms, messages > 0);
    if (b) {
        int64_t most = now_us + 2 * each * (int64_t)meter->rate.times;

        b->full_us = b->full_us > now_us ? b->full_us : now_us;
        b->full_us += each * messages;
        b->full_us = b->full_us < most ? b->full_us : most;
        out = (b->full_us - now_us + each - 1) / each;
    }
    pthread_mutex_unlock(lock_of(h, key));
    return (uint32_t)out;
}

/* Repetitions ----------------------------------------------------------------------------------------------------- */

/* The hash of a text after FOLD_BASE without blanks. False when nothing is left of it. */
static bool hash_words(const struct history *h, struct folded *folded, struct span text, uint64_t *out)
{
    const struct character *table = characters();
    struct siphash s;
    size_t n;
    bool any = false;

    if (!table || fold_text(folded, FOLD_BASE, text) < 0)
        return false;
    siphash_begin(&s, h->key);
    for (size_t i = 0; i < folded->text.len; i += n) {
        const char *at = folded->text.data + i;

        n = utf8_char_len(at, folded->text.len - i);
        if (!n)
            return false;
        if (character_of(table, utf8_decode(at, n))->kind & CHARACTER_BLANK)
            continue;
        siphash_add(&s, at, n);
        any = true;
    }
    *out = siphash_end(&s);
    return any;
}

/* Forgets the slices that have gone by since the newest one. */
static void move_on(struct repetition *r, int64_t slice)
{
    for (int64_t i = r->slice + 1; i <= slice && i <= r->slice + SLICES; i++)
        r->counts[i % SLICES] = 0;
    r->slice = slice > r->slice ? slice : r->slice;
}

static uint32_t repeat(struct history *h, const struct meter *meter, uint64_t key, int64_t now_ms, bool counts)
{
    int64_t slice_ms = meter->rate.within_ms / SLICES > 0 ? meter->rate.within_ms / SLICES : 1;
    struct repetition *r;
    uint32_t sum = 0;

    pthread_mutex_lock(lock_of(h, key));
    r = cell_locked(&h->repetitions, key, now_ms, counts);
    if (r) {
        uint16_t *now;

        move_on(r, now_ms / slice_ms);
        now = &r->counts[r->slice % SLICES];
        *now = (uint16_t)(*now + (counts && *now < UINT16_MAX));
        for (size_t i = 0; i < SLICES; i++)
            sum += r->counts[i];
    }
    pthread_mutex_unlock(lock_of(h, key));
    return sum;
}

/* Earlier words --------------------------------------------------------------------------------------------------- */

static bool words_key(const struct history *h, const struct message *message, uint64_t sdkappid, uint64_t *key)
{
    struct siphash s;

    if (!begin_key(h, &s, COUNTED_SENDER_IN_ROOM, message, sdkappid))
        return false;
    *key = end_key(&s);
    return true;
}

static void drop_oldest(struct words *w, uint32_t messages)
{
    size_t bytes = 0, rest = 0;

    for (uint32_t i = 0; i < w->count; i++)
        *(i < messages ? &bytes : &rest) += w->lens[i];
    memmove(w->text, w->text + bytes, rest);
    w->count -= messages;
    memmove(w->lens, w->lens + messages, w->count * sizeof(*w->lens));
    memmove(w->at_ms, w->at_ms + messages, w->count * sizeof(*w->at_ms));
}

static size_t words_len(const struct words *w)
{
    size_t len = 0;

    for (uint32_t i = 0; i < w->count; i++)
        len += w->lens[i];
    return len;
}

static void drop_old(struct words *w, int64_t now_ms)
{
    uint32_t old = 0;

    while (old < w->count && now_ms - w->at_ms[old] > HISTORY_EARLIER_MS)
        old++;
    drop_oldest(w, old);
}

static void recall_words(struct history *h, const struct message *message, uint64_t sdkappid, int64_t now_ms,
                         struct history_facts *facts)
{
    struct words *w;
    uint64_t key;

    if (!words_key(h, message, sdkappid, &key))
        return;
    pthread_mutex_lock(lock_of(h, key));
    w = cell_locked(&h->words, key, now_ms, false);
    if (w) {
        drop_old(w, now_ms);
        facts->earlier_len = words_len(w);
        memcpy(facts->earlier, w->text, facts->earlier_len);
    }
    pthread_mutex_unlock(lock_of(h, key));
}

/* The end of a text, as much of it as may be kept: where a word begins that goes on in the next message. */
static struct span end_of(struct span text)
{
    size_t from = text.len > HISTORY_EARLIER_BYTES - 1 ? text.len - (HISTORY_EARLIER_BYTES - 1) : 0;

    while (from < text.len && ((unsigned char)text.data[from] & 0xC0) == 0x80)
        from++;
    return (struct span){text.data + from, text.len - from};
}

static void remember_words(struct history *h, const struct message *message, uint64_t sdkappid, int64_t now_ms)
{
    struct span end = end_of(message->text);
    struct words *w;
    uint64_t key;
    size_t used;

    if (!end.len || !words_key(h, message, sdkappid, &key))
        return;
    pthread_mutex_lock(lock_of(h, key));
    w = cell_locked(&h->words, key, now_ms, true);
    drop_old(w, now_ms);
    while (w->count == HISTORY_EARLIER_MESSAGES || words_len(w) + end.len + 1 > HISTORY_EARLIER_BYTES)
        drop_oldest(w, 1);
    used = words_len(w);
    memcpy(w->text + used, end.data, end.len);
    w->text[used + end.len] = MESSAGE_END;
    w->lens[w->count] = (uint8_t)(end.len + 1);
    w->at_ms[w->count++] = now_ms;
    pthread_mutex_unlock(lock_of(h, key));
}

/* Life ------------------------------------------------------------------------------------------------------------ */

struct history *history_new(size_t max_bytes)
{
    struct history *h = aligned_alloc(64, sizeof(*h));

    if (!h)
        return NULL;
    *h = (struct history){0};
    for (size_t i = 0; i < HISTORY_SHARDS; i++)
        pthread_mutex_init(&h->shards[i].lock, NULL);
    /* Many send a few different texts each, so repetitions get the greatest part. */
    if (getrandom(h->key, sizeof(h->key), 0) != (ssize_t)sizeof(h->key) ||
        !table_init(&h->buckets, sizeof(struct bucket), max_bytes / 4) ||
        !table_init(&h->repetitions, sizeof(struct repetition), max_bytes / 2) ||
        !table_init(&h->words, sizeof(struct words), max_bytes / 4)) {
        history_free(h);
        return NULL;
    }
    return h;
}

void history_free(struct history *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < HISTORY_SHARDS; i++)
        pthread_mutex_destroy(&h->shards[i].lock);
    free(h->buckets.cells);
    free(h->repetitions.cells);
    free(h->words.cells);
    free(h);
}

void history_facts_release(struct history_facts *facts)
{
    folded_release(&facts->folded);
}

/* One message ----------------------------------------------------------------------------------------------------- */

void history_observe(struct history *h, const struct ruleset *set, const struct message *message, uint64_t sdkappid,
                     int64_t now_ms, struct history_facts *facts)
{
    bool counts = message->command == COMMAND_BEFORE;
    const struct meter *meters;
    size_t meter_count;
    uint64_t words = 0;
    int has_words = -1; /* not looked yet */

    memset(facts->meters, 0, sizeof(facts->meters));
    facts->earlier_len = 0;
    if (!set)
        return;
    meter_count = ruleset_meters(set, &meters);
    for (size_t i = 0; i < meter_count && i < HISTORY_MAX_METERS; i++) {
        struct siphash s;

        if (!begin_key(h, &s, meters[i].rate.of, message, sdkappid))
            continue;
        hash_meter(&s, &meters[i]);
        if (meters[i].kind == METER_RATE) {
            facts->meters[i] = take(h, &meters[i], end_key(&s), now_ms, counts);
            continue;
        }
        if (has_words < 0)
            has_words = hash_words(h, &facts->folded, message->text, &words);
        if (!has_words)
            continue;
        siphash_add_u64(&s, words);
        facts->meters[i] = repeat(h, &meters[i], end_key(&s), now_ms, counts);
    }
    folded_trim(&facts->folded);
    if (counts && ruleset_wants_earlier(set))
        recall_words(h, message, sdkappid, now_ms, facts);
}

void history_verdict(struct history *h, const struct ruleset *set, const struct message *message, uint64_t sdkappid,
                     int64_t now_ms, enum action action)
{
    const struct meter *meters;
    size_t meter_count;

    if (!set || message->command != COMMAND_BEFORE)
        return;
    if (action < ACTION_REJECT) {
        if (ruleset_wants_earlier(set))
            remember_words(h, message, sdkappid, now_ms);
        return;
    }
    meter_count = ruleset_meters(set, &meters);
    for (size_t i = 0; i < meter_count; i++) {
        struct siphash s;

        if (meters[i].kind != METER_RATE || !meters[i].rate.tighten ||
            !begin_key(h, &s, meters[i].rate.of, message, sdkappid))
            continue;
        hash_meter(&s, &meters[i]);
        take(h, &meters[i], end_key(&s), now_ms, meters[i].rate.tighten);
    }
}
