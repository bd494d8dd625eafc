/* applications.h - the applications something is sent for, with what the sender knows of each. One thread. */
#ifndef CHATSLUICE_OUTBOX_APPLICATIONS_H
#define CHATSLUICE_OUTBOX_APPLICATIONS_H

#include "base/config.h"
#include "outbox/breaker.h"
#include "outbox/pacer.h"
#include "outbox/row.h"
#include "outbox/signatures.h"
#include "wire/marker.h"

/* What is claimed separately: an action, of texts by one transport. */
struct lane {
    enum row_action action;
    enum rest_command command;
};
enum { LANES = 7 };
extern const struct lane lanes[LANES];

/* The rate of one REST command. */
struct budget {
    struct pacer pacer;
    unsigned ready;    /* claimed calls that are still to begin */
    int64_t renew_us;  /* when its lease is to be renewed */
    int64_t wanted_us; /* when there was something to do last; 0: never */
    bool slow;         /* the platform says so: to be told to the database */
};

struct application {
    struct application *next;
    uint64_t sdkappid;
    char *url; /* "https://host" */
    char *admin;
    char *secret_key;
    uint8_t marker_key[MARKER_KEY];
    bool gone;        /* not configured any more: only calls under way still need it */
    bool unreachable; /* said already */
    struct signature signature;
    struct breaker breaker;
    struct budget budgets[REST_COMMANDS];
    bool due[LANES];
    unsigned ready, under_way; /* calls */
};

/* Those of config with a secret_key, as a list to be freed with applications_free; NULL and *err when memory is out. An
 * empty list is NULL, too: then err->code is 0. */
struct application *applications_of(const struct config *config, struct err *err);
/* Takes over keys and addresses from wanted, which it consumes; what is known of those that stay is kept, those that
 * are left out are marked gone. */
void applications_update(struct application **list, struct application *wanted);
void applications_free(struct application *list); /* wipes secrets; NULL is fine */
struct application *applications_find(struct application *list, uint64_t sdkappid);

#endif
