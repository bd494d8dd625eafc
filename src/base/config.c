#include "base/config.h"

#include "base/config_settings.h"
#include "base/rest_hosts.h"
#include "base/yaml.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG_MAX_FILE = 1024 * 1024, SECRET_MAX_FILE = 16 * 1024, NAME_MAX_BYTES = 80 };

#define ENVIRONMENT_PREFIX "CHATSLUICE_"

/* Where the value of a setting comes from; the later one in this list wins. */
enum level { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT };

struct origin {
    enum level level;
    unsigned line, column;
    const char *secret_file; /* read at the end, when it is known that nothing overrides it */
};

struct loading {
    struct config *config;
    const char *path; /* names the file in faults */
    struct faults *faults;
    struct origin settings[CONFIG_SETTINGS];
    struct origin apps[CONFIG_MAX_APPS][CONFIG_APP_SETTINGS];
    struct origin app_items[CONFIG_MAX_APPS]; /* the whole entry */
    bool apps_unreadable;                     /* said already: no second fault for their absence */
};

/* One value of the configuration: which setting, in which struct, and whence. */
struct slot {
    const struct config_setting *setting;
    void *base;
    struct origin *origin;
    size_t app; /* from 1; 0: not of an application */
};

static struct slot setting_slot(struct loading *l, size_t i)
{
    return (struct slot){&config_settings[i], l->config, &l->settings[i], 0};
}

static struct slot app_slot(struct loading *l, size_t app, size_t i)
{
    return (struct slot){&config_app_settings[i], &l->config->apps[app], &l->apps[app][i], app + 1};
}

/* Faults ---------------------------------------------------------------------------------------------------------- */

/* "CHATSLUICE_WEBHOOK_LISTEN"; suffix "_FILE" or "". */
static void environment_name(char out[NAME_MAX_BYTES], const struct config_setting *s, size_t app, const char *suffix)
{
    if (app > 0)
        snprintf(out, NAME_MAX_BYTES, ENVIRONMENT_PREFIX "%s_%zu_%s%s", s->section, app, s->key, suffix);
    else
        snprintf(out, NAME_MAX_BYTES, ENVIRONMENT_PREFIX "%s_%s%s", s->section, s->key, suffix);
    for (char *c = out; *c; c++)
        *c = (char)toupper((unsigned char)*c);
}

static void slot_name(char out[NAME_MAX_BYTES], const struct slot *slot)
{
    const struct config_setting *s = slot->setting;

    if (slot->origin->level == FROM_ENVIRONMENT)
        environment_name(out, s, slot->app, slot->origin->secret_file ? "_FILE" : "");
    else if (slot->app > 0)
        snprintf(out, NAME_MAX_BYTES, "%s[%zu].%s%s", s->section, slot->app, s->key,
                 slot->origin->secret_file ? "_file" : "");
    else
        snprintf(out, NAME_MAX_BYTES, "%s.%s%s", s->section, s->key, slot->origin->secret_file ? "_file" : "");
}

static const char *slot_source(const struct loading *l, const struct slot *slot)
{
    return slot->origin->level == FROM_ENVIRONMENT ? "environment" : l->path;
}

static void slot_fault(struct loading *l, const struct slot *slot, const char *words)
{
    char name[NAME_MAX_BYTES];

    slot_name(name, slot);
    faults_add(l->faults, slot_source(l, slot), slot->origin->line, slot->origin->column, "%s: %s", name, words);
}

static void slot_warning(struct loading *l, const struct slot *slot, const char *words)
{
    char name[NAME_MAX_BYTES];

    slot_name(name, slot);
    faults_warn(l->faults, slot_source(l, slot), slot->origin->line, slot->origin->column, "%s: %s", name, words);
}

