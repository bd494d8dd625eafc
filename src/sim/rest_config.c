/* rest_config.c - the Live engine's configuration of webhooks (`protocol.md` section 6): where its own ones go and
 * which, and the token that signs. */
#include "sim/rest_call.h"

#include "base/json_write.h"
#include "wire/gate.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    URL_MAX = 1024,
    TOKEN_MAX = 128,
    COMMANDS_MAX = 100,
    COMMAND_WORD_MAX = 128,
    NOT_SET = 100302,
    SET_BEFORE = 100300
};
_Static_assert((int)TOKEN_MAX <= (int)FIRE_TOKEN_MAX, "a token that can be set can sign");

struct rest_config {
    pthread_mutex_t lock; /* guards the rest */
    struct buf url;       /* empty: no callback was set */
    struct buf commands;  /* the JSON array, as sent */
    struct buf token;     /* empty: none was set */
    bool token_enabled;
};

struct rest_config *rest_config_new(void)
{
    struct rest_config *config = calloc(1, sizeof(*config));

    if (config)
        pthread_mutex_init(&config->lock, NULL);
    return config;
}

void rest_config_free(struct rest_config *config)
{
    if (!config)
        return;
    buf_release(&config->url);
    buf_release(&config->commands);
    buf_release(&config->token);
    pthread_mutex_destroy(&config->lock);
    free(config);
}

static bool replace(struct buf *to, struct span with)
{
    buf_reset(to);
    buf_add_span(to, with);
    return !buf_failed(to);
}

/* The callback ----------------------------------------------------------------------------------------------------- */

static bool url_is_good(struct span url)
{
    size_t scheme = 0;

    if (url.len > 7 && memcmp(url.data, "http://", 7) == 0)
        scheme = 7;
    else if (url.len > 8 && memcmp(url.data, "https://", 8) == 0)
        scheme = 8;
    for (size_t i = 0; i < url.len; i++) {
        if ((unsigned char)url.data[i] <= ' ' || strchr("!$&?", url.data[i]))
            return false;
    }
    return scheme > 0;
}

static bool commands_read(struct rest_call *call, struct span *out)
{
    const struct json_value list = json_member(call->root, "CallbackCommandList");
    const size_t count = json_count(list);

    if (count == 0 || count > COMMANDS_MAX)
        return rest_invalid(call, "CallbackCommandList is not an array of 1 to %d commands", COMMANDS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct span word = json_string(json_item(list, i));
        if (word.len == 0 || word.len > COMMAND_WORD_MAX)
            return rest_invalid(call, "CallbackCommandList holds something that is no command");
    }
    return gate_member(call->body, "CallbackCommandList", out);
}

void rest_set_callback(struct rest_call *call)
{
    struct rest_config *config = call->config;
    struct span url, commands;

    if (!rest_text(call, call->root, "Url", REST_NEEDED, URL_MAX, &url) || !commands_read(call, &commands))
        return;
    if (!url_is_good(url)) {
        rest_invalid(call, "Url does not begin with http:// or https://, or holds a blank or one of ! $ & ?");
        return;
    }
    pthread_mutex_lock(&config->lock);
    if (call->options->callback_once && config->url.len > 0)
        rest_fail(call, SET_BEFORE, "there is a callback configuration already");
    else if (!replace(&config->url, url) || !replace(&config->commands, commands))
        rest_internal(call);
    pthread_mutex_unlock(&config->lock);
}

void rest_get_callback(struct rest_call *call)
{
    struct rest_config *config = call->config;

    pthread_mutex_lock(&config->lock);
    if (config->url.len == 0) {
        rest_fail(call, NOT_SET, "there is no callback configuration");
    } else {
        json_add_member_span(&call->result, "Url", buf_span(&config->url));
        json_add_key(&call->result, "CallbackCommandList");
        buf_add_span(&call->result, buf_span(&config->commands));
    }
    pthread_mutex_unlock(&config->lock);
}

/* The token -------------------------------------------------------------------------------------------------------- */

static void token_set(struct rest_call *call, struct span token, bool enable)
{
    struct rest_config *config = call->config;

    if (token.data && !replace(&config->token, token)) {
        rest_internal(call);
        return;
    }
    config->token_enabled = enable;
    platform_sign_with(call->platform, enable ? buf_text(&config->token) : NULL);
}

void rest_set_callback_token(struct rest_call *call)
{
    struct rest_config *config = call->config;
    bool given = false, enable = false;
    struct span token;

    if (!rest_text(call, call->root, "Token", REST_OPTIONAL, TOKEN_MAX, &token) ||
        !rest_flag(call, call->root, "IsTokenEnable", REST_OPTIONAL, &enable))
        return;
    given = json_member(call->root, "IsTokenEnable").kind == JSON_BOOLEAN;
    if (token.data && token.len == 0) {
        rest_invalid(call, "Token has 1 to %d bytes", TOKEN_MAX);
        return;
    }
    pthread_mutex_lock(&config->lock);
    if (config->token.len == 0 && !(token.data && given))
        rest_invalid(call, "Token and IsTokenEnable are both needed the first time");
    else
        token_set(call, token, given ? enable : config->token_enabled);
    pthread_mutex_unlock(&config->lock);
}

void rest_get_callback_token(struct rest_call *call)
{
    struct rest_config *config = call->config;

    pthread_mutex_lock(&config->lock);
    if (config->token.len == 0) {
        rest_fail(call, NOT_SET, "no token was set");
    } else {
        json_add_member_span(&call->result, "Token", buf_span(&config->token));
        json_add_member_bool(&call->result, "IsTokenEnable", config->token_enabled);
    }
    pthread_mutex_unlock(&config->lock);
}
