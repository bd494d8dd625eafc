/* usersig_tool - makes and checks UserSigs on the command line, for usersig_vendor.mjs. The secret comes from the
 * environment variable USERSIG_SECRET.
 *
 *     usersig_tool make IDENTIFIER SDKAPPID TIME EXPIRE      prints the signature
 *     usersig_tool check IDENTIFIER SDKAPPID NOW SIGNATURE   prints ok, malformed, expired, wrong-user, wrong-app,
 * wrong-key usersig_tool decode SIGNATURE                          prints its fields, one a line */
#include "base/span.h"
#include "wire/usersig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int usage(void)
{
    fprintf(stderr, "usage: usersig_tool make IDENTIFIER SDKAPPID TIME EXPIRE\n"
                    "       usersig_tool check IDENTIFIER SDKAPPID NOW SIGNATURE\n"
                    "       usersig_tool decode SIGNATURE\n");
    return 2;
}

static bool number_of(const char *text, int64_t *out)
{
    unsigned long long n;

    if (!span_to_u64(span_of(text), &n) || n > INT64_MAX)
        return false;
    *out = (int64_t)n;
    return true;
}

static int make(const char *secret, const char *identifier, uint64_t sdkappid, int64_t time_s, int64_t expire_s)
{
    struct buf out = BUF_INIT;
    struct err err = {0};
    int r = usersig_make(&out, secret, identifier, sdkappid, time_s, expire_s, &err);

    if (r == 0)
        printf("%s\n", out.data);
    else
        fprintf(stderr, "usersig_tool: %s\n", err.text);
    buf_release(&out);
    return r == 0 ? 0 : 1;
}

static int check(const char *secret, const char *identifier, uint64_t sdkappid, int64_t now_s, const char *signature)
{
    static const char *const words[] = {
        [USERSIG_OK] = "ok",
        [USERSIG_MALFORMED] = "malformed",
        [USERSIG_EXPIRED] = "expired",
        [USERSIG_WRONG_USER] = "wrong-user",
        [USERSIG_WRONG_APP] = "wrong-app",
        [USERSIG_WRONG_KEY] = "wrong-key",
    };

    printf("%s\n", words[usersig_check(span_of(signature), secret, identifier, sdkappid, now_s)]);
    return 0;
}

static int decode(const char *signature)
{
    struct usersig s;
    struct err err = {0};

    if (usersig_decode(span_of(signature), &s, &err) < 0) {
        fprintf(stderr, "usersig_tool: %s\n", err.text);
        return 1;
    }
    printf("identifier=%s\nsdkappid=%" PRIu64 "\ntime=%" PRId64 "\nexpire=%" PRId64 "\nsig=%s\n", s.identifier,
           s.sdkappid, s.time_s, s.expire_s, s.sig);
    return 0;
}

int main(int argc, char **argv)
{
    const char *secret = getenv("USERSIG_SECRET");
    int64_t sdkappid, time_s, expire_s;

    if (argc == 3 && strcmp(argv[1], "decode") == 0)
        return decode(argv[2]);
    if (argc != 6 || !secret || !number_of(argv[3], &sdkappid) || !number_of(argv[4], &time_s))
        return usage();
    if (strcmp(argv[1], "check") == 0)
        return check(secret, argv[2], (uint64_t)sdkappid, time_s, argv[5]);
    if (strcmp(argv[1], "make") == 0 && number_of(argv[5], &expire_s))
        return make(secret, argv[2], (uint64_t)sdkappid, time_s, expire_s);
    return usage();
}