/* An error of the YAML reader names its place in its text: "path:line:column: what". */
static void fault_of_reader(struct loading *l, const struct err *err)
{
    size_t path_len = strlen(l->path);
    unsigned line, column;
    int skipped = 0;

    if (strncmp(err->text, l->path, path_len) == 0 &&
        sscanf(err->text + path_len, ":%u:%u: %n", &line, &column, &skipped) == 2 && skipped > 0)
        faults_add(l->faults, l->path, line, column, "%s", err->text + path_len + skipped);
    else
        faults_add(l->faults, l->path, 0, 0, "%s", err->text);
}

/* The file -------------------------------------------------------------------------------------------------------- */

static bool is_null(const struct yaml_node *value)
{
    return value->kind == YAML_SCALAR && !value->quoted &&
           (value->text.len == 0 || span_is(value->text, "~") || span_is(value->text, "null"));
}

/* key is the setting's, or with is_file its `_file` form. */
static void read_value(struct loading *l, struct slot slot, bool is_file, const struct yaml_node *key,
                       const struct yaml_node *value)
{
    struct origin *origin = slot.origin;
    bool again = origin->level == FROM_FILE;
    struct err err;

    *origin = (struct origin){.level = FROM_FILE, .line = key->line, .column = key->column};
    if (again) {
        slot_fault(l, &slot, "both this key and its _file form are given; keep one of them");
        return;
    }
    origin->line = value->line;
    origin->column = value->column;
    if (value->kind != YAML_SCALAR) {
        slot_fault(l, &slot, "one value is wanted here, not a list or a map");
    } else if (is_null(value)) {
        if (slot.setting->initial || slot.app > 0)
            slot_fault(l, &slot, "it has no value; write one or remove the key");
        else
            origin->level = FROM_DEFAULT;
    } else if (is_file) {
        origin->secret_file = value->text.data;
    } else if (setting_set(slot.setting, slot.base, value->text.data, &err) < 0) {
        slot_fault(l, &slot, err.text);
    }
}

/* True when key is the setting's key, or its `_file` form. */
static bool key_matches(const struct config_setting *s, struct span key, bool *is_file)
{
    size_t len = strlen(s->key);

    *is_file = s->secret && key.len == len + strlen("_file") && memcmp(key.data + len, "_file", 5) == 0;
    return (key.len == len || *is_file) && memcmp(key.data, s->key, len) == 0;
}

static void unknown_key(struct loading *l, const struct yaml_node *key, const char *where, const char *const *known,
                        size_t count)
{
    const char *near = faults_suggest(key->text.data, known, count);

    if (near)
        faults_add(l->faults, l->path, key->line, key->column, "key \"%.64s\" is not known%s; did you mean \"%s\"?",
                   key->text.data, where, near);
    else
        faults_add(l->faults, l->path, key->line, key->column,
                   "key \"%.64s\" is not known%s; `chatsluice check --defaults` prints all there are", key->text.data,
                   where);
}

static void read_section(struct loading *l, const char *section, const struct yaml_node *map)
{
    const char *known[CONFIG_SETTINGS];
    size_t count = 0;
    char where[NAME_MAX_BYTES];

    if (map->kind != YAML_MAP) {
        if (!is_null(map))
            faults_add(l->faults, l->path, map->line, map->column, "\"%s\" must hold keys; write them below, indented",
                       section);
        return;
    }
    for (size_t i = 0; i < CONFIG_SETTINGS; i++)
        if (strcmp(config_settings[i].section, section) == 0)
            known[count++] = config_settings[i].key;
    snprintf(where, sizeof(where), " in \"%s\"", section);
    for (size_t k = 0; k < map->count; k++) {
        bool is_file = false;
        size_t i = 0;
        while (i < CONFIG_SETTINGS && !(strcmp(config_settings[i].section, section) == 0 &&
                                        key_matches(&config_settings[i], map->keys[k]->text, &is_file)))
            i++;
        if (i < CONFIG_SETTINGS)
            read_value(l, setting_slot(l, i), is_file, map->keys[k], map->items[k]);
        else
            unknown_key(l, map->keys[k], where, known, count);
    }
}

