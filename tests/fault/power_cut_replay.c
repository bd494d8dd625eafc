/* power_cut_replay.c - cuts the power at every boundary of a trace and looks at what is left.
 *
 *   power_cut_replay TRACE DIRECTORY WORK SEED VARIANTS EVERY [TORN COUNT]
 *
 * TRACE is the recorder's, DIRECTORY what the recorded process left: both must agree, or the trace is worth nothing.
 * For every EVERYth boundary between two entries a directory is made in WORK/cut as the disk may hold it when the power
 * goes just then, in up to VARIANTS forms. A change that was synced is there. One that was not may be there or not:
 *   none, all of them, all up to some point, a random choice; written bytes in blocks of 512, each for itself; changes
 * of a directory in the order they were made (as a journal keeps them) or, in half of the random choices, each for
 * itself too (as a file system without one may lose them).
 * Each directory is opened by src/spool and held against what had been acknowledged by then (known_check). With TORN,
 * COUNT of the cuts are also kept as TORN/N with their ledger TORN/N.ledger, to begin another recording from.
 *
 * Prints one JSON line. Status 1: a promise was broken, the directory is kept as WORK/broken; 2: the trace is void. */
#include "known_records.h"
#include "power_cut_trace.h"
#include "survive.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, ROUNDS = 256, APPENDERS = 256, TEXT = 512 };

static const struct spool_options check_options = {.max_bytes = 16 << 20, .segment_bytes = 16 * 1024};

enum variant { VARIANT_NONE, VARIANT_ALL, VARIANT_PREFIX, VARIANT_SUBSET };
static const char *const variant_names[] = {"none", "all", "prefix", "subset"};

/* A change of the disk that was not synced yet. */
struct change {
    const struct trace_entry *entry;
    const char *bytes;
    uint32_t synced_by; /* the object whose sync makes it durable: the file, or the directory */
    uint64_t order;
};

struct name {
    uint32_t directory, object;
    char text[128];
};

struct names {
    struct name *items;
    size_t count, cap;
};

struct file {
    char *bytes;
    size_t len, cap;
};

struct replay {
    const char *trace, *directory, *work;
    uint64_t state; /* of the random numbers */
    unsigned variants, every;
    const char *torn;
    uint64_t torn_left, torn_made;

    struct file *files; /* durable, by object */
    struct names names; /* durable */
    uint32_t objects;
    struct change *pending;
    size_t pending_count, pending_cap;
    struct sync {
        uint32_t object;
        uint64_t order;
    } * syncs; /* begun, by number */
    size_t sync_cap;
    uint64_t order;

    struct known_ledger ledger;
    bool begun;
    uint32_t asked[ROUNDS][APPENDERS]; /* the highest count */
    uint64_t boundaries, points, records, ranges, most_pending, acknowledged;
};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    fprintf(stderr, "power_cut_replay: ");
    vfprintf(stderr, fmt, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(2);
}

static void *more(void *items, size_t *cap, size_t need, size_t size)
{
    size_t wanted = 2 * need + 64;
    char *grown;

    if (need <= *cap)
        return items;
    grown = realloc(items, wanted * size);
    if (!grown)
        die("no memory");
    memset(grown + *cap * size, 0, (wanted - *cap) * size);
    *cap = wanted;
    return grown;
}

/* Files and names ------------------------------------------------------------------------------------------------- */

static void file_resize(struct file *file, size_t len)
{
    file->bytes = more(file->bytes, &file->cap, len, 1);
    if (len > file->len)
        memset(file->bytes + file->len, 0, len - file->len);
    file->len = len;
}

static void file_write(struct file *file, const char *bytes, size_t len, size_t offset)
{
    if (offset + len > file->len)
        file_resize(file, offset + len);
    memcpy(file->bytes + offset, bytes, len);
}

/* One object may have two names where a rename was half lost. */
static void names_remove(struct names *names, uint32_t directory, uint32_t object, const char *text, size_t len)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct name *n = &names->items[i];

        if (n->directory == directory && (object == 0 || n->object == object) && strlen(n->text) == len &&
            memcmp(n->text, text, len) == 0) {
            names->items[i] = names->items[--names->count];
            return;
        }
    }
}

static void names_set(struct names *names, uint32_t directory, uint32_t object, const char *text, size_t len)
{
    struct name name = {.directory = directory, .object = object};

    if (len >= sizeof(name.text))
        die("a name of %zu bytes", len);
    memcpy(name.text, text, len);
    names_remove(names, directory, 0, text, len);
    names->items = more(names->items, &names->cap, names->count + 1, sizeof(*names->items));
    names->items[names->count++] = name;
}

