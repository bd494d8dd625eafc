/* The configuration: defaults, every type of value, every fault with its exact words, environment, secrets in files,
 * what a reload may change. */
#include "base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/chatsluice-config-XXXXXX";
static char path[64];

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void clear_environment(void)
{
    char name[256];

    for (char **entry = environ; *entry;) {
        size_t len = strcspn(*entry, "=");
        if (strncmp(*entry, "CHATSLUICE_", 11) == 0 && len < sizeof(name)) {
            memcpy(name, *entry, len);
            name[len] = '\0';
            unsetenv(name);
            entry = environ;
        } else {
            entry++;
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    clear_environment();
    return 0;
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/c.yaml", directory);
    return 0;
}

static int remove_directory(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

/* One application, so that a configuration is complete. */
#define APP "apps:\n  - sdkappid: 1400000001\n    token: secret-token\n"

static struct config *load_good(const char *text)
{
    struct faults faults = FAULTS_INIT;
    struct config *config = NULL;

    write_text(path, text);
    int r = config_load(&config, path, &faults);
    assert_string_equal(buf_text(&faults.text), "");
    assert_int_equal(r, 0);
    faults_release(&faults);
    return config;
}

static void test_defaults(void **state)
{
    struct config *c = load_good(APP);

    (void)state;
    assert_string_equal(c->webhook.listen, "127.0.0.1:8080");
    assert_string_equal(c->webhook.path, "/webhook");
    assert_int_equal(c->webhook.threads, 128);
    assert_int_equal(c->webhook.max_body_bytes, 1024 * 1024);
    assert_int_equal(c->webhook.body_timeout_ms, 1000);
    assert_int_equal(c->webhook.deadline_ms, 1500);
    assert_int_equal(c->webhook.keep_alive_ms, 75000);
    assert_true(c->webhook.authentication);
    assert_int_equal(c->webhook.fallback_verdict, FALLBACK_ALLOW);
    assert_int_equal(c->webhook.unreadable_verdict, FALLBACK_REJECT);
    assert_string_equal(c->operations.listen, "127.0.0.1:8081");
    assert_int_equal(c->operations.threads, 4);
    assert_string_equal(c->spool.directory, "/var/lib/chatsluice/spool");
    assert_int_equal(c->spool.max_bytes, 8ULL << 30);
    assert_int_equal(c->spool.segment_bytes, 32 << 20);
    assert_null(c->database.url);
    assert_int_equal(c->database.batch_rows, 1000);
    assert_int_equal(c->database.connect_timeout_ms, 5000);
    assert_int_equal(c->database.partition_days_ahead, 7);
    assert_true(c->database.migrate);
    assert_string_equal(c->rules.cache_directory, "/var/lib/chatsluice/spool/rules");
    assert_int_equal(c->rules.poll_interval_ms, 500);
    assert_int_equal(c->log.format, LOG_LOGFMT);
    assert_int_equal(c->log.level, LOG_INFO);
    assert_int_equal(c->app_count, 1);
    assert_int_equal(c->apps[0].sdkappid, 1400000001);
    assert_string_equal(c->apps[0].token, "secret-token");
    assert_null(c->apps[0].previous_token);
    config_free(c);
}

static void test_every_type(void **state)
{
    struct config *c = load_good("webhook:\n"
                                 "  listen: 10.0.0.7:0\n"
                                 "  path: /hook/a-b_c.~\n"
                                 "  threads: \"4096\"\n"
                                 "  max_body: 65536\n"
                                 "  body_timeout: 250ms\n"
                                 "  deadline: 1s\n"
                                 "  keep_alive: 10m\n"
                                 "  fallback_verdict: discard\n"
                                 "spool: {directory: /srv/spool, max_bytes: 1GiB, segment_bytes: 512MiB}\n"
                                 "database: {url: 'host=db password=x', migrate: no}\n"
                                 "rules: {cache_directory: /srv/rules, poll_interval: 1m}\n"
                                 "log: {format: json, level: debug}\n" APP
                                 "  - {sdkappid: 20000001, token: \"9\", previous_token: '8'}\n");

    (void)state;
    assert_string_equal(c->webhook.listen, "10.0.0.7:0");
    assert_string_equal(c->webhook.path, "/hook/a-b_c.~");
    assert_int_equal(c->webhook.threads, 4096);
    assert_int_equal(c->webhook.max_body_bytes, 65536);
    assert_int_equal(c->webhook.body_timeout_ms, 250);
    assert_int_equal(c->webhook.deadline_ms, 1000);
    assert_int_equal(c->webhook.keep_alive_ms, 600000);
    assert_int_equal(c->webhook.fallback_verdict, FALLBACK_DISCARD);
    assert_string_equal(c->spool.directory, "/srv/spool");
    assert_int_equal(c->spool.segment_bytes, 512 << 20);
    assert_string_equal(c->database.url, "host=db password=x");
    assert_false(c->database.migrate);
    assert_string_equal(c->rules.cache_directory, "/srv/rules");
    assert_int_equal(c->rules.poll_interval_ms, 60000);
    assert_int_equal(c->log.format, LOG_JSON);
    assert_int_equal(c->log.level, LOG_DEBUG);
    assert_int_equal(c->app_count, 2);
    assert_string_equal(c->apps[1].previous_token, "8");
    config_free(c);
}

static const struct {
    const char *text, *fault; /* the fault without "PATH:" */
} fault_cases[] = {
    {"webhok:\n  listen: x\n" APP, "1:1: key \"webhok\" is not known; did you mean \"webhook\"?\n"},
    {"webhook:\n  lisen: 127.0.0.1:80\n" APP,
     "2:3: key \"lisen\" is not known in \"webhook\"; did you mean \"listen\"?\n"},
    {"webhook:\n  qqqqqqqqqq: 1\n" APP,
     "2:3: key \"qqqqqqqqqq\" is not known in \"webhook\"; `chatsluice check --defaults` prints all there are\n"},
    /* a name is cut after 64 bytes; what is left of a character there is left out */
    {"webhook:\n  q\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"
     "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9: 1\n" APP,
     "2:3: key \"q\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"
     "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\" is not known in \"webhook\"; "
     "`chatsluice check --defaults` prints all there are\n"},
    {"webhook:\n  listen_file: /x\n" APP,
     "2:3: key \"listen_file\" is not known in \"webhook\"; `chatsluice check --defaults` prints all there are\n"},
    {"webhook: 7\n" APP, "1:10: \"webhook\" must hold keys; write them below, indented\n"},
    {"- a\n", "1:1: the configuration is a map of sections; begin with \"webhook:\"\n"},
    {"webhook:\n  threads: many\n" APP, "2:12: webhook.threads: \"many\" is not a number; write digits\n"},
    {"webhook:\n  threads: -1\n" APP, "2:12: webhook.threads: \"-1\" is not a number; write digits\n"},
    {"webhook:\n  threads: 0\n" APP, "2:12: webhook.threads: 0 is out of range; it must be 1 to 4096\n"},
    {"webhook:\n  threads: 4097\n" APP, "2:12: webhook.threads: 4097 is out of range; it must be 1 to 4096\n"},
    {"webhook:\n  threads: 99999999999999999999\n" APP,
     "2:12: webhook.threads: 99999999999999999999 is out of range; it must be 1 to 4096\n"},
    {"webhook:\n  threads: [1]\n" APP, "2:12: webhook.threads: one value is wanted here, not a list or a map\n"},
    {"webhook:\n  threads:\n" APP, "2:11: webhook.threads: it has no value; write one or remove the key\n"},
    {"webhook:\n  deadline: 1500\n" APP,
     "2:13: webhook.deadline: \"1500\" has no unit; write for example 1500ms or 1500s\n"},
    {"webhook:\n  deadline: 1.5s\n" APP,
     "2:13: webhook.deadline: \"1.5s\" is not a duration; write for example 500ms, 2s, 10m or 1h\n"},
    {"webhook:\n  deadline: 2s\n" APP, "2:13: webhook.deadline: 2s is out of range; it must be 10ms to 1999ms\n"},
    {"webhook:\n  max_body: 64KB\n" APP,
     "2:13: webhook.max_body: \"64KB\" is not a size; write for example 65536, 64KiB, 32MiB or 8GiB\n"},
    {"webhook:\n  max_body: 1GiB\n" APP, "2:13: webhook.max_body: 1GiB is out of range; it must be 16KiB to 1MiB\n"},
    {"spool:\n  max_bytes: 99999999999999GiB\n" APP,
     "2:14: spool.max_bytes: 99999999999999GiB is out of range; it must be 1MiB to 1048576GiB\n"},
    {"webhook:\n  authentication: perhaps\n" APP, "2:19: webhook.authentication: \"perhaps\" is neither on nor off\n"},
    {"webhook:\n  fallback_verdict: alow\n" APP,
     "2:21: webhook.fallback_verdict: \"alow\" is not known; it must be allow, reject or discard; did you mean "
     "\"allow\"?\n"},
    {"log: {format: xml}\n" APP, "1:15: log.format: \"xml\" is not known; it must be logfmt or json\n"},
    {"webhook:\n  listen: 8080\n" APP,
     "2:11: webhook.listen: \"8080\" is not an IPv4 address and port; write for example 127.0.0.1:8080\n"},
    {"webhook:\n  listen: 127.0.0.1:65536\n" APP,
     "2:11: webhook.listen: \"127.0.0.1:65536\" is not an IPv4 address and port; write for example 127.0.0.1:8080\n"},
    {"webhook:\n  listen: 0.0.0.0:443s\n" APP,
     "2:11: webhook.listen: \"0.0.0.0:443s\" asks for TLS, which is not spoken here; write the port in digits alone and "
     "end TLS at the proxy in front\n"},
    {"operations:\n  listen: 127.0.0.1:80r\n" APP,
     "2:11: operations.listen: \"127.0.0.1:80r\" asks for TLS, which is not spoken here; write the port in digits alone "
     "and end TLS at the proxy in front\n"},
    {"webhook:\n  path: hook\n" APP, "2:9: webhook.path: \"hook\" does not begin with \"/\"\n"},
    {"webhook:\n  path: /a?b\n" APP,
     "2:9: webhook.path: it has a character that does not fit: use letters, digits, \"/\", \"-\", \"_\", \".\" and "
     "\"~\"\n"},
    {"spool:\n  directory: \"\"\n" APP, "2:14: spool.directory: it is empty\n"},
    {"webhook:\n  authentication: off\n  listen: 0.0.0.0:80\n" APP,
     "2:19: webhook.authentication: without authentication anybody who reaches webhook.listen can forge webhooks; turn "
     "it on or listen on 127.0.0.1\n"},
    {"webhook:\n  listen: 127.0.0.1:8081\n" APP,
     " operations.listen: webhook.listen is the same; choose another port\n"},
    {"webhook:\n  body_timeout: 1500ms\n" APP,
     "2:17: webhook.body_timeout: it must be shorter than webhook.deadline, or a slow body leaves no time for the "
     "verdict\n"},
    {"spool:\n  max_bytes: 48MiB\n" APP, " spool.segment_bytes: it must be at most half of spool.max_bytes\n"},
    {"spool:\n  segment_bytes: 3MiB\n" APP,
     "2:18: spool.segment_bytes: a record must fit: it must be at least three times webhook.max_body and 512KiB\n"},
    {"log: {level: info}\n", " apps: no application is configured; add its sdkappid and token, or set "
                             "CHATSLUICE_APPS_1_SDKAPPID and CHATSLUICE_APPS_1_TOKEN\n"},
    {"apps: 7\n", "1:7: \"apps\" is a list; begin each application with \"- sdkappid:\"\n"},
    {"apps:\n  - 7\n", "2:5: an application is a map; write \"- sdkappid: 1400000001\" and its token below\n"},
    {"apps:\n  - token: a\n", "2:5: apps[1] has no sdkappid; applications are counted from 1 without gaps\n"},
    {"apps:\n  - sdkappid: 5\n", "2:5: apps[1] has no token; give token or token_file, the same as in the console\n"},
    {"apps:\n  - sdkappid: 0\n    token: a\n",
     "2:15: apps[1].sdkappid: it is out of range; it must be 1 to 9007199254740991\n"},
    {"apps:\n  - sdkappid: 5\n    tokn: a\n    token: b\n",
     "3:5: key \"tokn\" is not known in an application; did you mean \"token\"?\n"},
    {"apps:\n  - sdkappid: 5\n    token: a\n  - sdkappid: 5\n    token: b\n",
     "4:15: apps[2].sdkappid: an earlier application has the same id; keep one of them\n"},
    {"apps:\n  - sdkappid: 5\n    token: a\n    token_file: b\n",
     "4:5: apps[1].token: both this key and its _file form are given; keep one of them\n"},
    {"apps:\n  - sdkappid: a-secret\n    token: b\n", "2:15: apps[1].sdkappid: it is not a number; write digits\n"},
    {"apps:\n  - sdkappid: 5\n    token_file: a-secret\n",
     "3:17: apps[1].token_file: could not open a file of this name; write its whole path, from / on: No such file or "
     "directory\n"},
    {"apps:\n  - sdkappid: 5\n    token_file: /nonexistent/token\n",
     "3:17: apps[1].token_file: could not open \"/nonexistent/token\": No such file or directory\n"},
    {APP "    secret_key: k\n",
     "4:17: apps[1].secret_key: with a secret key rest_api must say where calls go: china, singapore, usa, jakarta or "
     "an https:// URL\n"},
    {APP "    rest_api: singapur\n",
     "4:15: apps[1].rest_api: \"singapur\" is no region; did you mean \"singapore\"?\n"},
    {APP "    rest_api: moon.example.org\n",
     "4:15: apps[1].rest_api: it is neither china, singapore, usa or jakarta nor an https:// URL; write for example "
     "singapore\n"},
    {APP "    rest_api: https://h.example/v4\n",
     "4:15: apps[1].rest_api: the URL has a path or a query; write scheme and host alone\n"},
    {APP "    rest_api: 'https://h.example?a'\n",
     "4:15: apps[1].rest_api: the URL has a path or a query; write scheme and host alone\n"},
    {APP "    rest_api: 'https://u:secret@h.example'\n",
     "4:15: apps[1].rest_api: the URL names a user; write scheme and host alone\n"},
    {APP "    rest_api: 'https://:443'\n",
     "4:15: apps[1].rest_api: the URL names no host, or no port from 1 to 65535; write for example "
     "https://adminapisgp.my-imcloud.com\n"},
    {APP "    rest_api: 'https://h.example:0'\n",
     "4:15: apps[1].rest_api: the URL names no host, or no port from 1 to 65535; write for example "
     "https://adminapisgp.my-imcloud.com\n"},
    {APP "    rest_api: 'https://h.exa mple'\n",
     "4:15: apps[1].rest_api: the URL names no host, or no port from 1 to 65535; write for example "
     "https://adminapisgp.my-imcloud.com\n"},
    {APP "    rest_api: http://10.0.0.1:8090\n",
     "4:15: apps[1].rest_api: over http a signature could be read on the way; write https, or an address that begins "
     "with 127.\n"},
    {APP "    rest_api: http://127.0.0.1.example\n",
     "4:15: apps[1].rest_api: over http a signature could be read on the way; write https, or an address that begins "
     "with 127.\n"},
    {APP "    admin: 'a&usersig=x'\n",
     "4:12: apps[1].admin: an account name is 1 to 32 letters, digits, \"_\" and \"-\"\n"},
    {"outbox:\n  ca_file: /nonexistent/ca.pem\n" APP,
     "2:12: outbox.ca_file: could not open \"/nonexistent/ca.pem\": No such file or directory\n"},
    {"webhook: {listen: [}\n", NULL},
};

static void test_faults(void **state)
{
    char expected[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(fault_cases) / sizeof(*fault_cases); i++) {
        struct faults faults = FAULTS_INIT;
        struct config *config = NULL;
        write_text(path, fault_cases[i].text);
        assert_int_equal(config_load(&config, path, &faults), ERR_USAGE);
        assert_null(config);
        snprintf(expected, sizeof(expected), "%s:%s", path, fault_cases[i].fault ? fault_cases[i].fault : "1:");
        /* The words of a syntax error are libyaml's; its place is ours. */
        if (!fault_cases[i].fault)
            faults.text.data[strlen(expected)] = '\0';
        assert_string_equal(buf_text(&faults.text), expected);
        faults_release(&faults);
    }
}

static const char *const rest_apis[] = {"china",
                                        "singapore",
                                        "usa",
                                        "jakarta",
                                        "https://adminapisgp.my-imcloud.com",
                                        "https://proxy.example:8443/",
                                        "https://[2001:db8::1]:443",
                                        "http://127.0.0.1:8090",
                                        "http://[::1]:8090"};

static void test_places_of_the_rest_api(void **state)
{
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(rest_apis) / sizeof(*rest_apis); i++) {
        snprintf(text, sizeof(text), APP "    secret_key: k\n    admin: mod-bot_01\n    rest_api: '%s'\n",
                 rest_apis[i]);
        struct config *c = load_good(text);
        assert_string_equal(c->apps[0].rest_api, rest_apis[i]);
        config_free(c);
    }
}

static void test_a_short_call_timeout_is_warned_of(void **state)
{
    struct faults faults = FAULTS_INIT;
    struct config *config = NULL;
    char expected[512];

    (void)state;
    write_text(path, "outbox:\n  timeout: 3s\n" APP);
    assert_int_equal(config_load(&config, path, &faults), 0);
    snprintf(expected, sizeof(expected),
             "%s:2:12: warning: outbox.timeout: the platform itself gives up after 3s: a shorter timeout leaves calls "
             "without the answer they would have got; write 5s\n",
             path);
    assert_string_equal(buf_text(&faults.text), expected);
    faults_release(&faults);
    config_free(config);
}

static void test_all_faults_at_once(void **state)
{
    struct faults faults = FAULTS_INIT;
    struct config *config = NULL;

    (void)state;
    write_text(path, "webhook:\n  threads: x\n  deadline: 5\nspol: {}\nlog:\n  level: loud\n");
    setenv("CHATSLUICE_WEBHOOK_KEEP_ALIVE", "never", 1);
    assert_int_equal(config_load(&config, path, &faults), ERR_USAGE);
    assert_int_equal(faults.count, 6);
    faults_release(&faults);
}

static void test_missing_file(void **state)
{
    struct faults faults = FAULTS_INIT;
    struct config *config = NULL;

    (void)state;
    assert_int_equal(config_load_for_tools(&config, "/nonexistent/c.yaml", &faults), ERR_USAGE);
    assert_string_equal(buf_text(&faults.text),
                        "/nonexistent/c.yaml: could not open \"/nonexistent/c.yaml\": No such file or directory\n");
    faults_release(&faults);
}

static void test_environment_wins(void **state)
{
    (void)state;
    setenv("CHATSLUICE_WEBHOOK_LISTEN", "127.0.0.1:9000", 1);
    setenv("CHATSLUICE_WEBHOOK_MAX_BODY", "512KiB", 1);
    setenv("CHATSLUICE_DATABASE_URL", "host=env", 1);
    setenv("CHATSLUICE_APPS_1_TOKEN", "from-environment", 1);
    setenv("CHATSLUICE_APPS_2_SDKAPPID", "77", 1);
    setenv("CHATSLUICE_APPS_2_TOKEN", "other", 1);
    setenv("CHATSLUICE_LOG_LEVEL", "", 1);
    setenv("CHATSLUICE_TEST_DATABASE_URL", "ignored", 1);
    struct config *c = load_good("webhook:\n  listen: 127.0.0.1:1\ndatabase:\n  url_file: /nonexistent/url\n"
                                 "log:\n  level: warn\n" APP);
    assert_string_equal(c->webhook.listen, "127.0.0.1:9000");
    assert_int_equal(c->webhook.max_body_bytes, 512 * 1024);
    assert_string_equal(c->database.url, "host=env");
    assert_string_equal(c->apps[0].token, "from-environment");
    assert_int_equal(c->apps[0].sdkappid, 1400000001);
    assert_int_equal(c->app_count, 2);
    assert_int_equal(c->apps[1].sdkappid, 77);
    assert_int_equal(c->log.level, LOG_WARN);
    config_free(c);
}

static const struct {
    const char *variable, *value, *text;
} environment_cases[] = {
    {"CHATSLUICE_WEBHOOK_THREADS", "0",
     "environment: CHATSLUICE_WEBHOOK_THREADS: 0 is out of range; it must be 1 to 4096\n"},
    {"CHATSLUICE_WEBHOK_LISTEN", "127.0.0.1:1",
     "environment: warning: CHATSLUICE_WEBHOK_LISTEN is no setting and has no effect; did you mean "
     "CHATSLUICE_WEBHOOK_LISTEN?\n"},
    {"CHATSLUICE_ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ", "1",
     "environment: warning: CHATSLUICE_ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ is no setting and has no effect\n"},
    {"CHATSLUICE_APPS_0_TOKEN", "x",
     "environment: warning: CHATSLUICE_APPS_0_TOKEN is no setting and has no effect; did you mean "
     "CHATSLUICE_APPS_1_TOKEN?\n"},
    {"CHATSLUICE_APPS_33_TOKEN", "x",
     "environment: warning: CHATSLUICE_APPS_33_TOKEN is no setting and has no effect; did you mean "
     "CHATSLUICE_APPS_1_TOKEN?\n"},
    {"CHATSLUICE_APPS_2_TOKEN", "x",
     "environment: apps[2] has no sdkappid; applications are counted from 1 without gaps\n"},
    {"CHATSLUICE_DATABASE_URL_FILE", "/nonexistent/url",
     "environment: CHATSLUICE_DATABASE_URL_FILE: could not open \"/nonexistent/url\": No such file or directory\n"},
    {"CHATSLUICE_WEBHOOK_LISTEN_FILE", "/x",
     "environment: warning: CHATSLUICE_WEBHOOK_LISTEN_FILE is no setting and has no effect; did you mean "
     "CHATSLUICE_WEBHOOK_LISTEN?\n"},
};

static void test_environment_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(environment_cases) / sizeof(*environment_cases); i++) {
        struct faults faults = FAULTS_INIT;
        struct config *config = NULL;
        clear_environment();
        setenv(environment_cases[i].variable, environment_cases[i].value, 1);
        write_text(path, APP);
        config_load(&config, path, &faults);
        assert_string_equal(buf_text(&faults.text), environment_cases[i].text);
        assert_true((config != NULL) == (faults.count == 0));
        config_free(config);
        faults_release(&faults);
    }
}