static void read_app(struct loading *l, size_t app, const struct yaml_node *map)
{
    const char *known[CONFIG_APP_SETTINGS];

    l->app_items[app] = (struct origin){.level = FROM_FILE, .line = map->line, .column = map->column};
    if (map->kind != YAML_MAP) {
        faults_add(l->faults, l->path, map->line, map->column,
                   "an application is a map; write \"- sdkappid: 1400000001\" and its token below");
        for (size_t i = 0; i < CONFIG_APP_SETTINGS; i++) /* not missing: unreadable, which was said */
            l->apps[app][i].level = FROM_FILE;
        return;
    }
    for (size_t i = 0; i < CONFIG_APP_SETTINGS; i++)
        known[i] = config_app_settings[i].key;
    for (size_t k = 0; k < map->count; k++) {
        bool is_file = false;
        size_t i = 0;
        while (i < CONFIG_APP_SETTINGS && !key_matches(&config_app_settings[i], map->keys[k]->text, &is_file))
            i++;
        if (i < CONFIG_APP_SETTINGS)
            read_value(l, app_slot(l, app, i), is_file, map->keys[k], map->items[k]);
        else
            unknown_key(l, map->keys[k], " in an application", known, CONFIG_APP_SETTINGS);
    }
}

static void read_apps(struct loading *l, const struct yaml_node *list)
{
    if (is_null(list))
        return;
    if (list->kind != YAML_LIST) {
        l->apps_unreadable = true;
        faults_add(l->faults, l->path, list->line, list->column,
                   "\"apps\" is a list; begin each application with \"- sdkappid:\"");
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (i == CONFIG_MAX_APPS) {
            faults_add(l->faults, l->path, list->items[i]->line, list->items[i]->column,
                       "at most %d applications are possible", CONFIG_MAX_APPS);
            return;
        }
        l->config->app_count = i + 1;
        read_app(l, i, list->items[i]);
    }
}

static bool is_section(const char *name)
{
    for (size_t i = 0; i < CONFIG_SETTINGS; i++)
        if (strcmp(config_settings[i].section, name) == 0)
            return true;
    return false;
}

static void read_root(struct loading *l, const struct yaml_node *root)
{
    const char *known[CONFIG_SETTINGS + 1] = {"apps"};
    size_t count = 1;

    if (!root || is_null(root))
        return;
    if (root->kind != YAML_MAP) {
        l->apps_unreadable = true;
        faults_add(l->faults, l->path, root->line, root->column,
                   "the configuration is a map of sections; begin with \"webhook:\"");
        return;
    }
    for (size_t i = 0; i < CONFIG_SETTINGS; i++)
        if (i == 0 || strcmp(config_settings[i].section, config_settings[i - 1].section) != 0)
            known[count++] = config_settings[i].section;
    for (size_t k = 0; k < root->count; k++) {
        const char *name = root->keys[k]->text.data;
        if (strcmp(name, "apps") == 0)
            read_apps(l, root->items[k]);
        else if (is_section(name))
            read_section(l, name, root->items[k]);
        else
            unknown_key(l, root->keys[k], "", known, count);
    }
}

/* The environment ------------------------------------------------------------------------------------------------- */

/* Variables with our prefix that are no settings: of the tests, the benchmark and scripts/postgres. */
static const char *const foreign_prefixes[] = {"CHATSLUICE_TEST_", "CHATSLUICE_BENCH_", "CHATSLUICE_POSTGRES_"};

static void environment_value(struct loading *l, struct slot slot, bool is_file, const char *value)
{
    struct origin *origin = slot.origin;
    bool again = origin->level == FROM_ENVIRONMENT;
    struct err err;

    *origin = (struct origin){.level = FROM_ENVIRONMENT};
    if (again)
        slot_fault(l, &slot, "both this variable and its _FILE form are set; keep one of them");
    else if (is_file)
        origin->secret_file = value;
    else if (setting_set(slot.setting, slot.base, value, &err) < 0)
        slot_fault(l, &slot, err.text);
}

