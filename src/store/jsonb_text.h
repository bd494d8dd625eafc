/* jsonb_text.h - JSON as PostgreSQL's jsonb writes it: what is stored and read back is then the same bytes; private to
 * store and audit. Threads: any. */
#ifndef CHATSLUICE_STORE_JSONB_TEXT_H
#define CHATSLUICE_STORE_JSONB_TEXT_H

#include "base/buf.h"

/* Adds json in that form: members sorted by length of their name, then by bytes, the last of equal names kept; ", " and
 * ": " between; strings without needless escapes; numbers written out. False, with out as before, for what is no JSON,
 * is nested deeper than 64, has U+0000 or half a surrogate pair, an object of more than 512 members or a number of more
 * than some thousand digits: the server then says what it makes of it. */
bool jsonb_text(struct buf *out, struct span json);

#endif
