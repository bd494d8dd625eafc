/* evidence.h - what the database keeps for people who ask why: an event, and how often each term has hit. Reads only.
 */
#ifndef CHATSLUICE_STORE_EVIDENCE_H
#define CHATSLUICE_STORE_EVIDENCE_H

#include "store/db.h"

/* One stored webhook. Spans are borrowed from `rows`; data NULL where the column is null. */
struct evidence {
    struct db_result *rows; /* frees everything */
    struct span event_id, event_time, group_id, command, group_type, from_account, platform, text;
    struct span verdict, decided_by, rule, hits, rewritten, follow_ups, fault, correction_id, marker;
    struct span measured; /* the words of the hits that have no range, a line each: "rate 12 in 10s by sender" */
    unsigned long long sdkappid, revision, judge_us, msg_seq; /* 0: null */
    long long error_code;
    struct buf raw; /* the body, byte for byte */
};

/* Which event: by its id, which is found sooner when the room is named too; else in a room by MsgSeq, which means the
 * Before webhook of that message if there was one, or as the newest Before webhook of a sender. */
struct evidence_key {
    const char *event_id; /* UUID; NULL: by room */
    const char *group, *seq, *sender;
};

/* ERR_NOT_FOUND when there is none. When several messages have the same MsgSeq (applications may share a room's name),
 * the newest. */
int evidence_find(struct evidence *out, struct db *db, const struct evidence_key *key, struct err *err);
void evidence_release(struct evidence *e);

/* What the sender of a Before message had said in the room just before, as the instance that judged it knew it
 * (rules/history.h): the oldest first, each ended by U+001F. Added to out; nothing when there was nothing. */
int evidence_earlier(struct db *db, const struct evidence *e, struct buf *out, struct err *err);

/* Whether hits, as verdict_hits_json writes them, say the same as those recorded: what was hit where, and whether it
 * counted. What later versions add to a hit makes no difference. */
int evidence_same_hits(struct db *db, const struct evidence *e, struct span hits, bool *same, struct err *err);

/* Hits of every term and expression in events of the last `seconds`: rows of rule, list (null: an expression), term,
 * hits; what allow rules covered counts too. */
int evidence_term_hits(struct db *db, struct db_result **out, int64_t seconds, struct err *err);

#endif
