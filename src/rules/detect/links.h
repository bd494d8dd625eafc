/* links.h - finds links, and looks their hosts up.
 *
 * A link is
 *   - anything with a scheme (http://, hxxps://, tg://...), whatever its host: a name, an address, localhost;
 *   - www. and a name;
 *   - a bare name with a public ending (libpsl), but under endings that are ordinary words (domain.c) or not ASCII only
 *     with a path or port behind it;
 *   - an IPv4 address with a path or port.
 * Dots may be dressed up (hosts.h). What stands before an @ is a user and not the host: http://good.com@evil.com/ is
 * evil.com. A name after an @ alone is an e-mail address and no link. */
#ifndef CHATSLUICE_RULES_DETECT_LINKS_H
#define CHATSLUICE_RULES_DETECT_LINKS_H

#include "rules/detect/detector.h"

/* Terms of a hit: "link", "link off the allow list", or the denied domain as written. */
void links_compile(struct detector *out, const struct links_condition *condition, struct arena *a);

/* In the glyphs of scratch. False when found stopped it. */
bool links_find(const struct detector *d, struct detector_scratch *scratch, detector_found *found, void *arg);

#endif
