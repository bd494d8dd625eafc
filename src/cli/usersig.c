/* usersig.c - a UserSig made with the configured secret key, or one taken apart. The key never leaves the program;
 * the one to take apart comes from standard input, as it is as good as a password until it expires. */
#include "wire/usersig.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "cli/cli.h"
#include "cli/marked_text.h"
#include "cli/times.h"

#include <inttypes.h>

enum { READ_MAX = 16 << 10 };

struct asking {
    struct cli *cli;
    const struct config *config;
    const char *admin;
    uint64_t app; /* 0: not named */
    int64_t expire_s;
    bool json;
};

static const struct config_app *app_of(const struct config *config, uint64_t sdkappid)
{
    for (size_t i = 0; i < config->app_count; i++)
        if (config->apps[i].sdkappid == sdkappid)
            return &config->apps[i];
    return NULL;
}

/* The application named, or the only one with a key; NULL, and said so. */
static const struct config_app *pick_app(const struct asking *a)
{
    const struct config_app *found = a->app ? app_of(a->config, a->app) : NULL;
    size_t with_key = 0;

    for (size_t i = 0; !a->app && i < a->config->app_count; i++)
        if (a->config->apps[i].secret_key) {
            found = &a->config->apps[i];
            with_key++;
        }
    if (a->app && !found)
        cli_fail(a->cli, "application %" PRIu64 " is not configured", a->app);
    else if (with_key > 1)
        cli_fail(a->cli, "several applications have a secret_key: name one with --app"), found = NULL;
    else if (!found || !found->secret_key)
        cli_fail(a->cli, "no secret_key is configured%s", a->app ? " for this application" : ""), found = NULL;
    return found;
}

static int make(const struct asking *a)
{
    const struct config_app *app = pick_app(a);
    const char *admin = a->admin ? a->admin : app && app->admin ? app->admin : "administrator";
    struct buf out = BUF_INIT;
    struct err err;
    int status;

    if (!app)
        return CLI_FAILED;
    if (usersig_make(&out, app->secret_key, admin, app->sdkappid, clock_wall_us() / 1000000, a->expire_s, &err) < 0) {
        buf_release(&out);
        return cli_fail(a->cli, "%s", err.text);
    }
    buf_add_char(&out, '\n');
    status = cli_print(a->cli, &out);
    buf_release(&out);
    return status;
}

/* Taking apart ---------------------------------------------------------------------------------------------------- */

enum judgement { GENUINE, NOT_KNOWN, OTHER_KEY, WITH_USERBUF };

static const char *const judgement_words[] = {
    [GENUINE] = "genuine",
    [NOT_KNOWN] = "not known: no secret_key is configured for this application",
    [OTHER_KEY] = "not made with the configured secret_key",
    [WITH_USERBUF] = "not what the REST API takes: it has a userbuf",
};

static enum judgement judge(const struct asking *a, struct span text, const struct usersig *sig, int64_t now_s)
{
    const struct config_app *app = app_of(a->config, sig->sdkappid);

    if (sig->has_userbuf)
        return WITH_USERBUF;
    if (!app || !app->secret_key)
        return NOT_KNOWN;
    switch (usersig_check(text, app->secret_key, sig->identifier, sig->sdkappid, now_s)) {
    case USERSIG_OK:
        return GENUINE;
    case USERSIG_EXPIRED: /* looked at before the digest: ask again in its time */
        return usersig_check(text, app->secret_key, sig->identifier, sig->sdkappid, sig->time_s) == USERSIG_OK
                   ? GENUINE
                   : OTHER_KEY;
    case USERSIG_MALFORMED:
    case USERSIG_WRONG_USER:
    case USERSIG_WRONG_APP:
    case USERSIG_WRONG_KEY:
        break;
    }
    return OTHER_KEY;
}

static const int64_t last_second = 253402300799; /* of the year 9999 */

/* When it runs out; false: never, as far as anybody here will know. */
static bool end_of(const struct usersig *sig, int64_t *end_s)
{
    return !__builtin_add_overflow(sig->time_s, sig->expire_s, end_s) && *end_s <= last_second;
}