/* True when variable is the setting's name, or its _FILE form. */
static bool variable_matches(const struct config_setting *s, size_t app, const char *variable, bool *is_file)
{
    char name[NAME_MAX_BYTES];

    *is_file = false;
    environment_name(name, s, app, "");
    if (strcmp(name, variable) == 0)
        return true;
    environment_name(name, s, app, "_FILE");
    *is_file = s->secret && strcmp(name, variable) == 0;
    return *is_file;
}

/* CHATSLUICE_APPS_<n>_<KEY>. False when it is not of that form. */
static bool environment_app(struct loading *l, const char *variable, const char *value)
{
    unsigned long long n;
    bool is_file;
    const char *digits = variable + strlen(ENVIRONMENT_PREFIX "APPS_");

    if (strncmp(variable, ENVIRONMENT_PREFIX "APPS_", strlen(ENVIRONMENT_PREFIX "APPS_")) != 0 ||
        !span_to_u64((struct span){digits, strspn(digits, "0123456789")}, &n) || n == 0 || n > CONFIG_MAX_APPS)
        return false;
    for (size_t i = 0; i < CONFIG_APP_SETTINGS; i++) {
        if (!variable_matches(&config_app_settings[i], (size_t)n, variable, &is_file))
            continue;
        if (l->config->app_count < n)
            l->config->app_count = (size_t)n;
        environment_value(l, app_slot(l, (size_t)n - 1, i), is_file, value);
        return true;
    }
    return false;
}

static void unknown_variable(struct loading *l, const char *variable)
{
    char names[CONFIG_SETTINGS + CONFIG_APP_SETTINGS][NAME_MAX_BYTES];
    const char *known[CONFIG_SETTINGS + CONFIG_APP_SETTINGS];

    for (size_t i = 0; i < CONFIG_SETTINGS + CONFIG_APP_SETTINGS; i++) {
        bool of_app = i >= CONFIG_SETTINGS;
        environment_name(names[i], of_app ? &config_app_settings[i - CONFIG_SETTINGS] : &config_settings[i], of_app,
                         "");
        known[i] = names[i];
    }
    const char *near = faults_suggest(variable, known, CONFIG_SETTINGS + CONFIG_APP_SETTINGS);
    if (near)
        faults_warn(l->faults, "environment", 0, 0, "%.64s is no setting and has no effect; did you mean %s?", variable,
                    near);
    else
        faults_warn(l->faults, "environment", 0, 0, "%.64s is no setting and has no effect", variable);
}

static void read_variable(struct loading *l, const char *variable, const char *value)
{
    bool is_file;

    for (size_t i = 0; i < sizeof(foreign_prefixes) / sizeof(*foreign_prefixes); i++)
        if (strncmp(variable, foreign_prefixes[i], strlen(foreign_prefixes[i])) == 0)
            return;
    for (size_t i = 0; i < CONFIG_SETTINGS; i++) {
        if (variable_matches(&config_settings[i], 0, variable, &is_file)) {
            if (*value)
                environment_value(l, setting_slot(l, i), is_file, value);
            return;
        }
    }
    if (*value && !environment_app(l, variable, value))
        unknown_variable(l, variable);
}

static void read_environment(struct loading *l)
{
    char name[256];

    for (char **entry = environ; *entry; entry++) {
        size_t len = strcspn(*entry, "=");
        if (strncmp(*entry, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) != 0 || (*entry)[len] != '=' ||
            len >= sizeof(name))
            continue;
        memcpy(name, *entry, len);
        name[len] = '\0';
        read_variable(l, name, *entry + len + 1);
    }
}

/* Secrets in files ------------------------------------------------------------------------------------------------ */

