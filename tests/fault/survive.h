/* survive.h - work in a child, so that a crash of what is attacked is a result like any other. */
#ifndef CHATSLUICE_TESTS_SURVIVE_H
#define CHATSLUICE_TESTS_SURVIVE_H

enum { SURVIVE_TEXT = 512 };

/* Says what is being tried: printed when the child does not survive it. For the child. */
void survive_at(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *survive_where(void);
/* Runs work(arg) in a child; the status it returned or exited with (0 to 125), or 126 after a crash, which it prints.
 */
int survive(int (*work)(void *arg), void *arg);

#endif
