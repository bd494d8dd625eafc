/* config_settings.h - private to config*.c: the table behind the configuration, and one value from text to struct.
 *
 * The table is the only list of keys: parsing, environment names, defaults, the reload difference and the printed
 * YAML are all made from it. */
#ifndef CHATSLUICE_BASE_CONFIG_SETTINGS_H
#define CHATSLUICE_BASE_CONFIG_SETTINGS_H

#include "base/config.h"

enum setting_type {
    SETTING_TEXT,     /* char * */
    SETTING_LISTEN,   /* char *: IPv4 address and port */
    SETTING_URL_PATH, /* char * */
    SETTING_NUMBER,   /* uint64_t */
    SETTING_SIZE,     /* uint64_t, bytes */
    SETTING_DURATION, /* int64_t, milliseconds */
    SETTING_SWITCH,   /* bool */
    SETTING_CHOICE,   /* an enum, counted from 0 as in choices */
};

struct config_setting {
    const char *section, *key;
    enum setting_type type;
    size_t offset;              /* in struct config, or in struct config_app for the keys of `apps` */
    const char *initial;        /* the default as one would write it; NULL: none */
    int64_t min, max;           /* numbers, sizes, durations; a text: its length */
    const char *const *choices; /* ended by NULL */
    bool reloadable, secret;
    const char *example; /* shown, commented out, where there is no default */
    const char *help;    /* lines end with '\n' inside, not at the end */
};

enum { CONFIG_SETTINGS = 46, CONFIG_APP_SETTINGS = 6 };
extern const struct config_setting config_settings[CONFIG_SETTINGS];
extern const struct config_setting config_app_settings[CONFIG_APP_SETTINGS];

/* Reads text as the setting's type and stores it in base (struct config or struct config_app). On failure base is
 * unchanged and *err says what is wrong and what would be right, without the value of a secret. */
int setting_set(const struct config_setting *setting, void *base, const char *text, struct err *err);
bool setting_is_text(const struct config_setting *setting);
/* The text of a text-like setting, NULL when none was given. */
char **setting_text(const struct config_setting *setting, const void *base);
bool setting_equal(const struct config_setting *setting, const void *a, const void *b);
void setting_release(const struct config_setting *setting, void *base); /* wipes secrets */

#endif