static void apply_name_change(struct names *names, const struct change *c)
{
    const struct trace_entry *e = c->entry;

    switch ((enum trace_kind)e->kind) {
    case TRACE_MAKE_FILE:
    case TRACE_MAKE_DIRECTORY:
        names_set(names, e->directory, e->object, c->bytes, e->bytes);
        break;
    case TRACE_RENAME:
        names_remove(names, e->directory, e->object, c->bytes, e->a);
        names_set(names, e->directory, e->object, c->bytes + e->a, e->bytes - e->a);
        break;
    case TRACE_UNLINK:
        names_remove(names, e->directory, e->object, c->bytes, e->bytes);
        break;
    case TRACE_WRITE:
    case TRACE_SIZE:
    case TRACE_SYNC_BEGIN:
    case TRACE_SYNC_END:
    case TRACE_NOTE:
        break;
    }
}

static bool changes_file(const struct change *c)
{
    return c->entry->kind == TRACE_WRITE || c->entry->kind == TRACE_SIZE;
}

static void apply_whole(struct file *files, struct names *names, const struct change *c)
{
    if (c->entry->kind == TRACE_WRITE)
        file_write(&files[c->entry->object], c->bytes, c->entry->bytes, c->entry->a);
    else if (c->entry->kind == TRACE_SIZE)
        file_resize(&files[c->entry->object], c->entry->a);
    else
        apply_name_change(names, c);
}

/* Choosing -------------------------------------------------------------------------------------------------------- */

/* Decides for one unit - a block of 512 bytes or another change - whether the disk has it. */
struct choice {
    enum variant variant;
    uint64_t left;       /* prefix: units that are there */
    uint64_t per_256;    /* subset: how many of 256 are there */
    bool names_in_order; /* subset: changes of names up to the first one missing */
    bool name_missing;
    uint64_t *state;
};

static bool chosen(struct choice *c)
{
    switch (c->variant) {
    case VARIANT_NONE:
        return false;
    case VARIANT_ALL:
        return true;
    case VARIANT_PREFIX:
        if (c->left == 0)
            return false;
        c->left--;
        return true;
    case VARIANT_SUBSET:
        return known_below(c->state, 256) < c->per_256;
    }
    return false;
}

static bool chosen_name_change(struct choice *c)
{
    bool there = chosen(c) && !(c->names_in_order && c->name_missing);

    c->name_missing = c->name_missing || !there;
    return there;
}

/* The bytes up to the next multiple of 512 in the file. */
static size_t block_at(uint64_t offset, size_t left)
{
    size_t len = (size_t)(BLOCK - offset % BLOCK);

    return len < left ? len : left;
}

static void apply_chosen_blocks(struct file *file, const struct change *c, struct choice *choice)
{
    size_t len;

    for (size_t at = 0; at < c->entry->bytes; at += len) {
        len = block_at(c->entry->a + at, c->entry->bytes - at);
        if (chosen(choice))
            file_write(file, c->bytes + at, len, c->entry->a + at);
    }
}

static uint64_t units_of(const struct change *c)
{
    uint64_t units = 0;

    if (c->entry->kind != TRACE_WRITE)
        return 1;
    for (size_t at = 0; at < c->entry->bytes; at += block_at(c->entry->a + at, c->entry->bytes - at))
        units++;
    return units;
}

/* The disk after the cut ---------------------------------------------------------------------------------------------
 */

struct disk {
    struct file *files;
    struct names names;
};

static struct disk disk_copy(const struct replay *r)
{
    struct disk d = {.files = calloc(r->objects + 1, sizeof(*d.files))};

    if (!d.files)
        die("no memory");
    for (uint32_t i = 1; i <= r->objects; i++)
        if (r->files[i].len > 0)
            file_write(&d.files[i], r->files[i].bytes, r->files[i].len, 0);
    d.names.items = more(NULL, &d.names.cap, r->names.count, sizeof(*d.names.items));
    d.names.count = r->names.count;
    if (r->names.count > 0)
        memcpy(d.names.items, r->names.items, r->names.count * sizeof(*d.names.items));
    return d;
}

static void disk_release(struct disk *d, uint32_t objects)
{
    for (uint32_t i = 1; i <= objects; i++)
        free(d->files[i].bytes);
    free(d->files);
    free(d->names.items);
}

static struct disk disk_after_cut(struct replay *r, struct choice *choice)
{
    struct disk d = disk_copy(r);

