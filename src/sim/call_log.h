/* call_log.h - how the REST API was called, for tests: per command and for all together the number of calls, the most
 * that arrived in any rolling second, and what they were answered.
 *
 * A call is counted when it arrives, whatever becomes of it: refused, faulted or carried out. Its time is taken under
 * the lock that orders the calls, so the largest count in a second is exact: the most calls whose times lie less than
 * 1,000,000 us apart, as for rolling_limit_take(). Beyond CALL_LOG_RING calls of one command in one second the count
 * stays there.
 * Threads: any. A NULL log logs nothing. */
#ifndef CHATSLUICE_SIM_CALL_LOG_H
#define CHATSLUICE_SIM_CALL_LOG_H

#include "base/buf.h"

#include <stdint.h>

enum { CALL_LOG_RING = 16384, CALL_LOG_CODES = 64 };

struct call_log;

struct call_log *call_log_new(void);      /* NULL: no memory */
void call_log_free(struct call_log *log); /* NULL is fine */

/* One call of that command, as fault_command_of() numbers them. */
void call_log_arrived(struct call_log *log, size_t command);
/* What it was answered. */
void call_log_answered(struct call_log *log, size_t command, int64_t code);
/* It got no answer with a code in it. */
void call_log_spoiled(struct call_log *log, size_t command);

/* Adds {"send_text_msg":{"calls":n,"max_in_a_second":n,"answered":{"0":n,...},"without_code":n},...,"all":{...}}:
 * commands that were called, "unknown" for paths that are none, and always "all". */
void call_log_show(struct call_log *log, struct buf *out);
/* Counts anew, rolling seconds included. */
void call_log_reset(struct call_log *log);

/* For tests of the counting itself: the call arrived at that time. Times never go back. */
void call_log_arrived_at(struct call_log *log, size_t command, int64_t now_us);

#endif