static void test_secrets_in_files(void **state)
{
    char url[96], token[96], text[512];

    (void)state;
    snprintf(url, sizeof(url), "%s/url", directory);
    snprintf(token, sizeof(token), "%s/token", directory);
    write_text(url, "postgresql://u:p@db/x\n");
    write_text(token, "tok en");
    snprintf(text, sizeof(text), "database: {url_file: %s}\napps:\n  - {sdkappid: 5, token_file: %s}\n", url, token);
    struct config *c = load_good(text);
    assert_string_equal(c->database.url, "postgresql://u:p@db/x");
    assert_string_equal(c->apps[0].token, "tok en");
    config_free(c);

    /* The file of the environment wins over a value in the configuration. */
    setenv("CHATSLUICE_DATABASE_URL_FILE", url, 1);
    c = load_good("database: {url: host=plain}\n" APP);
    assert_string_equal(c->database.url, "postgresql://u:p@db/x");
    config_free(c);
}

static void test_bad_secret_files(void **state)
{
    char secret[96], text[256], expected[512], big[20000];
    static const struct {
        const char *content, *words;
    } cases[] = {{"", "is empty"}, {"\n", "is empty"}, {NULL, "is too long to hold a secret"}};

    (void)state;
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    snprintf(secret, sizeof(secret), "%s/secret", directory);
    snprintf(text, sizeof(text), "database: {url_file: %s}\n" APP, secret);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct faults faults = FAULTS_INIT;
        struct config *config = NULL;
        write_text(secret, cases[i].content ? cases[i].content : big);
        write_text(path, text);
        assert_int_equal(config_load(&config, path, &faults), ERR_USAGE);
        snprintf(expected, sizeof(expected), "%s:1:22: database.url_file: \"%s\" %s\n", path, secret, cases[i].words);
        assert_string_equal(buf_text(&faults.text), expected);
        faults_release(&faults);
    }
}