    for (size_t i = 0; i < r->pending_count; i++) {
        const struct change *c = &r->pending[i];

        if (c->entry->kind == TRACE_WRITE)
            apply_chosen_blocks(&d.files[c->entry->object], c, choice);
        else if (changes_file(c) ? chosen(choice) : chosen_name_change(choice))
            apply_whole(d.files, &d.names, c);
    }
    return d;
}

static void empty_directory(const char *path)
{
    char command[TEXT];

    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    if (access(path, F_OK) == 0 && system(command) != 0)
        die("cannot remove %s", path);
    if (mkdir(path, 0700) < 0)
        die("cannot make %s", path);
}

static void write_file(const char *path, const struct file *file)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t done = 0;

    while (fd >= 0 && done < file->len) {
        ssize_t n = write(fd, file->bytes + done, file->len - done);

        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (fd < 0 || done < file->len)
        die("cannot write %s", path);
    close(fd);
}

/* Writes out what is in one directory object; what it does not name is gone. */
static void disk_write(const struct disk *d, uint32_t directory, const bool *is_directory, const char *path)
{
    char inside[PATH_MAX];

    for (size_t i = 0; i < d->names.count; i++) {
        const struct name *n = &d->names.items[i];

        if (n->directory != directory)
            continue;
        snprintf(inside, sizeof(inside), "%s/%s", path, n->text);
        if (!is_directory[n->object]) {
            write_file(inside, &d->files[n->object]);
            continue;
        }
        if (mkdir(inside, 0700) < 0)
            die("cannot make %s", inside);
        disk_write(d, n->object, is_directory, inside);
    }
}

/* The trace as it is read ------------------------------------------------------------------------------------------ */

static bool *is_directory; /* by object */

static void add_object(struct replay *r, const struct trace_entry *e)
{
    size_t had = r->objects + 1u;
    size_t cap = had;

    if (e->object <= r->objects)
        return;
    r->files = more(r->files, &cap, e->object + 1u, sizeof(*r->files));
    memset(r->files + had, 0, (e->object + 1 - had) * sizeof(*r->files));
    r->objects = e->object;
    is_directory = realloc(is_directory, (e->object + 1) * sizeof(*is_directory));
    if (!is_directory)
        die("no memory");
    for (size_t i = had; i <= e->object; i++)
        is_directory[i] = false;
    is_directory[e->object] = e->kind == TRACE_MAKE_DIRECTORY;
}

static void add_change(struct replay *r, const struct trace_entry *e, const char *bytes)
{
    struct change c = {.entry = e, .bytes = bytes, .order = ++r->order};

    if (e->kind == TRACE_MAKE_FILE || e->kind == TRACE_MAKE_DIRECTORY)
        add_object(r, e);
    c.synced_by = changes_file(&c) ? e->object : e->directory;
    if (e->object == 0 || e->object > r->objects)
        die("an entry names object %" PRIu32, e->object);
    r->pending = more(r->pending, &r->pending_cap, r->pending_count + 1, sizeof(*r->pending));
    r->pending[r->pending_count++] = c;
}

static void begin_sync(struct replay *r, const struct trace_entry *e)
{
    r->syncs = more(r->syncs, &r->sync_cap, e->a + 1, sizeof(*r->syncs));
    r->syncs[e->a] = (struct sync){e->object, r->order};
}

static void end_sync(struct replay *r, const struct trace_entry *e)
{
    struct sync sync = e->a < r->sync_cap ? r->syncs[e->a] : (struct sync){0};
    size_t kept = 0;

    if (sync.object == 0)
        die("a sync ends that did not begin");
    for (size_t i = 0; i < r->pending_count; i++) {
        const struct change *c = &r->pending[i];

        if (c->synced_by == sync.object && c->order <= sync.order)
            apply_whole(r->files, &r->names, c);
        else
            r->pending[kept++] = *c;
    }
    r->pending_count = kept;
}

static void take_note(struct replay *r, const struct trace_entry *e, const char *text)
{
    switch ((enum trace_note)e->object) {
    case NOTE_BEGIN:
        r->begun = true;
        break;
    case NOTE_IDENTITY:
        if (e->bytes != SPOOL_ID_TEXT - 1)
            die("an id of %" PRIu32 " bytes", e->bytes);
        memcpy(r->ledger.spool, text, e->bytes);
        break;
    case NOTE_ASKED:
        r->asked[e->b >> 40 & 0xff][e->b >> 32 & 0xff] = (uint32_t)e->b;
        break;
    case NOTE_ACKNOWLEDGED:
        if (e->b == 0 || !known_ledger_tell(&r->ledger, e->a, e->b))
            die("number %" PRIu64 " was given to two records", e->a);
        r->acknowledged++;
        break;
    case NOTE_RELEASED:
        r->ledger.released = e->a;
        break;
    }
}