static int secret_read(const char *path, char out[SECRET_MAX_FILE], struct err *err)
{
    size_t len = 0;
    ssize_t n = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && path[0] != '/') /* the secret itself, given where its file was to be named? */
        return err_set_errno(err, ERR_FAILED, "could not open a file of this name; write its whole path, from / on");
    if (fd < 0)
        return err_set_errno(err, ERR_FAILED, "could not open \"%.256s\"", path);
    while (n > 0 && len < SECRET_MAX_FILE) {
        n = read(fd, out + len, SECRET_MAX_FILE - len);
        if (n > 0)
            len += (size_t)n;
        else if (n < 0 && errno == EINTR)
            n = 1;
    }
    if (n < 0)
        err_set_errno(err, ERR_FAILED, "could not read \"%.256s\"", path);
    close(fd);
    if (n < 0)
        return ERR_FAILED;
    if (len == SECRET_MAX_FILE)
        return err_set(err, ERR_USAGE, "\"%.256s\" is too long to hold a secret", path);
    if (memchr(out, '\0', len))
        return err_set(err, ERR_USAGE, "\"%.256s\" holds a zero byte", path);
    if (len > 0 && out[len - 1] == '\n')
        len--;
    if (len > 0 && out[len - 1] == '\r')
        len--;
    out[len] = '\0';
    if (len == 0)
        return err_set(err, ERR_USAGE, "\"%.256s\" is empty", path);
    return 0;
}

static void read_secret(struct loading *l, struct slot slot)
{
    char secret[SECRET_MAX_FILE];
    struct err err;

    if (!slot.origin->secret_file)
        return;
    /* A value of the file below may stand here when the environment names the secret's file: it must not survive. */
    setting_release(slot.setting, slot.base);
    if (secret_read(slot.origin->secret_file, secret, &err) < 0 ||
        setting_set(slot.setting, slot.base, secret, &err) < 0)
        slot_fault(l, &slot, err.text);
    explicit_bzero(secret, sizeof(secret));
}

static void read_secrets(struct loading *l)
{
    for (size_t i = 0; i < CONFIG_SETTINGS; i++)
        read_secret(l, setting_slot(l, i));
    for (size_t app = 0; app < l->config->app_count; app++)
        for (size_t i = 0; i < CONFIG_APP_SETTINGS; i++)
            read_secret(l, app_slot(l, app, i));
}

/* What belongs together ------------------------------------------------------------------------------------------- */

/* The slot that holds member, an address inside *l->config. */
static struct slot slot_of(struct loading *l, const void *member)
{
    size_t offset = (size_t)((const char *)member - (const char *)l->config);
    size_t i = 0;

    while (i < CONFIG_SETTINGS - 1 && config_settings[i].offset != offset)
        i++;
    assert(config_settings[i].offset == offset);
    return setting_slot(l, i);
}

static void check_fault(struct loading *l, const void *member, const char *words)
{
    struct slot slot = slot_of(l, member);

    slot_fault(l, &slot, words);
}

enum { RECORD_REST_BYTES = 512 * 1024, PLATFORM_TIMEOUT_MS = 3000 };