/* A secret that is wrong is never repeated in the words about it. */
static void test_faults_hide_secrets(void **state)
{
    struct faults faults = FAULTS_INIT;
    struct config *config = NULL;
    char text[4096] = APP "    previous_token: ";

    (void)state;
    size_t len = strlen(text);
    memset(text + len, 'S', 2000);
    text[len + 2000] = '\0';
    write_text(path, text);
    assert_int_equal(config_load(&config, path, &faults), ERR_USAGE);
    assert_null(strstr(buf_text(&faults.text), "SSS"));
    assert_non_null(strstr(buf_text(&faults.text), "it is 2000 bytes long; at most 1024 are possible"));
    faults_release(&faults);
}

static void test_tools_need_no_application(void **state)
{
    struct faults faults = FAULTS_INIT;
    struct config *config = NULL;

    (void)state;
    setenv("CHATSLUICE_DATABASE_URL", "host=db", 1);
    assert_int_equal(config_load_for_tools(&config, NULL, &faults), 0);
    assert_string_equal(config->database.url, "host=db");
    config_free(config);
    assert_int_equal(config_load(&config, NULL, &faults), ERR_USAGE);
    faults_release(&faults);
}

static void test_reload_difference(void **state)
{
    struct buf changed = BUF_INIT;
    struct config *running = load_good(APP);
    struct config *same = load_good("webhook: {deadline: 1200ms, fallback_verdict: reject}\nlog: {level: debug}\n"
                                    "apps: [{sdkappid: 9, token: other}]\n");
    struct config *other = load_good("webhook: {listen: 127.0.0.1:9, threads: 4}\ndatabase: {url: host=b}\n"
                                     "spool: {max_bytes: 1GiB}\n" APP);

    (void)state;
    config_restart_needed(running, same, &changed);
    assert_string_equal(buf_text(&changed), "");
    config_restart_needed(running, other, &changed);
    assert_string_equal(buf_text(&changed), "webhook.listen\nwebhook.threads\nspool.max_bytes\ndatabase.url\n");
    buf_release(&changed);
    config_free(running);
    config_free(same);
    config_free(other);
}

