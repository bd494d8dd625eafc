#include "store/lexicon.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>

struct span lexicon_embedded(void)
{
    return (struct span){lexicon_file, lexicon_file_length};
}

int lexicon_read(struct buf *out, const char *path, struct err *err)
{
    FILE *file = fopen(path, "re");
    int r = 0;

    if (!file)
        return err_set_errno(err, ERR_FAILED, "could not open \"%s\"", path);
    while (r == 0 && !feof(file)) {
        char *to = buf_reserve(out, 65536);
        size_t got = to ? fread(to, 1, 65536, file) : 0;
        buf_commit(out, got);
        if (ferror(file))
            r = err_set_errno(err, ERR_FAILED, "could not read \"%s\"", path);
        else if (!to)
            r = err_set(err, ERR_FAILED, "could not read \"%s\": out of memory", path);
        else if (out->len > LEXICON_MAX_BYTES)
            r = err_set(err, ERR_INVALID, "\"%s\" is longer than %d MiB", path, LEXICON_MAX_BYTES / 1024 / 1024);
    }
    fclose(file);
    if (r == 0 && utf8_valid_prefix(buf_text(out), out->len) != out->len)
        r = err_set(err, ERR_INVALID, "\"%s\" is not valid UTF-8", path);
    return r;
}

bool lexicon_next(struct span *rest, struct span *text)
{
    while (rest->len > 0) {
        const char *end = memchr(rest->data, '\n', rest->len);
        size_t len = end ? (size_t)(end - rest->data) : rest->len;

        *text = (struct span){rest->data, len};
        rest->data += len + (end != NULL);
        rest->len -= len + (end != NULL);
        if (text->len > 0 && text->data[text->len - 1] == '\r')
            text->len--;
        if (text->len > 0 && text->data[0] != '#')
            return true;
    }
    return false;
}
