/* err.h - what went wrong, carried upward in a struct the caller passes, never in a global.
 *
 * A function that can fail returns 0 or a negative enum err_code and fills *err; modules report upward, the thread
 * that owns the work logs once. The text says what could not be done, to which named thing, and why; it never holds
 * a secret or the text of a message. A NULL err is fine everywhere. */
#ifndef CHATSLUICE_BASE_ERR_H
#define CHATSLUICE_BASE_ERR_H

#include <stdarg.h>

enum err_code {
    ERR_FAILED = -1,   /* the general failure */
    ERR_USAGE = -2,    /* the caller's words or configuration are wrong */
    ERR_FULL = -3,     /* a bound of ours is reached */
    ERR_TIMEOUT = -4,  /* a deadline of ours passed */
    ERR_CONFLICT = -5, /* somebody else owns it or was faster */
    ERR_INVALID = -6,  /* bytes from outside are not what they must be */
    ERR_LOST = -7,     /* connection lost: the outcome of the last step is unknown */
    ERR_NOT_FOUND = -8,
};

struct err {
    int code;
    char sqlstate[6]; /* of a refusal by PostgreSQL, else "" */
    char text[768];
};

/* Fills *err (cut at its size, never in the middle of a UTF-8 character) and returns code. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same with ": " and the words of errno as it was at the call. */
int err_set_errno(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts words and ": " before what *err already says; returns err->code. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