/* config/chatsluice.yaml is what `check --defaults` prints, and says nothing but the defaults. */
static void test_shipped_file(void **state)
{
    struct buf printed = BUF_INIT, changed = BUF_INIT;
    struct faults faults = FAULTS_INIT;
    struct config *shipped = NULL, *defaults = NULL;
    static char text[65536];
    int fd = open(SOURCE_DIR "/config/chatsluice.yaml", O_RDONLY);

    (void)state;
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    assert_true(len > 0);
    text[len] = '\0';
    config_print_defaults(&printed);
    assert_string_equal(text, buf_text(&printed));

    setenv("CHATSLUICE_APPS_1_SDKAPPID", "1400000001", 1);
    setenv("CHATSLUICE_APPS_1_TOKEN", "t", 1);
    config_load(&shipped, SOURCE_DIR "/config/chatsluice.yaml", &faults);
    config_load(&defaults, NULL, &faults);
    assert_string_equal(buf_text(&faults.text), "");
    config_restart_needed(defaults, shipped, &changed);
    assert_string_equal(buf_text(&changed), "");
    assert_int_equal(shipped->webhook.deadline_ms, defaults->webhook.deadline_ms);
    assert_int_equal(shipped->webhook.unreadable_verdict, defaults->webhook.unreadable_verdict);
    assert_int_equal(shipped->log.level, defaults->log.level);
    config_free(shipped);
    config_free(defaults);
    buf_release(&changed);
    buf_release(&printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, set_up),
        cmocka_unit_test_setup(test_every_type, set_up),
        cmocka_unit_test_setup(test_faults, set_up),
        cmocka_unit_test_setup(test_places_of_the_rest_api, set_up),
        cmocka_unit_test_setup(test_a_short_call_timeout_is_warned_of, set_up),
        cmocka_unit_test_setup(test_all_faults_at_once, set_up),
        cmocka_unit_test_setup(test_missing_file, set_up),
        cmocka_unit_test_setup(test_environment_wins, set_up),
        cmocka_unit_test_setup(test_environment_faults, set_up),
        cmocka_unit_test_setup(test_secrets_in_files, set_up),
        cmocka_unit_test_setup(test_bad_secret_files, set_up),
        cmocka_unit_test_setup(test_faults_hide_secrets, set_up),
        cmocka_unit_test_setup(test_tools_need_no_application, set_up),
        cmocka_unit_test_setup(test_reload_difference, set_up),
        cmocka_unit_test_setup(test_shipped_file, set_up),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
