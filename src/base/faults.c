#include "base/faults.h"

#include "base/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SUGGEST_MAX = 64 };

/* Names out of the file stand in the words cut to a length: what is left of a character there is taken out. */
static void keep_utf8(char *words)
{
    size_t kept = 0, len = strlen(words);

    for (size_t at = 0, valid; at < len; at += valid + 1) {
        valid = utf8_valid_prefix(words + at, len - at);
        memmove(words + kept, words + at, valid);
        kept += valid;
    }
    words[kept] = '\0';
}

static void faults_vadd(struct faults *f, const char *kind, const char *source, unsigned line, unsigned column,
                        const char *fmt, va_list args)
{
    char words[1024];

    if (f->count + f->warnings > (size_t)FAULTS_KEPT)
        return;
    vsnprintf(words, sizeof(words), fmt, args);
    keep_utf8(words);
    if (line > 0)
        buf_addf(&f->text, "%s:%u:%u: %s%s\n", source, line, column, kind, words);
    else
        buf_addf(&f->text, "%s: %s%s\n", source, kind, words);
}

void faults_add(struct faults *f, const char *source, unsigned line, unsigned column, const char *fmt, ...)
{
    va_list args;

    f->count++;
    va_start(args, fmt);
    faults_vadd(f, "", source, line, column, fmt, args);
    va_end(args);
}

void faults_warn(struct faults *f, const char *source, unsigned line, unsigned column, const char *fmt, ...)
{
    va_list args;

    f->warnings++;
    va_start(args, fmt);
    faults_vadd(f, "warning: ", source, line, column, fmt, args);
    va_end(args);
}

void faults_release(struct faults *f)
{
    buf_release(&f->text);
    f->count = f->warnings = 0;
}

/* Edit distance of Levenshtein, one row at a time. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[SUGGEST_MAX + 1];
    size_t len = strlen(b);

    if (strlen(a) > SUGGEST_MAX || len > SUGGEST_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            size_t change = corner + (a[i - 1] != b[j - 1]);
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

            corner = row[j];
            row[j] = change < best ? change : best;
        }
    }
    return row[len];
}

const char *faults_suggest(const char *word, const char *const *candidates, size_t count)
{
    size_t near = strlen(word) / 3 + 2; /* farther than this and it was not a slip of the finger */
    const char *best = NULL;

    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, candidates[i]);

        if (distance < near) {
            near = distance;
            best = candidates[i];
        }
    }
    return best;
}
