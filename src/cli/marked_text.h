/* marked_text.h - a stranger's text, printed for people with the bytes that matched marked.
 *
 * Nothing in the text reaches the terminal as a command: control characters are printed as \n, \t or \u{7F}, and so are
 * characters that cannot be seen, for they are what many evasions are made of. The marks stand where a terminal with
 * wide characters of two columns shows what they mark. */
#ifndef CHATSLUICE_CLI_MARKED_TEXT_H
#define CHATSLUICE_CLI_MARKED_TEXT_H

#include "base/buf.h"

struct text_mark { /* bytes start..end, end exclusive; may overlap others */
    uint32_t start, end;
};

/* With reverse: one line, the marked parts in reverse video, as terminals know it. Otherwise, when there are marks, a
 * second line follows with ^ under them. Each line begins with indent and is ended. Bytes that are not UTF-8 are shown
 * as \x{FF}. */
void marked_text_add(struct buf *out, const char *indent, struct span text, const struct text_mark *marks,
                     size_t mark_count, bool reverse);
/* The text alone, made harmless; no line end. */
void shown_text_add(struct buf *out, struct span text);

/* Whether standard output is a terminal that knows reverse video: not a pipe, not TERM=dumb, no NO_COLOR. */
bool terminal_marks(void);

#endif