static void check_values(struct loading *l)
{
    struct config *c = l->config;
    const char *port = strrchr(c->webhook.listen, ':');

    if (!c->webhook.authentication && strncmp(c->webhook.listen, "127.", 4) != 0)
        check_fault(
            l, &c->webhook.authentication,
            "without authentication anybody who reaches webhook.listen can forge webhooks; turn it on or listen "
            "on 127.0.0.1");
    if (strcmp(c->webhook.listen, c->operations.listen) == 0 && strcmp(port, ":0") != 0)
        check_fault(l, &c->operations.listen, "webhook.listen is the same; choose another port");
    if (c->webhook.body_timeout_ms >= c->webhook.deadline_ms)
        check_fault(l, &c->webhook.body_timeout_ms,
                    "it must be shorter than webhook.deadline, or a slow body leaves no time for the verdict");
    /* A record holds the body, the text read from it, the text it becomes, and the hits. */
    if (c->spool.segment_bytes < 3 * c->webhook.max_body_bytes + RECORD_REST_BYTES)
        check_fault(l, &c->spool.segment_bytes,
                    "a record must fit: it must be at least three times webhook.max_body and 512KiB");
    if (c->spool.segment_bytes > c->spool.max_bytes / 2)
        check_fault(l, &c->spool.segment_bytes, "it must be at most half of spool.max_bytes");
    if (c->outbox.timeout_ms <= PLATFORM_TIMEOUT_MS) {
        struct slot slot = slot_of(l, &c->outbox.timeout_ms);
        slot_warning(l, &slot,
                     "the platform itself gives up after 3s: a shorter timeout leaves calls without the answer they "
                     "would have got; write 5s");
    }
}

/* The setting of application app that is kept at member. */
static struct slot app_slot_of(struct loading *l, size_t app, const void *member)
{
    size_t offset = (size_t)((const char *)member - (const char *)&l->config->apps[app]);
    size_t i = 0;

    while (i < CONFIG_APP_SETTINGS - 1 && config_app_settings[i].offset != offset)
        i++;
    assert(config_app_settings[i].offset == offset);
    return app_slot(l, app, i);
}

/* As the platform takes it, and as it goes into a URL. */
static bool is_account_name(const char *text)
{
    const size_t len = strlen(text);

    return len >= 1 && len <= 32 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == len;
}

static void check_rest_access(struct loading *l, size_t i)
{
    const struct config_app *app = &l->config->apps[i];
    struct slot slot;
    struct err err;

    if (app->secret_key && !app->rest_api) {
        slot = app_slot_of(l, i, &app->secret_key);
        slot_fault(l, &slot,
                   "with a secret key rest_api must say where calls go: china, singapore, usa, jakarta or an https:// "
                   "URL");
    }
    if (app->rest_api && rest_hosts_check(app->rest_api, &err) < 0) {
        slot = app_slot_of(l, i, &app->rest_api);
        slot_fault(l, &slot, err.text);
    }
    if (app->admin && !is_account_name(app->admin)) {
        slot = app_slot_of(l, i, &app->admin);
        slot_fault(l, &slot, "an account name is 1 to 32 letters, digits, \"_\" and \"-\"");
    }
}

static void check_apps(struct loading *l, bool to_serve)
{
    const struct config *c = l->config;

    if (c->app_count == 0 && to_serve && !l->apps_unreadable)
        faults_add(l->faults, l->path, 0, 0,
                   "apps: no application is configured; add its sdkappid and token, or set CHATSLUICE_APPS_1_SDKAPPID "
                   "and CHATSLUICE_APPS_1_TOKEN");
    for (size_t i = 0; i < c->app_count; i++) {
        const struct config_app *app = &c->apps[i];
        const struct origin *item = &l->app_items[i];
        const char *source = item->level == FROM_FILE ? l->path : "environment";

        if (l->apps[i][0].level == FROM_DEFAULT)
            faults_add(l->faults, source, item->line, item->column,
                       "apps[%zu] has no sdkappid; applications are counted from 1 without gaps", i + 1);
        if (l->apps[i][1].level == FROM_DEFAULT && c->webhook.authentication && to_serve)
            faults_add(l->faults, source, item->line, item->column,
                       "apps[%zu] has no token; give token or token_file, the same as in the console", i + 1);
        for (size_t k = 0; k < i; k++)
            if (app->sdkappid != 0 && c->apps[k].sdkappid == app->sdkappid) {
                struct slot slot = app_slot(l, i, 0);
                slot_fault(l, &slot, "an earlier application has the same id; keep one of them");
            }
        check_rest_access(l, i);
    }
}

