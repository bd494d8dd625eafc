/* hosts.h - names of hosts in running text, plainly written or dressed up: example.com, example[.]com, example(dot)com,
 * example dot com, example。com, example点com, ｅｘａｍｐｌｅ．ｃｏｍ. */
#ifndef CHATSLUICE_RULES_DETECT_HOSTS_H
#define CHATSLUICE_RULES_DETECT_HOSTS_H

#include "rules/detect/domain.h"
#include "rules/detect/glyphs.h"

enum { HOST_LABELS = 16 };

struct host_chain { /* labels joined by dots */
    struct host_label {
        size_t start, end; /* glyphs */
    } labels[HOST_LABELS];
    size_t count;
    bool dressed; /* some dot is a word or a sign that also stands in ordinary text */
};

/* The dot at glyph i: its number of glyphs, or 0. dressed is set for one that ordinary text has too. */
size_t host_dot(const struct glyphs *g, size_t i, bool *dressed);

/* The longest chain that begins at glyph i. A label is a run of letters, digits, '-' and '_', either of scripts with
 * spaces or of scripts without, because 上example.com哦 is a host within a sentence. 0 labels: none begins there. */
void host_chain_read(const struct glyphs *g, size_t i, struct host_chain *chain);

/* The normalized name of the first count labels; its length, or 0. */
size_t host_name(const struct glyphs *g, const struct host_chain *chain, size_t count, struct folded *scratch,
                 char out[DOMAIN_MAX + 1]);

/* The most labels, at least 2, that make a name with a public ending; out is that name. 0: none. */
size_t host_registrable(const struct glyphs *g, const struct host_chain *chain, struct folded *scratch,
                        char out[DOMAIN_MAX + 1]);

/* Whether it is a word that stands before "dot com" in ordinary text: "the dot com boom". */
bool host_label_is_article(const struct glyphs *g, const struct host_label *label);

#endif
