#include "cli/privileges.h"

#include "base/log.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The whole memory and not only the secrets (MADV_DONTDUMP): the bodies of webhooks are in it as well. A limit of 0 is
 * not enough, because a core_pattern that is a pipe gets its dump all the same. */
void privileges_keep_memory_private(void)
{
#ifndef __SANITIZE_ADDRESS__ /* the leak checker attaches to the process as a debugger does */
    const struct rlimit none = {0};

    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* Only a warning: in a container it may be root of nothing but that. */
void privileges_warn_of_root(void)
{
    if (geteuid() == 0)
        log_warn("running as root, which is not needed; use an account of its own (config/chatsluice.service)");
}
