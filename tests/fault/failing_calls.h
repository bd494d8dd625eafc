/* failing_calls.h - system calls and allocations that fail when told to: libfiu decides, the linker (--wrap) sees to it
 * that every call our own objects make passes here. One call at a time is armed; what is not armed is only counted. */
#ifndef CHATSLUICE_TESTS_FAILING_CALLS_H
#define CHATSLUICE_TESTS_FAILING_CALLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* name, as libfiu and reports have it */
#define FAILING_CALLS(X)                                                                                               \
    X(PREAD, "pread")                                                                                                  \
    X(PWRITE, "pwrite")                                                                                                \
    X(FDATASYNC, "fdatasync")                                                                                          \
    X(FSYNC, "fsync")                                                                                                  \
    X(OPENAT, "openat")                                                                                                \
    X(OPEN, "open")                                                                                                    \
    X(MKDIRAT, "mkdirat")                                                                                              \
    X(RENAMEAT, "renameat")                                                                                            \
    X(UNLINKAT, "unlinkat")                                                                                            \
    X(FTRUNCATE, "ftruncate")                                                                                          \
    X(FSTAT, "fstat")                                                                                                  \
    X(FLOCK, "flock")                                                                                                  \
    X(FDOPENDIR, "fdopendir")                                                                                          \
    X(READDIR, "readdir")                                                                                              \
    X(PTHREAD_CREATE, "pthread_create")                                                                                \
    X(MALLOC, "malloc")                                                                                                \
    X(CALLOC, "calloc")                                                                                                \
    X(REALLOC, "realloc")                                                                                              \
    X(STRDUP, "strdup")

enum failing_call {
#define X(name, text) CALL_##name,
    FAILING_CALLS(X)
#undef X
        CALL_COUNT
};

enum { FAIL_SHORT = -1 }; /* instead of an errno: reads or writes half of what was asked */

/* What came of it; in memory that a parent may share. */
struct failing_calls {
    _Atomic uint64_t seen[CALL_COUNT];
    _Atomic uint64_t hits;
    /* The thread that writes records (it has written bytes that are not all zero since this was set true by the test)
     * was told of a failure: from then on nothing it does may be acknowledged. */
    atomic_bool watching, writer_failed;
};

const char *failing_call_name(enum failing_call call);
/* From here on calls are counted, and the at-th (from 1) of this kind fails with error: only it, or from it on all. */
void failing_calls_arm(struct failing_calls *calls, enum failing_call call, uint64_t at, bool for_good, int error);
void failing_calls_disarm(void);

#endif
