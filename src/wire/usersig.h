/* usersig.h - UserSig, HMAC scheme 2.0 (`protocol.md` section 8): made for our REST calls, checked by chatsim. */
#ifndef CHATSLUICE_WIRE_USERSIG_H
#define CHATSLUICE_WIRE_USERSIG_H

#include "base/buf.h"
#include "base/err.h"

struct usersig {
    char identifier[33];
    uint64_t sdkappid;
    int64_t time_s;
    int64_t expire_s; /* a duration */
    char sig[64];     /* TLS.sig as sent: Base64 */
    bool has_userbuf;
};

enum usersig_result {
    USERSIG_OK,
    USERSIG_MALFORMED,
    USERSIG_EXPIRED,
    USERSIG_WRONG_USER,
    USERSIG_WRONG_APP,
    USERSIG_WRONG_KEY
};

/* Adds the signature to out. ERR_USAGE for an identifier that is not 1..32 of letters, digits, '_' and '-'. */
int usersig_make(struct buf *out, const char *secret, const char *identifier, uint64_t sdkappid, int64_t time_s,
                 int64_t expire_s, struct err *err);

/* Decodes without checking the digest; input as in the URL, percent-decoded. ERR_INVALID names what is wrong. Never
 * inflates more than 4 KiB. */
int usersig_decode(struct span text, struct usersig *out, struct err *err);

/* The vendor's verifier: app and user equal, now <= time + expire, no stray userbuf, HMAC equal (constant time). */
enum usersig_result usersig_check(struct span text, const char *secret, const char *identifier, uint64_t sdkappid,
                                  int64_t now_s);

#endif
