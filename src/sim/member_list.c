#include "sim/member_list.h"

#include "base/json_write.h"

#include <stdlib.h>

struct member {
    struct member *next;
    int64_t until_us;
    size_t len;
    char user[];
};

static void drop(struct member_list *list, struct member **link)
{
    struct member *gone = *link;

    *link = gone->next;
    free(gone);
    list->count--;
}

void member_list_release(struct member_list *list)
{
    while (list->first)
        drop(list, &list->first);
}

static void expire(struct member_list *list, int64_t now_us)
{
    struct member **link = &list->first;

    while (*link) {
        if ((*link)->until_us <= now_us)
            drop(list, link);
        else
            link = &(*link)->next;
    }
}

/* Where the member hangs, or the end of the list. */
static struct member **find(struct member_list *list, struct span user)
{
    struct member **link = &list->first;

    while (*link && !span_equal((struct span){(*link)->user, (*link)->len}, user))
        link = &(*link)->next;
    return link;
}

bool member_list_put(struct member_list *list, struct span user, int64_t until_us, int64_t now_us)
{
    struct member **link, *m;

    expire(list, now_us);
    link = find(list, user);
    if (*link) {
        (*link)->until_us = until_us;
        return true;
    }
    if (list->count >= MEMBER_LIST_MAX || !(m = malloc(sizeof(*m) + user.len)))
        return false;
    *m = (struct member){.until_us = until_us, .len = user.len};
    if (user.len > 0)
        memcpy(m->user, user.data, user.len);
    *link = m;
    list->count++;
    return true;
}

void member_list_remove(struct member_list *list, struct span user)
{
    struct member **link = find(list, user);

    if (*link)
        drop(list, link);
}

bool member_list_has(struct member_list *list, struct span user, int64_t now_us)
{
    expire(list, now_us);
    return *find(list, user) != NULL;
}

static uint64_t until_s(const struct member *m)
{
    return m->until_us == MEMBER_FOREVER ? MEMBER_FOREVER_S : (uint64_t)((m->until_us + 999999) / 1000000);
}

size_t member_list_add(struct member_list *list, const char *until_key, size_t offset, size_t limit, int64_t now_us,
                       struct buf *out)
{
    const struct member *m;
    size_t at = 0;

    expire(list, now_us);
    for (m = list->first; m && at < offset; m = m->next)
        at++;
    for (size_t added = 0; m && added < limit; m = m->next, at++, added++) {
        if (added > 0)
            buf_add_char(out, ',');
        buf_add_char(out, '{');
        json_add_member_span(out, "Member_Account", (struct span){m->user, m->len});
        json_add_member_u64(out, until_key, until_s(m));
        buf_add_char(out, '}');
    }
    return m ? at : 0;
}
