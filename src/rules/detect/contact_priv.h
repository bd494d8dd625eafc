/* contact_priv.h - the kinds of contact data, one file each: what contact.c runs. Each reads the glyphs from i on and
 * says where the glyphs end that it has dealt with (more than i), after telling what it found. */
#ifndef CHATSLUICE_RULES_DETECT_CONTACT_PRIV_H
#define CHATSLUICE_RULES_DETECT_CONTACT_PRIV_H

#include "rules/detect/contact.h"

struct contact_run {
    const struct glyphs *g;
    struct folded *folded;
    detector_found *found;
    void *arg;
    bool stopped;
};

enum { CONTACT_TERM_PHONE, CONTACT_TERM_EMAIL, CONTACT_TERM_MESSENGER, CONTACT_TERMS };

void contact_tell(struct contact_run *run, uint32_t term, size_t start, size_t end); /* glyphs, end exclusive */

/* A digit at glyph i, also as a Chinese numeral or an English word: its number of glyphs and its value; or 0. */
size_t contact_digit(const struct glyphs *g, size_t i, unsigned *value);

/* Whether glyph i can be neither part of a word nor of a number before or after it. i may be SIZE_MAX: before the
 * first. */
bool contact_is_border(const struct glyphs *g, size_t i);

void contact_find_phones(struct contact_run *run);
void contact_find_emails(struct contact_run *run);
void contact_find_messengers(struct contact_run *run);

#endif
