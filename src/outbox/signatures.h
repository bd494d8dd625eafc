/* signatures.h - the UserSig of one application: made when first needed, kept, renewed well before it expires and when
 * the platform says it has. One thread. */
#ifndef CHATSLUICE_OUTBOX_SIGNATURES_H
#define CHATSLUICE_OUTBOX_SIGNATURES_H

#include "base/buf.h"
#include "base/err.h"

enum { SIGNATURE_LIFE_S = 24 * 3600, SIGNATURE_RENEW_S = SIGNATURE_LIFE_S / 2 };

struct signature {
    struct buf text; /* secret; "" : none */
    int64_t made_s;
    unsigned number;   /* counts them: a call remembers which it was made with */
    bool after_expiry; /* it replaces one that was said to have expired, and has not been seen to work */
};

/* *out is borrowed until the next call. now_s: Unix time; a clock that was set back makes a new one, too. */
int signature_get(struct signature *s, const char *secret, const char *identifier, uint64_t sdkappid, int64_t now_s,
                  const char **out, struct err *err);
/* The platform says that this one has expired. True: the next will be a new one, it is worth another call. False: it
 * was made in place of an expired one, so it is not the signature that is wrong but a clock. */
bool signature_expired(struct signature *s, unsigned number);
void signature_worked(struct signature *s, unsigned number);
void signature_forget(struct signature *s); /* the secret or the identifier has changed */
void signature_release(struct signature *s);

#endif
