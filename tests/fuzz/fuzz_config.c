/* Any bytes as the configuration file: read to the same values twice, or refused in words that name the place. */
#include "fuzz.h"

#include "base/config.h"

#include <sys/mman.h>
#include <unistd.h>

static int file = -1;
static char path[64];

static void put_file(const uint8_t *data, size_t size)
{
    if (file < 0) {
        MUST((file = memfd_create("configuration", MFD_CLOEXEC)) >= 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
        while (environ[0]) { /* only the file speaks */
            char name[256];

            snprintf(name, sizeof(name), "%.*s", (int)strcspn(environ[0], "="), environ[0]);
            unsetenv(name);
        }
    }
    MUST(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
}

/* Keys that name another file would have it read: not what is tried here, and what stands there is not ours. */
static bool names_files(const uint8_t *data, size_t size)
{
    return size > 0 && memmem(data, size, "_file", 5) != NULL;
}

static void check_values(const struct config *c)
{
    MUST(c->app_count <= CONFIG_MAX_APPS && c->webhook.threads > 0 && c->webhook.max_body_bytes > 0);
    MUST(c->webhook.deadline_ms > 0 && c->webhook.deadline_ms < 2000);
    MUST(c->webhook.listen && c->webhook.path && c->operations.listen && c->spool.directory);
    MUST(c->rules.cache_directory && c->spool.segment_bytes <= c->spool.max_bytes);
    for (size_t i = 0; i < c->app_count; i++) {
        MUST(c->apps[i].sdkappid > 0 && (c->apps[i].token || !c->webhook.authentication));
        MUST(!c->apps[i].secret_key || c->apps[i].rest_api);
    }
}

static void check_faults(const struct faults *faults)
{
    MUST(is_utf8(buf_span(&faults->text)));
    MUST((faults->count + faults->warnings > 0) == (faults->text.len > 0));
    MUST(faults->text.len == 0 || faults->text.data[faults->text.len - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct faults faults = FAULTS_INIT, again_faults = FAULTS_INIT, tools_faults = FAULTS_INIT;
    struct config *c = NULL, *again = NULL, *tools = NULL;
    struct buf changed = BUF_INIT;

    if (names_files(data, size))
        return 0;
    put_file(data, size);
    if (config_load(&c, path, &faults) == 0) {
        MUST(faults.count == 0);
        check_values(c);
        MUST(config_load(&again, path, &again_faults) == 0);
        config_restart_needed(c, again, &changed);
        MUST(changed.len == 0);
        MUST(config_load_for_tools(&tools, path, &tools_faults) == 0);
    } else {
        MUST(faults.count > 0 && !c);
    }
    check_faults(&faults);
    config_free(c);
    config_free(again);
    config_free(tools);
    buf_release(&changed);
    faults_release(&faults);
    faults_release(&again_faults);
    faults_release(&tools_faults);
    return 0;
}
