/* rest_hosts.h - where the platform's REST API is served: its regions by name (`protocol.md` section 8). Here because
 * the configuration checks the names. Pure. */
#ifndef CHATSLUICE_BASE_REST_HOSTS_H
#define CHATSLUICE_BASE_REST_HOSTS_H

#include "base/buf.h"
#include "base/err.h"

/* Whether rest_api is the name of a region, or a URL of a host alone: https, or http of a loopback address. ERR_USAGE
 * says what would be right, without repeating a URL that may hold a password. */
int rest_hosts_check(const char *rest_api, struct err *err);
/* Adds "https://host" without a final slash. rest_api has been checked. */
void rest_hosts_url(struct buf *out, const char *rest_api);

#endif
