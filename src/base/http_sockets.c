#include "base/http_sockets.h"

#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool socket_is_local(int fd, const struct sockaddr_in *address)
{
    struct sockaddr_in local = {0};
    socklen_t len = sizeof(local);

    if (getsockname(fd, (struct sockaddr *)&local, &len) != 0 || local.sin_family != AF_INET)
        return false;
    return local.sin_port == address->sin_port &&
           (address->sin_addr.s_addr == htonl(INADDR_ANY) || local.sin_addr.s_addr == address->sin_addr.s_addr);
}

static bool socket_listens(int fd)
{
    int listens = 0;
    socklen_t len = sizeof(listens);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0;
}

static bool socket_is_from(int fd, const struct sockaddr_in *peer)
{
    struct sockaddr_in remote = {0};
    socklen_t len = sizeof(remote);

    return getpeername(fd, (struct sockaddr *)&remote, &len) == 0 && remote.sin_family == AF_INET &&
           remote.sin_port == peer->sin_port && remote.sin_addr.s_addr == peer->sin_addr.s_addr;
}

/* Calls visit for every socket bound to address, with its number and a duplicate of it. The duplicate is what may be
 * acted on: the number can be closed and given to another file by any thread at any time, the duplicate cannot. */
static void each_socket(const struct sockaddr_in *address, void (*visit)(int fd, int duplicate, void *arg), void *arg)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name); /* "." and ".." give 0, which is no socket of ours */
        int duplicate;

        if (!socket_is_local(fd, address))
            continue;
        duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (duplicate < 0)
            continue;
        if (socket_is_local(duplicate, address))
            visit(fd, duplicate, arg);
        close(duplicate);
    }
    closedir(dir);
}

static void stop_listening(int fd, int duplicate, void *arg)
{
    struct pollfd waiting = {.fd = duplicate, .events = POLLIN};
    int *silent = arg;
    eventfd_t taken;

    if (*silent >= 0 || !socket_listens(duplicate))
        return;
    *silent = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (*silent < 0)
        return;
    for (int ms = 0; ms < 100 && poll(&waiting, 1, 0) > 0; ms++)
        clock_sleep_ms(1);
    /* Replaced first: a closed listener under civetweb's number would make its accept loop spin. The loop's poll() is
     * still asleep on the old socket: shutdown() wakes it, and as it then looks at what the number means now, it must
     * find something there to leave poll() and come back to the new file. A few milliseconds later that is taken away
     * and the loop sleeps. A plain system call, because the thread sanitizer knows that civetweb will close the number
     * but cannot know that it will do so later. */
    if (syscall(SYS_dup3, *silent, fd, O_CLOEXEC) >= 0) {
        shutdown(duplicate, SHUT_RDWR);
        clock_sleep_ms(5);
        eventfd_read(*silent, &taken);
    }
}

int http_sockets_stop_listening(const struct sockaddr_in *address)
{
    int silent = -1;

    each_socket(address, stop_listening, &silent);
    return silent;
}

struct peer_search {
    const struct sockaddr_in *peer;
    bool found;
};

static void end_input_of(int fd, int duplicate, void *arg)
{
    struct peer_search *search = arg;

    (void)fd;
    if (!search->found && socket_is_from(duplicate, search->peer)) {
        shutdown(duplicate, SHUT_RD);
        search->found = true;
    }
}

bool http_sockets_end_input_of(const struct sockaddr_in *address, const struct sockaddr_in *peer)
{
    struct peer_search search = {.peer = peer};

    each_socket(address, end_input_of, &search);
    return search.found;
}

/* To connect an open connection to nobody is how Linux is told to abort it at once, whatever the linger time and
 * whoever holds the descriptor. */
static void reset_connection_from(int fd, int duplicate, void *arg)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct peer_search *search = arg;

    (void)fd;
    if (!search->found && socket_is_from(duplicate, search->peer))
        search->found = connect(duplicate, &nobody, sizeof(nobody)) == 0;
}

bool http_sockets_reset(const struct sockaddr_in *address, const struct sockaddr_in *peer)
{
    struct peer_search search = {.peer = peer};

    each_socket(address, reset_connection_from, &search);
    return search.found;
}

struct connection_count {
    bool end_input;
    unsigned count;
};

static void count_connection(int fd, int duplicate, void *arg)
{
    struct connection_count *connections = arg;

    (void)fd;
    if (socket_listens(duplicate))
        return;
    connections->count++;
    if (connections->end_input)
        shutdown(duplicate, SHUT_RD);
}

unsigned http_sockets_connections(const struct sockaddr_in *address, bool end_input)
{
    struct connection_count connections = {.end_input = end_input};

    each_socket(address, count_connection, &connections);
    return connections.count;
}
