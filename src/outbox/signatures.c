#include "outbox/signatures.h"

#include "wire/usersig.h"

/* A little behind is the clock's correction, not worth a new signature. */
enum { SET_BACK_S = 60 };

static void wipe(struct signature *s)
{
    if (s->text.data)
        explicit_bzero(s->text.data, s->text.cap);
    buf_reset(&s->text);
}

int signature_get(struct signature *s, const char *secret, const char *identifier, uint64_t sdkappid, int64_t now_s,
                  const char **out, struct err *err)
{
    int r = 0;

    if (s->text.len == 0 || now_s - s->made_s > SIGNATURE_RENEW_S || s->made_s - now_s > SET_BACK_S) {
        wipe(s);
        r = usersig_make(&s->text, secret, identifier, sdkappid, now_s, SIGNATURE_LIFE_S, err);
        if (r == 0 && buf_failed(&s->text))
            r = err_set(err, ERR_FAILED, "could not make a UserSig: out of memory");
        if (r < 0) {
            wipe(s);
            return r;
        }
        s->made_s = now_s;
        s->number++;
    }
    *out = buf_text(&s->text);
    return 0;
}

bool signature_expired(struct signature *s, unsigned number)
{
    if (number != s->number || s->text.len == 0)
        return true; /* another call has said so before */
    const bool again = s->after_expiry;
    wipe(s);
    s->after_expiry = true;
    return !again;
}

void signature_worked(struct signature *s, unsigned number)
{
    if (number == s->number)
        s->after_expiry = false;
}

void signature_forget(struct signature *s)
{
    wipe(s);
    s->after_expiry = false;
}

void signature_release(struct signature *s)
{
    wipe(s);
    buf_release(&s->text);
}