static void take_entry(struct replay *r, const struct trace_entry *e, const char *bytes)
{
    switch ((enum trace_kind)e->kind) {
    case TRACE_MAKE_FILE:
    case TRACE_MAKE_DIRECTORY:
    case TRACE_WRITE:
    case TRACE_SIZE:
    case TRACE_RENAME:
    case TRACE_UNLINK:
        add_change(r, e, bytes);
        break;
    case TRACE_SYNC_BEGIN:
        begin_sync(r, e);
        break;
    case TRACE_SYNC_END:
        end_sync(r, e);
        break;
    case TRACE_NOTE:
        take_note(r, e, bytes);
        break;
    }
}

/* Points ----------------------------------------------------------------------------------------------------------- */

/* Of this round nothing may turn up that nobody asked for yet. */
static int expect_asked(const struct replay *r, struct known_reading *reading)
{
    for (size_t i = 0; i < reading->count; i++) {
        uint64_t id = reading->items[i].id;
        const uint32_t *counts = r->asked[id >> 40 & 0xff];

        if (counts[0] > 0 && (uint32_t)id > counts[id >> 32 & 0xff])
            return err_set(&reading->err, ERR_INVALID, "number %" PRIu64 " is a record nobody had appended by then",
                           reading->items[i].seq);
    }
    return 0;
}

static void keep_torn(struct replay *r, const struct disk *d)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%" PRIu64, r->torn, r->torn_made);
    empty_directory(path);
    disk_write(d, TRACE_ROOT, is_directory, path);
    snprintf(path, sizeof(path), "%s/%" PRIu64 ".ledger", r->torn, r->torn_made++);
    file = fopen(path, "we");
    if (!file)
        die("cannot write %s", path);
    fprintf(file, "%" PRIu64 "\n", r->ledger.released);
    for (uint64_t seq = 1; seq <= r->ledger.highest; seq++)
        if (r->ledger.ids[seq] != 0)
            fprintf(file, "%" PRIu64 " %" PRIu64 "\n", seq, r->ledger.ids[seq]);
    fclose(file);
}

static void try_point(struct replay *r, size_t entry, struct choice choice, bool keep)
{
    struct spool_options options = check_options;
    struct known_reading reading = {0};
    char path[PATH_MAX];
    struct disk d;
    int result;

    survive_at("point %" PRIu64 ", before entry %zu, %s of %zu changes", r->points, entry,
               variant_names[choice.variant], r->pending_count);
    snprintf(path, sizeof(path), "%s/cut", r->work);
    empty_directory(path);
    d = disk_after_cut(r, &choice);
    disk_write(&d, TRACE_ROOT, is_directory, path);
    options.directory = path;
    result = known_check(&reading, &options, &r->ledger);
    if (result == 0)
        result = expect_asked(r, &reading);
    if (result < 0) {
        fprintf(stderr, "power_cut_replay: %s: %s\n", survive_where(), reading.err.text);
        snprintf(path, sizeof(path), "%s/broken", r->work);
        empty_directory(path);
        disk_write(&d, TRACE_ROOT, is_directory, path);
        exit(1);
    }
    if (keep && r->torn_left > 0) {
        r->torn_left--;
        keep_torn(r, &d);
    }
    r->points++;
    r->records += reading.count;
    r->ranges += reading.range_count;
    known_reading_release(&reading);
    disk_release(&d, r->objects);
}

static void try_boundary(struct replay *r, size_t entry, bool keep)
{
    bool kept = false;
    uint64_t units = 0;

    r->boundaries++;
    if (r->pending_count > r->most_pending)
        r->most_pending = r->pending_count;
    for (size_t i = 0; i < r->pending_count; i++)
        units += units_of(&r->pending[i]);
    try_point(r, entry, (struct choice){.variant = VARIANT_NONE}, false);
    if (units == 0)
        return; /* the power cut has no choice */
    try_point(r, entry, (struct choice){.variant = VARIANT_ALL}, false);
    for (unsigned i = 2; i < r->variants; i++) {
        struct choice choice = {.variant = i % 2 ? VARIANT_PREFIX : VARIANT_SUBSET, .state = &r->state};

        if (choice.variant == VARIANT_PREFIX && units == 1)
            continue; /* none or all */
        if (choice.variant == VARIANT_PREFIX)
            choice.left = 1 + known_below(&r->state, units - 1);
        choice.per_256 = 16 + known_below(&r->state, 224);
        choice.names_in_order = known_below(&r->state, 2) == 0;
        try_point(r, entry, choice, keep && !kept);
        kept = true;
    }
}

