/* member_list.h - members under a sanction that ends by time: the muted and the banned of a room. In the order in which
 * they were put on it; those whose time is over are gone whenever somebody looks. Bounded by MEMBER_LIST_MAX.
 * Not locked: its owner does that. Times are clock_wall_us(). */
#ifndef CHATSLUICE_SIM_MEMBER_LIST_H
#define CHATSLUICE_SIM_MEMBER_LIST_H

#include "base/buf.h"

enum { MEMBER_LIST_MAX = 10000 };
#define MEMBER_FOREVER   INT64_MAX
#define MEMBER_FOREVER_S UINT32_MAX /* as the platform spells it, for an end or for a duration without end */

struct member;
struct member_list { /* {0} is an empty one */
    struct member *first;
    size_t count;
};

void member_list_release(struct member_list *list);

/* A member who is on it already gets the new end and keeps the place. False: the list is full, or no memory. */
bool member_list_put(struct member_list *list, struct span user, int64_t until_us, int64_t now_us);
void member_list_remove(struct member_list *list, struct span user); /* one who is not on it is fine */
bool member_list_has(struct member_list *list, struct span user, int64_t now_us);

/* Adds `{"Member_Account":"u","<until_key>":<seconds>}` for each of at most limit members from number offset on,
 * separated by commas; an end within a second is told as the next whole one. Returns the number of the first member
 * left out, 0 when there is none. */
size_t member_list_add(struct member_list *list, const char *until_key, size_t offset, size_t limit, int64_t now_us,
                       struct buf *out);

#endif
