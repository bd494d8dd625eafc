/* sync_stall.c - LD_PRELOAD: a disk that takes its time.
 *
 *   SYNC_STALL_PLAN=FILE LD_PRELOAD=sync_stall.so PROGRAM
 *
 * FILE holds "MS N", read anew at each call: every Nth fdatasync of a thread takes so many milliseconds longer,
 * after the disk has done its work. No such file, or nothing of the kind in it: no harm is done. It can so be begun and
 * ended while the program runs. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int (*real_fdatasync)(int);
static const char *plan_path;

__attribute__((constructor)) static void start(void)
{
    void *found = dlsym(RTLD_NEXT, "fdatasync");

    plan_path = getenv("SYNC_STALL_PLAN");
    if (!found || !plan_path) {
        fprintf(stderr, "sync_stall: SYNC_STALL_PLAN must be set\n");
        abort();
    }
    memcpy(&real_fdatasync, &found, sizeof(found));
}

/* How long this sync is to be held up. */
static long stall_ms(void)
{
    static _Thread_local unsigned long syncs;
    char text[64] = "";
    unsigned long every;
    long ms;
    int fd = open(plan_path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    close(fd);
    if (sscanf(text, "%ld %lu", &ms, &every) != 2 || every == 0)
        return 0;
    return syncs++ % every == 0 ? ms : 0;
}

int fdatasync(int fd)
{
    const int r = real_fdatasync(fd);
    const long ms = stall_ms();
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (ms > 0 && nanosleep(&left, &left) < 0)
        ;
    return r;
}
