#include "outbox/applications.h"

#include "base/rest_hosts.h"

#include <stdlib.h>

const struct lane lanes[LANES] = {
    {ACTION_SEND_TEXT, REST_SEND_TEXT_MSG}, {ACTION_SEND_TEXT, REST_SEND_GROUP_MSG}, {ACTION_MUTE, REST_MUTE_MEMBER},
    {ACTION_UNMUTE, REST_MUTE_MEMBER},      {ACTION_BAN, REST_BAN_MEMBER},           {ACTION_UNBAN, REST_UNBAN_MEMBER},
    {ACTION_RECALL, REST_GROUP_MSG_RECALL},
};

static void wipe_text(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void application_free(struct application *app)
{
    free(app->url);
    free(app->admin);
    wipe_text(app->secret_key);
    explicit_bzero(app->marker_key, sizeof(app->marker_key));
    signature_release(&app->signature);
    free(app);
}

void applications_free(struct application *list)
{
    while (list) {
        struct application *next = list->next;
        application_free(list);
        list = next;
    }
}

static struct application *application_new(const struct config_app *configured)
{
    struct application *app = calloc(1, sizeof(*app));
    struct buf url = BUF_INIT;

    if (!app)
        return NULL;
    rest_hosts_url(&url, configured->rest_api);
    app->sdkappid = configured->sdkappid;
    app->url = buf_failed(&url) ? NULL : strdup(buf_text(&url));
    app->admin = strdup(configured->admin ? configured->admin : "administrator");
    app->secret_key = strdup(configured->secret_key);
    app->breaker = BREAKER_INIT;
    buf_release(&url);
    if (!app->url || !app->admin || !app->secret_key) {
        application_free(app);
        return NULL;
    }
    marker_key(app->marker_key, app->secret_key);
    return app;
}

struct application *applications_of(const struct config *config, struct err *err)
{
    struct application *list = NULL;

    *err = (struct err){0};
    for (size_t i = 0; i < config->app_count; i++) {
        if (!config->apps[i].secret_key)
            continue;
        struct application *app = application_new(&config->apps[i]);
        if (!app) {
            applications_free(list);
            err_set(err, ERR_FAILED, "could not take over the applications: out of memory");
            return NULL;
        }
        app->next = list;
        list = app;
    }
    return list;
}

struct application *applications_find(struct application *list, uint64_t sdkappid)
{
    while (list && list->sdkappid != sdkappid)
        list = list->next;
    return list;
}

static void swap_text(char **a, char **b)
{
    char *kept = *a;

    *a = *b;
    *b = kept;
}

/* What an operator changes may be what the breaker waits for. */
static void application_update(struct application *app, struct application *wanted)
{
    const bool changed = app->gone || strcmp(app->url, wanted->url) != 0 || strcmp(app->admin, wanted->admin) != 0 ||
                         strcmp(app->secret_key, wanted->secret_key) != 0;

    app->gone = false;
    if (!changed)
        return;
    swap_text(&app->url, &wanted->url);
    swap_text(&app->admin, &wanted->admin);
    swap_text(&app->secret_key, &wanted->secret_key);
    memcpy(app->marker_key, wanted->marker_key, sizeof(app->marker_key));
    signature_forget(&app->signature);
    app->breaker = BREAKER_INIT;
}

void applications_update(struct application **list, struct application *wanted)
{
    for (struct application *app = *list; app; app = app->next)
        if (!applications_find(wanted, app->sdkappid))
            app->gone = true;
    while (wanted) {
        struct application *next = wanted->next;
        struct application *app = applications_find(*list, wanted->sdkappid);
        if (app) {
            application_update(app, wanted);
            application_free(wanted);
        } else {
            wanted->next = *list;
            *list = wanted;
        }
        wanted = next;
    }
}
