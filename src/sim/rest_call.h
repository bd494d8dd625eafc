/* rest_call.h - one call of the REST API on its way, and how a command reads its request and says its answer. Private
 * to the rest_*.c files; what they serve, and what was chosen where the documents are silent, is told in rest_api.h.
 *
 * A call belongs to the thread that serves it. What is read from it lives as long as the call does. */
#ifndef CHATSLUICE_SIM_REST_CALL_H
#define CHATSLUICE_SIM_REST_CALL_H

#include "base/err.h"
#include "sim/rest_api.h"
#include "wire/json_read.h"

enum { ROOM_USER_MAX = 128 };

/* The two families of commands differ in their envelope and in their codes. */
enum rest_service { REST_LIVE, REST_CHAT };

struct rest_config;

struct rest_call {
    const struct rest_api_options *options;
    struct platform *platform;
    struct rooms *rooms;
    struct rest_config *config;
    const struct http_request *request;
    struct span body;       /* JSON that passed the gate */
    struct json_value root; /* the same, an object */
    struct buf *strings;    /* scratch; holds what was read */
    enum rest_service service;
    bool over_limit; /* a fault wants the message dropped as one too many for the room */
    int64_t code;
    char info[sizeof(((struct err *)NULL)->text)];
    struct buf result; /* members: under "Response" for Live, at top level for Chat */
};

/* False, so that a reader can return it. */
bool rest_fail(struct rest_call *call, int64_t code, const char *info);
/* The same with the service's code for a wrong parameter: 100002 or 10004. */
bool rest_invalid(struct rest_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool rest_internal(struct rest_call *call); /* 100001 or 10002 */
bool rest_no_room(struct rest_call *call);  /* 100004 or 10010 */

/* Readers: false when the call has failed. Each member may be read once; wanted says what becomes of an absent or null
 * one. A string comes with U+0000 as U+FFFD, has at most max bytes and, when it is needed, at least one. */
enum rest_wanted { REST_OPTIONAL, REST_NEEDED };
bool rest_text(struct rest_call *call, struct json_value object, const char *key, enum rest_wanted wanted, size_t max,
               struct span *out); /* absent: data is NULL */
/* An account id: ROOM_USER_MAX bytes at most; 60015 when it is no string. */
bool rest_account(struct rest_call *call, struct json_value object, const char *key, enum rest_wanted wanted,
                  struct span *out);
/* An array of 1 to max account ids, into out; returns through *count. */
bool rest_accounts(struct rest_call *call, const char *key, size_t max, struct span *out, size_t *count);
/* A whole number from min to max, written as one; an absent one leaves *out as it is. */
bool rest_number(struct rest_call *call, struct json_value object, const char *key, enum rest_wanted wanted,
                 int64_t min, int64_t max, int64_t *out);
bool rest_flag(struct rest_call *call, struct json_value object, const char *key, enum rest_wanted wanted, bool *out);
/* An optional array of words, each of which must be known; *has becomes true for one that is there. */
struct rest_word {
    const char *word;
    bool *has; /* NULL: it changes nothing here */
};
bool rest_words(struct rest_call *call, const char *key, const struct rest_word *known, size_t count);

/* RoomId or GroupId, by service; GroupId of a length no group has is 10015. */
bool rest_room_id(struct rest_call *call, struct json_value object, struct span *out);
/* Whether there is such a room and, for Live, it is of type Live (100006). */
bool rest_room_there(struct rest_call *call, struct span room);
/* Both for the room the request names. */
bool rest_room(struct rest_call *call, struct span *out);

/* The commands, by story ------------------------------------------------------------------------------------------ */

/* rest_query.c: the checks before a command runs, of the URL alone. */
bool rest_check_query(struct rest_call *call);

/* rest_messages.c */
void rest_send_text_msg(struct rest_call *call);
void rest_send_custom_msg(struct rest_call *call);
void rest_send_group_msg(struct rest_call *call);
void rest_group_msg_recall(struct rest_call *call);

/* rest_members.c */
void rest_mute_member(struct rest_call *call);
void rest_get_muted_member_list(struct rest_call *call);
void rest_ban_member(struct rest_call *call);
void rest_unban_member(struct rest_call *call);
void rest_get_banned_member_list(struct rest_call *call);
void rest_forbid_send_msg(struct rest_call *call);

/* rest_rooms.c */
void rest_create_room(struct rest_call *call);
void rest_destroy_room(struct rest_call *call);
void rest_get_room_info(struct rest_call *call);
void rest_update_room_info(struct rest_call *call);

/* rest_config.c: its state outlives the calls and has a lock of its own. */
struct rest_config *rest_config_new(void); /* NULL: no memory */
void rest_config_free(struct rest_config *config);
void rest_set_callback(struct rest_call *call);
void rest_get_callback(struct rest_call *call);
void rest_set_callback_token(struct rest_call *call);
void rest_get_callback_token(struct rest_call *call);

#endif