static void show(struct buf *out, const struct asking *a, const struct usersig *sig, enum judgement judged,
                 int64_t now_s)
{
    char made[TIMES_TEXT], until[TIMES_TEXT];
    int64_t end_s;
    bool ends = end_of(sig, &end_s);
    bool expired = ends && now_s > end_s;

    times_text(sig->time_s >= 0 && sig->time_s <= last_second ? sig->time_s * 1000000 : 0, made);
    times_text(ends && end_s > 0 ? end_s * 1000000 : 0, until);
    if (a->json) {
        buf_add_char(out, '{');
        json_add_member_text(out, "identifier", sig->identifier);
        json_add_member_u64(out, "sdkappid", sig->sdkappid);
        json_add_member_i64(out, "time", sig->time_s);
        json_add_member_i64(out, "expire", sig->expire_s);
        json_add_member_bool(out, "expired", expired);
        json_add_member_bool(out, "genuine", judged == GENUINE);
        json_add_member_text(out, "judgement", judgement_words[judged]);
        buf_add_text(out, "}\n");
        return;
    }
    buf_add_text(out, "identifier  ");
    shown_text_add(out, span_of(sig->identifier));
    buf_addf(out,
             "\nsdkappid    %" PRIu64 "\ntime        %" PRId64 "  %s\nexpire      %" PRId64
             " s, until %s\nexpired     %s\n%s",
             sig->sdkappid, sig->time_s, made, sig->expire_s, ends ? until : "for ever", expired ? "yes" : "no",
             sig->has_userbuf ? "userbuf     yes\n" : "");
    buf_addf(out, "key         %s\n", judgement_words[judged]);
}

/* Status 1 unless it is genuine, as far as that is known, and in time. */
static int take_apart(const struct asking *a)
{
    char text[READ_MAX];
    size_t len = fread(text, 1, sizeof(text), stdin);
    int64_t now_s = clock_wall_us() / 1000000;
    struct buf out = BUF_INIT;
    enum judgement judged;
    struct usersig sig;
    int64_t end_s;
    struct err err;
    int status;

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' '))
        len--;
    if (len == sizeof(text) || usersig_decode((struct span){text, len}, &sig, &err) < 0)
        return cli_fail(a->cli, "%s", len == sizeof(text) ? "that is too long for a UserSig" : err.text);
    judged = judge(a, (struct span){text, len}, &sig, now_s);
    show(&out, a, &sig, judged, now_s);
    status = cli_print(a->cli, &out);
    buf_release(&out);
    if ((judged != GENUINE && judged != NOT_KNOWN) || (end_of(&sig, &end_s) && now_s > end_s))
        return CLI_FAILED;
    return status;
}

int cli_usersig(struct cli *cli)
{
    struct asking a = {.cli = cli};
    const char *app = NULL, *expire = "24h";
    struct config *config;
    bool decode = false;
    int64_t expire_us;
    const struct cli_option options[] = {
        {"app", CLI_TEXT, &app, "N", "the application; not needed when only one has a secret_key"},
        {"admin", CLI_TEXT, &a.admin, "NAME", "for whom; left out, the administrator that is configured"},
        {"expire", CLI_TEXT, &expire, "TIME", "how long it is good, such as 1h or 30d; left out, 24h"},
        {"decode", CLI_FLAG, &decode, NULL, "read one from standard input and show what is in it"},
        {"json", CLI_FLAG, &a.json, NULL, "with --decode: one JSON object"},
        {0}};
    int status;

    if (!cli_options(cli, options))
        return cli->status;
    if (app && !cli_number(cli, "--app", app, INT64_MAX, &a.app))
        return cli->status;
    if (!times_stretch(span_of(expire), &expire_us) || expire_us <= 0)
        return cli_usage(cli, "--expire: \"%.20s\" is no stretch of time such as 24h", expire);
    if (decode && (app || a.admin))
        return cli_usage(cli, "--decode reads application and account from the UserSig");
    if (a.json && !decode)
        return cli_usage(cli, "--json goes with --decode");
    a.expire_s = expire_us / 1000000;
    config = cli_config(cli);
    if (!config)
        return CLI_FAILED;
    a.config = config;
    status = decode ? take_apart(&a) : make(&a);
    config_free(config);
    return status;
}