/* Ends ------------------------------------------------------------------------------------------------------------- */

/* With all changes there the directory must be what the process left: nothing was done that the trace does not have. */
static void expect_complete_trace(struct replay *r)
{
    char path[PATH_MAX];
    char command[3 * PATH_MAX];
    struct choice all = {.variant = VARIANT_ALL};
    struct disk d = disk_after_cut(r, &all);

    snprintf(path, sizeof(path), "%s/end", r->work);
    empty_directory(path);
    disk_write(&d, TRACE_ROOT, is_directory, path);
    disk_release(&d, r->objects);
    snprintf(command, sizeof(command), "diff -r '%s' '%s' >&2", path, r->directory);
    if (system(command) != 0)
        die("the trace does not lead to the directory the process left");
    if (r->acknowledged == 0)
        die("nothing was acknowledged in this trace");
}

static const char *map_trace(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *bytes;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
        die("cannot read %s", path);
    *len = (size_t)st.st_size;
    bytes = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        die("cannot read %s", path);
    close(fd);
    return bytes;
}

/* Where the entries begin: not aligned in the file. */
static struct trace_entry *read_entries(const char *bytes, size_t len, size_t *count, const char ***data)
{
    struct trace_entry *entries = NULL;
    size_t cap = 0, data_cap = 0;

    *count = 0;
    for (size_t at = 0; at < len;) {
        struct trace_entry e;

        if (len - at < sizeof(e))
            die("the trace ends in an entry");
        memcpy(&e, bytes + at, sizeof(e));
        at += sizeof(e);
        if (e.bytes > len - at)
            die("the trace ends in the bytes of an entry");
        entries = more(entries, &cap, *count + 1, sizeof(*entries));
        *data = more(*data, &data_cap, *count + 1, sizeof(**data));
        entries[*count] = e;
        (*data)[(*count)++] = bytes + at;
        at += e.bytes;
    }
    return entries;
}

/* After these everything is as it was before them. */
static bool matters(const struct trace_entry *e)
{
    return e->kind != TRACE_SYNC_BEGIN && !(e->kind == TRACE_NOTE && e->object == NOTE_ASKED);
}

static int replay(void *arg)
{
    struct replay *r = arg;
    size_t len, count;
    const char **data = NULL;
    const char *bytes = map_trace(r->trace, &len);
    struct trace_entry *entries = read_entries(bytes, len, &count, &data);
    size_t phase = known_below(&r->state, r->every);
    const size_t torn_every = r->torn_left > 0 ? count / (size_t)r->torn_left + 1 : count + 1;
    size_t next_torn = r->torn_left > 0 ? torn_every / 2 : count;

    add_object(r, &(struct trace_entry){.kind = TRACE_MAKE_DIRECTORY, .object = TRACE_ROOT});
    for (size_t i = 0; i < count; i++) {
        bool keep = i > next_torn && r->pending_count > 0;

        if ((i % r->every == phase || keep) && r->begun && matters(&entries[i - 1])) {
            try_boundary(r, i, keep);
            next_torn += keep ? torn_every : 0;
        }
        take_entry(r, &entries[i], data[i]);
    }
    try_boundary(r, count, false);
    expect_complete_trace(r);
    printf("{\"entries\": %zu, \"boundaries\": %" PRIu64 ", \"points\": %" PRIu64 ", \"acknowledged\": %" PRIu64
           ", \"records_read\": %" PRIu64 ", \"ranges_reported\": %" PRIu64 ", \"most_unsynced\": %" PRIu64 "}\n",
           count, r->boundaries, r->points, r->acknowledged, r->records, r->ranges, r->most_pending);
    free(entries);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    static struct replay r;

    if (argc != 7 && argc != 9) {
        fprintf(stderr, "usage: power_cut_replay TRACE DIRECTORY WORK SEED VARIANTS EVERY [TORN COUNT]\n");
        return 2;
    }
    log_configure(LOG_LOGFMT, LOG_ERROR);
    r.trace = argv[1];
    r.directory = argv[2];
    r.work = argv[3];
    r.state = strtoull(argv[4], NULL, 10) * 2 + 1;
    r.variants = (unsigned)strtoul(argv[5], NULL, 10);
    r.every = (unsigned)strtoul(argv[6], NULL, 10);
    if (argc == 9) {
        r.torn = argv[7];
        r.torn_left = strtoull(argv[8], NULL, 10);
    }
    if (r.every == 0)
        die("EVERY is 0");
    return survive(replay, &r);
}
