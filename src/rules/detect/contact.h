/* contact.h - finds phone numbers, e-mail addresses and messenger accounts, spelled out and dressed up too.
 *
 * Phone: mobile numbers of China with and without +86; numbers with + and a country code; area codes in parentheses,
 * with a 0 or, with hyphens, of North America. Digits may be full-width, circled, Chinese numerals, or English words
 * ("one three eight ..."), in groups as people write them or one by one.
 * E-mail: user@host with a public ending; "at" and "dot" as words, (at), ＠; # before the host of a great provider.
 * Messenger: its name, then within a few characters what looks like an account; or a link into it (t.me/...). Two
 * finds: name and account. */
#ifndef CHATSLUICE_RULES_DETECT_CONTACT_H
#define CHATSLUICE_RULES_DETECT_CONTACT_H

#include "rules/detect/detector.h"

/* contacts: of enum contact_kind. Terms of a hit: "phone", "email", "messenger". */
void contact_compile(struct detector *out, unsigned contacts);

/* In the glyphs of scratch. False when found stopped it. */
bool contact_find(const struct detector *d, struct detector_scratch *scratch, detector_found *found, void *arg);

#endif
