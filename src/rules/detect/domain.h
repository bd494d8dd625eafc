/* domain.h - names of hosts: one form for every writing, public endings, and lists of domains. The one file over
 * libpsl. Any thread. */
#ifndef CHATSLUICE_RULES_DETECT_DOMAIN_H
#define CHATSLUICE_RULES_DETECT_DOMAIN_H

#include "rules/arena.h"
#include "rules/folding/fold.h"

enum { DOMAIN_MAX = 253 };

/* The one form: lower case, compatibility forms folded, labels that are not ASCII in Punycode ("xn--..."), no dot at
 * the end. Returns its length, or 0 when it cannot be a host: empty, too long, with an empty label. */
size_t domain_normalize(struct span host, struct folded *scratch, char out[DOMAIN_MAX + 1]);

/* Whether a normalized label is a top-level domain. */
bool domain_is_ending(const char *label);

/* Of a normalized name: whether it ends in an ending under which everybody can register, such as com or co.uk, and has
 * a label before it. */
bool domain_is_registrable(const char *name);

/* Whether the last label is a word of ordinary text, so that "nice.live" may be a missing blank and not a link; or the
 * name as a whole means something else. */
bool domain_ending_is_word(const char *name);

/* Domains, each of which stands for itself and all below it. */
struct domain_set {
    const char *const *names; /* normalized, sorted, each once */
    const uint32_t *written;  /* of each, its index among those given */
    size_t count;
};

/* Names that cannot be hosts are left out: reading rules refuses them. Memory that runs out shows in a. */
void domain_set_compile(struct domain_set *out, struct texts domains, struct arena *a);
/* The set's entry that covers a normalized name, the longest first; or SIZE_MAX. */
size_t domain_set_find(const struct domain_set *set, const char *name);

#endif
