/* outcome.h - what the end of a call means for its row: the error table of `protocol.md` sections 8 and 9. Pure. */
#ifndef CHATSLUICE_OUTBOX_OUTCOME_H
#define CHATSLUICE_OUTBOX_OUTCOME_H

#include "base/err.h"
#include "outbox/row.h"
#include "wire/rest.h"

enum handling {
    HANDLE_DONE,
    HANDLE_UNCONFIRMED, /* taken, but no message was named */
    HANDLE_NOT_SENT,    /* surely nothing left */
    HANDLE_UNKNOWN,     /* it may have been done */
    HANDLE_RETRY,
    HANDLE_SLOW,      /* the application's calls come too fast */
    HANDLE_ROOM_BUSY, /* the room's messages come too fast */
    HANDLE_DROPPED,   /* taken and not delivered */
    HANDLE_RENEW,     /* the signature has expired */
    HANDLE_PAUSE,     /* the application is to be quiet for a minute */
    HANDLE_STOP,      /* the application is refused as a whole: a person must act */
    HANDLE_ROOM_GONE,
    HANDLE_REFUSED,
};

/* Of an ErrorCode other than 0; *meaning is for people. Codes nobody documents are final. */
enum handling handling_of_code(int64_t code, const char **meaning);

/* How a call ended; the body is JSON from outside. */
struct call_end {
    int result; /* as of http_client_post */
    const char *why;
    bool sent;
    int http_status;
    struct span body;
};

struct outcome {
    enum handling handling;
    bool answered;             /* http_status and answer.error_code count */
    int http_status;           /* 0: none */
    struct rest_answer answer; /* of a recall error_code is that of the message */
    char reason[160];          /* for people; "" : that of the move */
};

void outcome_read(struct outcome *out, enum row_action action, const struct call_end *end);

/* The rest is for the row. */
struct settling {
    int64_t now_us; /* clock_mono_us() */
    unsigned most_tries;
    int64_t confirm_ms;
    int64_t breaker_ms; /* until the breaker lets the next call try */
    uint32_t random;
};

struct settled {
    const char *event; /* of chatsluice.outbox_move */
    int64_t due_ms;    /* when it may go out again */
    int64_t wait_ms;   /* how long a webhook is waited for */
    int64_t room_ms;   /* how long other texts of the room wait, too */
    bool room_gone;
};

/* Whether a row whose outcome is unknown may simply be called again. */
bool row_is_repeatable(const struct row *row, int64_t now_us);
/* Whether a call for it now might be a second message: it was sent before, and the platform forgets Random by then. */
bool row_is_too_late(const struct row *row, int64_t now_us);

void outcome_settle(struct settled *out, struct outcome *outcome, const struct row *row,
                    const struct settling *settling);

#endif
