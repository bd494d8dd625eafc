/* power_cut_trace.h - the trace a recorded spool leaves: what it did to the disk and what it said, in one order.
 *
 * A file of entries, each followed by entry.bytes bytes. Objects are files and directories by number; 1 is the spool's
 * directory. An entry stands where the call had its effect; only a sync, which others overtake, has a beginning and an
 * end: it makes durable what was there at its beginning, once its end is reached. */
#ifndef CHATSLUICE_TESTS_POWER_CUT_TRACE_H
#define CHATSLUICE_TESTS_POWER_CUT_TRACE_H

#include <stdint.h>

enum { TRACE_ROOT = 1 };

enum trace_kind {
    TRACE_MAKE_FILE = 1,  /* object in directory; bytes: its name */
    TRACE_MAKE_DIRECTORY, /* the same */
    TRACE_WRITE,          /* object; a: offset; bytes: the data */
    TRACE_SIZE,           /* object; a: its new size */
    TRACE_RENAME,         /* object in directory; a: length of the old name; bytes: the old name, the new name */
    TRACE_UNLINK,         /* object in directory; bytes: its name */
    TRACE_SYNC_BEGIN,     /* object; a: number of the sync */
    TRACE_SYNC_END,       /* a: number of the sync */
    TRACE_NOTE,           /* object: enum trace_note, a, b and bytes as it says */
};

enum trace_note {
    NOTE_BEGIN = 1,    /* what came before is how things stood */
    NOTE_IDENTITY,     /* bytes: the spool's id */
    NOTE_ASKED,        /* b: id of a record about to be appended */
    NOTE_ACKNOWLEDGED, /* a: sequence number, b: id of a record that is durable, as somebody was told */
    NOTE_RELEASED,     /* a: nobody needs the records up to this number any more */
};

struct trace_entry {
    uint32_t kind;
    uint32_t object;
    uint32_t directory;
    uint32_t bytes;
    uint64_t a, b;
};

/* The recorder's, found with dlsym() by those who may run without it. */
typedef void trace_note_fn(enum trace_note note, uint64_t a, uint64_t b, const char *text);
#define TRACE_NOTE_SYMBOL "power_cut_note"
/* Kills the process as it begins its next sync. */
typedef void trace_die_fn(void);
#define TRACE_DIE_SYMBOL "power_cut_die"

#endif
