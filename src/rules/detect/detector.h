/* detector.h - leaves that are neither terms nor expressions: links (links.h) and contact data (contact.h), found by
 * reading the text, whose ways of being written no expression holds. Private to the rules. */
#ifndef CHATSLUICE_RULES_DETECT_DETECTOR_H
#define CHATSLUICE_RULES_DETECT_DETECTOR_H

#include "rules/detect/domain.h"
#include "rules/detect/glyphs.h"

/* What a detector calls for each find: term is an index in the leaf's terms, start and end are bytes of the text.
 * Returns false to stop. */
typedef bool detector_found(void *arg, uint32_t term, uint32_t start, uint32_t end);

/* One thread's scratch; zeroed at first. */
struct detector_scratch {
    struct glyphs glyphs;
    struct folded folded;
};
void detector_scratch_trim(struct detector_scratch *s);
void detector_scratch_release(struct detector_scratch *s);

/* A compiled condition `links` or `contact`; immutable. */
struct detector {
    enum condition_kind kind;
    unsigned contacts;
    bool has_allow, has_deny;
    struct domain_set allow, deny;
    const struct span *terms; /* what a find is called in a hit */
    size_t term_count;
};

/* Copies what it needs into a; memory that runs out shows there. */
void detector_compile(struct detector *out, const struct condition *condition, struct arena *a);

/* Reads text (valid UTF-8, borrowed) for the runs that follow; false when memory ran out. */
bool detector_read(struct detector_scratch *scratch, struct span text);
/* Tells every find in what was read. False when found stopped it. */
bool detector_run(const struct detector *d, struct detector_scratch *scratch, detector_found *found, void *arg);

#endif
