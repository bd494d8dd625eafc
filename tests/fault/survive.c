#include "survive.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char *where; /* shared with the child */

static char *shared_text(void)
{
    if (!where)
        where = mmap(NULL, SURVIVE_TEXT, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (where == MAP_FAILED) {
        perror("no memory");
        exit(2);
    }
    return where;
}

void survive_at(const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    vsnprintf(shared_text(), SURVIVE_TEXT, fmt, arguments);
    va_end(arguments);
}

const char *survive_where(void)
{
    return shared_text();
}

int survive(int (*work)(void *arg), void *arg)
{
    int status;
    pid_t child;

    shared_text();
    fflush(NULL);
    child = fork();
    if (child == 0)
        exit(work(arg));
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("no process");
        return 126;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) < 126)
        return WEXITSTATUS(status);
    fprintf(stderr, "crashed at %s (wait status %d)\n", where, status);
    return 126;
}