/* What must be readable here and now to serve. */
static void check_files(struct loading *l)
{
    const struct config *c = l->config;
    struct err err;

    if (c->outbox.ca_file && access(c->outbox.ca_file, R_OK) != 0) {
        err_set_errno(&err, ERR_USAGE, "could not open \"%.256s\"", c->outbox.ca_file);
        check_fault(l, &c->outbox.ca_file, err.text);
    }
}

/* The one default that depends on another value. */
static int default_cache_directory(struct config *c)
{
    struct buf path = BUF_INIT;

    if (c->rules.cache_directory)
        return 0;
    buf_addf(&path, "%s/rules", c->spool.directory);
    c->rules.cache_directory = buf_failed(&path) ? NULL : strdup(path.data);
    buf_release(&path);
    return c->rules.cache_directory ? 0 : ERR_FAILED;
}

/* All together ---------------------------------------------------------------------------------------------------- */

static int set_defaults(struct config *c)
{
    for (size_t i = 0; i < CONFIG_SETTINGS; i++)
        if (config_settings[i].initial && setting_set(&config_settings[i], c, config_settings[i].initial, NULL) < 0)
            return ERR_FAILED;
    return 0;
}

static int load(struct config **out, const char *path, bool to_serve, struct faults *faults)
{
    struct loading *l = calloc(1, sizeof(*l));
    struct config *c = calloc(1, sizeof(*c));
    struct yaml_tree *tree = NULL; /* secret_file borrows from it */
    size_t faults_before = faults->count;
    int r = ERR_FAILED;
    struct err err;

    if (!l || !c || set_defaults(c) < 0)
        goto out;
    *l = (struct loading){.config = c, .path = path ? path : "configuration", .faults = faults};
    if (path && yaml_tree_read(&tree, path, CONFIG_MAX_FILE, &err) < 0) {
        l->apps_unreadable = true;
        fault_of_reader(l, &err);
    }
    read_root(l, tree ? yaml_tree_root(tree) : NULL);
    read_environment(l);
    read_secrets(l);
    check_values(l);
    check_apps(l, to_serve);
    if (to_serve)
        check_files(l);
    r = faults->count > faults_before ? ERR_USAGE : default_cache_directory(c);
out:
    if (r == ERR_FAILED)
        faults_add(faults, path ? path : "configuration", 0, 0, "out of memory");
    yaml_tree_free(tree);
    free(l);
    if (r == 0)
        *out = c;
    else
        config_free(c);
    return r == 0 ? 0 : ERR_USAGE;
}

int config_load(struct config **out, const char *path, struct faults *faults)
{
    return load(out, path, true, faults);
}

int config_load_for_tools(struct config **out, const char *path, struct faults *faults)
{
    return load(out, path, false, faults);
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < CONFIG_SETTINGS; i++)
        setting_release(&config_settings[i], c);
    for (size_t app = 0; app < CONFIG_MAX_APPS; app++)
        for (size_t i = 0; i < CONFIG_APP_SETTINGS; i++)
            setting_release(&config_app_settings[i], &c->apps[app]);
    free(c);
}

bool config_text(const struct config *c, const char *name, const char **value)
{
    for (size_t i = 0; i < CONFIG_SETTINGS; i++) {
        const struct config_setting *s = &config_settings[i];
        size_t len = strlen(s->section);

        if (setting_is_text(s) && strncmp(name, s->section, len) == 0 && name[len] == '.' &&
            strcmp(name + len + 1, s->key) == 0) {
            *value = *setting_text(s, c);
            return true;
        }
    }
    return false;
}

void config_restart_needed(const struct config *running, const struct config *wanted, struct buf *changed)
{
    for (size_t i = 0; i < CONFIG_SETTINGS; i++) {
        const struct config_setting *s = &config_settings[i];
        if (!s->reloadable && !setting_equal(s, running, wanted))
            buf_addf(changed, "%s.%s\n", s->section, s->key);
    }
}
