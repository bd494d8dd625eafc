#include "sim/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { GATHER = 64 * 1024 };

int ledger_open(struct ledger *l, const char *path, struct err *err)
{
    *l = (struct ledger){.fd = -1};
    if (!path)
        return 0;
    l->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return l->fd >= 0 ? 0 : err_set_errno(err, ERR_FAILED, "could not open the ledger \"%s\"", path);
}

void ledger_add(struct ledger *l, const char *line)
{
    if (l->fd < 0)
        return;
    buf_add_text(&l->lines, line);
    buf_add_char(&l->lines, '\n');
    if (l->lines.len >= GATHER)
        ledger_flush(l);
}

void ledger_flush(struct ledger *l)
{
    size_t written = 0;

    l->failed = l->failed || buf_failed(&l->lines);
    while (written < l->lines.len) {
        const ssize_t n = write(l->fd, l->lines.data + written, l->lines.len - written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            l->failed = true;
            break;
        }
        written += (size_t)n;
    }
    buf_reset(&l->lines);
}

bool ledger_close(struct ledger *l)
{
    if (l->fd >= 0) {
        ledger_flush(l);
        close(l->fd);
    }
    buf_release(&l->lines);
    l->fd = -1;
    return !l->failed;
}
