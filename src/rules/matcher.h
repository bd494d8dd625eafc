/* matcher.h - all patterns of one folding in one vectorscan database: one pass over a text finds every match.
 * The one file over vectorscan.
 *
 * Terms are taken byte for byte. Expressions are PCRE as far as vectorscan goes: UTF-8, no look-around, no
 * back-references; \b \w \d \s mean ASCII, so that a number between Chinese characters stands at word boundaries;
 * \p{...} and (?i) know all of Unicode; `.` does not match a line feed. Laziness has no effect: vectorscan finds every
 * end of a match, and overlapping matches of one expression are one match, from the first start to the last end.
 *
 * Threads: a matcher is read-only and shared; a scratch belongs to one thread. */
#ifndef CHATSLUICE_RULES_MATCHER_H
#define CHATSLUICE_RULES_MATCHER_H

#include "rules/rule.h"

struct pattern {
    const char *text; /* NUL-terminated, without others */
    size_t len;
    bool expression;
    enum term_boundary boundary; /* of a term */
};

enum {
    MATCHER_MAX_TERM = 512,
    MATCHER_MAX_EXPRESSION = 4096,
    MATCHER_MAX_REPEATS = 1000,
    MATCHER_MAX_GROUPS = 40, /* that are repeated */
    MATCHER_MAX_PROPERTIES = 16,
    MATCHER_MAX_ALL_WEIGHTS = 20000
};

/* 0 if text can be an expression; else ERR_USAGE with the reason and what to do instead. */
int matcher_check_expression(const char *text, struct err *err);
/* What an expression costs to compile: what its repeats unroll to, and its repeated groups and properties. Of all
 * expressions of a set together MATCHER_MAX_ALL_WEIGHTS at most. */
unsigned long long matcher_weight(const char *text);
/* The same as matcher_check_expression(), and that vectorscan can compile it: takes up to a second. */
int matcher_try_expression(const char *text, struct err *err);

struct matcher;

/* Patterns keep their index as their number. cache_directory (NULL: none) may hold the same matcher compiled earlier
 * by this version of vectorscan for this CPU; otherwise it is written there. On ERR_USAGE *bad is the index of the
 * pattern that vectorscan refused; ERR_FAILED: out of memory. count is not 0. */
int matcher_compile(struct matcher **out, const struct pattern *patterns, size_t count, const char *cache_directory,
                    size_t *bad, struct err *err);
void matcher_free(struct matcher *m); /* NULL is fine */
bool matcher_from_cache(const struct matcher *m);

/* Scratch fit for all matchers it was made for. */
struct matcher_scratch;
int matcher_scratch_for(struct matcher_scratch **scratch, const struct matcher *m);   /* makes or enlarges */
struct matcher_scratch *matcher_scratch_clone(const struct matcher_scratch *scratch); /* NULL: no memory */
void matcher_scratch_free(struct matcher_scratch *scratch);

/* Calls found for every match, boundaries already looked at; ends come in ascending order. found returns false to stop
 * the scan. text: valid UTF-8. 0, or ERR_FULL when stopped, or ERR_FAILED. */
int matcher_scan(const struct matcher *m, struct matcher_scratch *scratch, struct span text,
                 bool (*found)(void *arg, uint32_t pattern, size_t start, size_t end), void *arg);

#endif
