#include "rules/ruleset_priv.h"

#include "base/crypto.h"
#include "rules/compile.h"
#include "rules/stored_file.h"

#include <malloc.h>
#include <stdlib.h>

#define LAST_GOOD "rules-last-good"

static atomic_uint_fast64_t next_serial = 1; /* names sets within this process, so that scratch can tell them apart */

static bool name_by_content(struct ruleset *set, const struct rule_document *doc)
{
    struct buf json = BUF_INIT;
    bool ok;

    rule_document_write_json(doc, &json);
    ok = !buf_failed(&json);
    if (ok)
        crypto_sha256_hex(&(struct span){json.data, json.len}, 1, set->checksum);
    buf_release(&json);
    return ok;
}

/* canonical: the document as rule_document_write_json() writes it, where it is at hand; else {NULL, 0}. */
static int compile_set(struct ruleset **out, const struct rule_document *doc, uint64_t revision, struct span canonical,
                       const char *cache_directory, struct faults *faults)
{
    size_t before = faults->count;
    struct ruleset *set = calloc(1, sizeof(*set));
    struct compiler c = {.set = set, .doc = doc, .faults = faults};

    if (!set) {
        faults_add(faults, "rules", 0, 0, "out of memory");
        return ERR_FAILED;
    }
    c.arena = &set->arena;
    atomic_init(&set->references, 1);
    set->serial = atomic_fetch_add(&next_serial, 1);
    set->revision = revision;
    c.list_count = rule_document_lists(doc, &c.lists);

    compile_rules(&c);
    if (faults->count == before && !c.arena->failed)
        compile_foldings(&c, cache_directory);
    if (canonical.len)
        crypto_sha256_hex(&canonical, 1, set->checksum);
    else if (!name_by_content(set, doc))
        c.arena->failed = true;
    if (faults->count == before && !c.arena->failed)
        run_examples(&c);
    if (c.arena->failed)
        faults_add(faults, "rules", 0, 0, "out of memory");

    free(c.leaves);
    free(c.origins);
    free(c.slots);
    free(c.measures);
    free(c.meters);
    malloc_trim(0); /* compiling 10,000 terms passes through 100 MB that the process does not need again */
    if (faults->count != before) {
        ruleset_unref(set);
        return ERR_USAGE;
    }
    *out = set;
    return 0;
}

int ruleset_compile(struct ruleset **out, const struct rule_document *doc, uint64_t revision,
                    const char *cache_directory, struct faults *faults)
{
    return compile_set(out, doc, revision, (struct span){NULL, 0}, cache_directory, faults);
}

struct ruleset *ruleset_ref(struct ruleset *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void ruleset_unref(struct ruleset *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->folding_count; i++) {
        matcher_free(set->foldings[i].matcher);
        folding_free(set->foldings[i].folding);
    }
    free(set->foldings);
    matcher_scratch_free(set->scratch);
    arena_release(&set->arena);
    free(set);
}

uint64_t ruleset_revision(const struct ruleset *set)
{
    return set->revision;
}

const char *ruleset_checksum(const struct ruleset *set)
{
    return set->checksum;
}

size_t ruleset_rule_count(const struct ruleset *set)
{
    return set->rule_count - set->scorecard_count;
}

size_t ruleset_term_count(const struct ruleset *set)
{
    return set->term_count;
}

size_t ruleset_meters(const struct ruleset *set, const struct meter **meters)
{
    *meters = set->meters;
    return set->meter_count;
}

bool ruleset_wants_earlier(const struct ruleset *set)
{
    for (size_t i = 0; i < set->folding_count; i++)
        if (set->foldings[i].spec.steps & FOLD_SPLIT)
            return true;
    return false;
}

/* The last good set on disk ------------------------------------------------------------------------ */

int ruleset_save(const struct ruleset *set, const struct rule_document *doc, const char *directory, struct err *err)
{
    struct buf json = BUF_INIT;
    int r;

    rule_document_write_json(doc, &json);
    if (buf_failed(&json))
        r = err_set(err, ERR_FAILED, "could not save rule revision %llu: out of memory",
                    (unsigned long long)set->revision);
    else
        r = stored_file_write(directory, LAST_GOOD, set->revision, buf_span(&json), err);
    buf_release(&json);
    return r;
}

int ruleset_load(struct ruleset **out, const char *directory, struct err *err)
{
    struct buf json = BUF_INIT;
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = rule_document_new();
    uint64_t revision = 0;
    int r;

    r = doc ? stored_file_read(directory, LAST_GOOD, &revision, &json, err)
            : err_set(err, ERR_FAILED, "could not load the last good rules: out of memory");
    if (r < 0)
        goto out;
    rule_document_trust(doc);
    r = rule_document_read_text(doc, LAST_GOOD, buf_span(&json), &faults);
    if (r == 0)
        r = rule_document_check(doc, &faults);
    if (r == 0)
        r = compile_set(out, doc, revision, buf_span(&json), directory, &faults);
    if (r < 0)
        err_set(err, r, "could not use the last good rules in \"%s\": %.500s", directory, buf_text(&faults.text));
out:
    rule_document_free(doc);
    buf_release(&json);
    faults_release(&faults);
    return r;
}
