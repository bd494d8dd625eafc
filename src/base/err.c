#include "base/err.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Drops a character that the end of the buffer cut in two. */
static void trim_cut_character(struct err *err)
{
    size_t len = strlen(err->text);

    err->text[utf8_valid_prefix(err->text, len)] = '\0';
}

static void err_format(struct err *err, int code, const char *fmt, va_list args)
{
    err->code = code;
    err->sqlstate[0] = '\0';
    vsnprintf(err->text, sizeof(err->text), fmt, args);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return code;
    va_start(args, fmt);
    err_format(err, code, fmt, args);
    va_end(args);
    trim_cut_character(err);
    return code;
}

int err_set_errno(struct err *err, int code, const char *fmt, ...)
{
    int number = errno;
    char words[128];
    size_t len;
    va_list args;

    if (!err)
        return code;
    va_start(args, fmt);
    err_format(err, code, fmt, args);
    va_end(args);
    len = strlen(err->text);
    snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror_r(number, words, sizeof(words)));
    trim_cut_character(err);
    return code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
    char said[sizeof(err->text)];
    size_t len;
    va_list args;

    if (!err)
        return ERR_FAILED;
    memcpy(said, err->text, sizeof(said));
    va_start(args, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    len = strlen(err->text);
    snprintf(err->text + len, sizeof(err->text) - len, ": %s", said);
    trim_cut_character(err);
    return err->code;
}
