#include "base/http_sockets.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h> /* of the kernel: the C library's lacks tcpi_bytes_received */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    RESERVED = 16,          /* descriptors left to the spool and the database when connections take all others */
    LAST_WORDS = 16 * 1024, /* of a refused client, read before its connection is closed */
    DOOR_OPENS_MS = 5,      /* for civetweb's accept loop to leave its poll() */
    PENDING_ACCEPTED_MS = 100,
    MOST_ENDED = 64,
    RESET = -1, /* beside SHUT_RD and SHUT_RDWR */
};

struct http_sockets {
    struct sockaddr_in address; /* fixed, as is number */
    int number;                 /* civetweb's descriptor of the listener */

    pthread_mutex_t lock; /* guards the rest */
    DIR *open_files;
    int listener; /* ours */
    int silent;   /* an eventfd that takes the listener's place under its number */
    int spare;    /* stands for nothing: for duplicates, or to be closed when a descriptor is needed */
    bool door_shut, stopped;
};

/* dup3() as a plain system call, because the thread sanitizer knows that civetweb will close the number but cannot know
 * that it will do so later. */
static bool put_in_place(int fd, int number)
{
    return syscall(SYS_dup3, fd, number, O_CLOEXEC) >= 0;
}

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

static bool have_spare_locked(struct http_sockets *s)
{
    if (s->spare < 0)
        s->spare = fcntl(s->silent, F_DUPFD_CLOEXEC, 0);
    return s->spare >= 0;
}

/* Calls visit for every socket bound to the address, with its number and a duplicate of it. The duplicate is what may
 * be acted on: the number can be closed and given to another file by any thread at any time, the duplicate cannot. It
 * takes the place of the spare descriptor, since there may be no other. */
static void each_socket_locked(struct http_sockets *s, void (*visit)(int number, int duplicate, void *arg), void *arg)
{
    const struct dirent *entry;

    if (!have_spare_locked(s))
        return;
    rewinddir(s->open_files);
    while ((entry = readdir(s->open_files)) != NULL) {
        int fd = atoi(entry->d_name); /* "." and ".." give 0, which is no socket of ours */

        if (fd == s->listener || fd == s->spare || !socket_is_local(fd, &s->address) || !put_in_place(fd, s->spare))
            continue;
        if (socket_is_local(s->spare, &s->address))
            visit(fd, s->spare, arg);
    }
    put_in_place(s->silent, s->spare); /* holds no connection open */
}

/* Life ------------------------------------------------------------------------------------------------------------ */

static void find_listener(int number, int duplicate, void *arg)
{
    struct http_sockets *s = arg;

    if (s->number < 0 && socket_listens(duplicate)) {
        s->number = number;
        s->listener = fcntl(duplicate, F_DUPFD_CLOEXEC, 0);
    }
}

int http_sockets_open(struct http_sockets **out, const struct sockaddr_in *address, struct err *err)
{
    struct http_sockets *s = calloc(1, sizeof(*s));

    if (!s)
        return err_set(err, ERR_FAILED, "could not find the server's sockets: no memory");
    *s = (struct http_sockets){.address = *address, .number = -1, .listener = -1, .spare = -1};
    pthread_mutex_init(&s->lock, NULL);
    s->silent = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->open_files = opendir("/proc/self/fd");
    if (s->silent >= 0 && s->open_files)
        each_socket_locked(s, find_listener, s);
    if (s->listener < 0) {
        err_set_errno(err, ERR_FAILED, "could not find the server's sockets in /proc/self/fd");
        http_sockets_close(s);
        return ERR_FAILED;
    }
    /* civetweb's accept() must not wait for a connection that has been refused here since its poll(). */
    fcntl(s->listener, F_SETFL, fcntl(s->listener, F_GETFL) | O_NONBLOCK);
    *out = s;
    return 0;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void http_sockets_close(struct http_sockets *s)
{
    if (!s)
        return;
    close_if_open(s->listener);
    close_if_open(s->silent);
    close_if_open(s->spare);
    if (s->open_files)
        closedir(s->open_files);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* The listener ---------------------------------------------------------------------------------------------------- */

void http_sockets_stop_listening(struct http_sockets *s)
{
    struct pollfd waiting = {.fd = s->listener, .events = POLLIN};
    eventfd_t taken;

    pthread_mutex_lock(&s->lock);
    for (int ms = 0; !s->door_shut && ms < PENDING_ACCEPTED_MS && poll(&waiting, 1, 0) > 0; ms++)
        clock_sleep_ms(1);
    /* Replaced first: a closed listener under civetweb's number would make its accept loop spin. The loop's poll() is
     * still asleep on the old socket: shutdown() wakes it, and as it then looks at what the number means now, it must
     * find something there to leave poll() and come back to the new file. A few milliseconds later that is taken away
     * and the loop sleeps. */
    eventfd_write(s->silent, 1);
    if (put_in_place(s->silent, s->number)) {
        shutdown(s->listener, SHUT_RDWR);
        clock_sleep_ms(DOOR_OPENS_MS);
        eventfd_read(s->silent, &taken);
    }
    s->stopped = true;
    pthread_mutex_unlock(&s->lock);
}

void http_sockets_wake(struct http_sockets *s)
{
    eventfd_write(s->silent, 1);
}

bool http_sockets_short_of_descriptors(const struct http_sockets *s)
{
    struct rlimit limit;
    int lowest_free = fcntl(s->silent, F_DUPFD_CLOEXEC, 0);

    if (lowest_free < 0)
        return errno == EMFILE || errno == EINVAL; /* EINVAL: the limit is 0 */
    close(lowest_free);
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)lowest_free + RESERVED >= limit.rlim_cur;
}

void http_sockets_shut_door(struct http_sockets *s, bool shut)
{
    eventfd_t taken;

    pthread_mutex_lock(&s->lock);
    if (!s->stopped && shut && !s->door_shut) {
        s->door_shut = put_in_place(s->silent, s->number);
    } else if (!s->stopped && !shut && s->door_shut) {
        /* The accept loop may be asleep on the silent file and has to leave it before the listener comes back. */
        eventfd_write(s->silent, 1);
        clock_sleep_ms(DOOR_OPENS_MS);
        s->door_shut = !put_in_place(s->listener, s->number);
        eventfd_read(s->silent, &taken);
    }
    pthread_mutex_unlock(&s->lock);
}

/* With the spare descriptor when there is no other. */
static int take_connection_locked(struct http_sockets *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0 && errno == EMFILE && s->spare >= 0) {
        close(s->spare);
        s->spare = -1;
        fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    return fd;
}

unsigned http_sockets_refuse(struct http_sockets *s, struct span reply, unsigned most)
{
    char last_words[LAST_WORDS];
    unsigned refused = 0;

    pthread_mutex_lock(&s->lock);
    while (!s->stopped && refused < most) {
        int fd = take_connection_locked(s);

        if (fd >= 0) {
            send(fd, reply.data, reply.len, MSG_NOSIGNAL);
            shutdown(fd, SHUT_WR);
            recv(fd, last_words, sizeof(last_words), 0); /* what is unread when it closes would take the reply along */
            close(fd);
            refused++;
        }
        have_spare_locked(s);
        if (fd < 0)
            break;
    }
    pthread_mutex_unlock(&s->lock);
    return refused;
}

/* Connections ----------------------------------------------------------------------------------------------------- */

struct peer_search {
    const struct sockaddr_in *peers;
    size_t count;
    int how;
};

/* To connect an open connection to nobody is how Linux is told to abort it at once, whatever the linger time and
 * whoever holds the descriptor. */
static void end(int fd, int how)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    if (how == RESET)
        connect(fd, &nobody, sizeof(nobody));
    else
        shutdown(fd, how);
}

static void end_if_from_peers(int number, int duplicate, void *arg)
{
    const struct peer_search *search = arg;
    struct sockaddr_in remote = {0};
    socklen_t len = sizeof(remote);

    (void)number;
    if (getpeername(duplicate, (struct sockaddr *)&remote, &len) != 0 || remote.sin_family != AF_INET)
        return;
    for (size_t i = 0; i < search->count; i++)
        if (remote.sin_port == search->peers[i].sin_port && remote.sin_addr.s_addr == search->peers[i].sin_addr.s_addr)
            end(duplicate, search->how);
}

static void end_from(struct http_sockets *s, const struct sockaddr_in *peer, int how)
{
    struct peer_search search = {peer, 1, how};

    pthread_mutex_lock(&s->lock);
    each_socket_locked(s, end_if_from_peers, &search);
    pthread_mutex_unlock(&s->lock);
}

void http_sockets_end(struct http_sockets *s, const struct sockaddr_in *peer, int how)
{
    end_from(s, peer, how);
}

void http_sockets_reset(struct http_sockets *s, const struct sockaddr_in *peer)
{
    end_from(s, peer, RESET);
}

/* False for a socket that listens or has no peer any more. */
static bool connection_read(int fd, struct http_connection *c)
{
    struct tcp_info info = {0};
    struct stat file;
    socklen_t peer_len = sizeof(c->peer), info_len = sizeof(info);
    int unread = 0;

    if (socket_listens(fd) || ioctl(fd, FIONREAD, &unread) != 0 || fstat(fd, &file) != 0 ||
        getpeername(fd, (struct sockaddr *)&c->peer, &peer_len) != 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_len) != 0)
        return false;
    c->id = file.st_ino;
    c->received = info.tcpi_bytes_received;
    c->unread = (uint64_t)unread;
    c->quiet_ms = info.tcpi_last_data_recv;
    return true;
}

struct end_search {
    bool (*ends)(const struct http_connection *c, void *arg);
    void *arg;
    unsigned count;
};

static void end_if_it_ends(int number, int duplicate, void *arg)
{
    struct end_search *search = arg;
    struct http_connection c;

    (void)number;
    if (!connection_read(duplicate, &c) || !search->ends(&c, search->arg))
        return;
    shutdown(duplicate, SHUT_RD);
    search->count++;
}

unsigned http_sockets_end_where(struct http_sockets *s, bool (*ends)(const struct http_connection *c, void *arg),
                                void *arg)
{
    struct end_search search = {.ends = ends, .arg = arg};

    pthread_mutex_lock(&s->lock);
    each_socket_locked(s, end_if_it_ends, &search);
    pthread_mutex_unlock(&s->lock);
    return search.count;
}

/* Which connections have been quiet longest. */
struct quiet_search {
    unsigned least_ms;
    size_t most, count;
    unsigned quiet_ms[MOST_ENDED];
    struct sockaddr_in peers[MOST_ENDED];
};

/* Keeps the longest quiet ones, in order. Where something is there to be read the client has sent a request and waits
 * for a thread: it is not to blame. */
static void note_quiet(int number, int duplicate, void *arg)
{
    struct quiet_search *search = arg;
    struct http_connection c;
    size_t at;

    (void)number;
    if (!connection_read(duplicate, &c) || c.unread > 0 || c.quiet_ms < search->least_ms)
        return;
    for (at = search->count; at > 0 && search->quiet_ms[at - 1] < c.quiet_ms; at--) {
        if (at < search->most) {
            search->quiet_ms[at] = search->quiet_ms[at - 1];
            search->peers[at] = search->peers[at - 1];
        }
    }
    if (at < search->most) {
        search->quiet_ms[at] = c.quiet_ms;
        search->peers[at] = c.peer;
        search->count += search->count < search->most;
    }
}

unsigned http_sockets_end_quiet(struct http_sockets *s, unsigned least_ms, unsigned most)
{
    struct quiet_search search = {.least_ms = least_ms, .most = most < MOST_ENDED ? most : MOST_ENDED};

    pthread_mutex_lock(&s->lock);
    each_socket_locked(s, note_quiet, &search);
    if (search.count > 0) {
        struct peer_search ended = {search.peers, search.count, SHUT_RD};

        each_socket_locked(s, end_if_from_peers, &ended);
    }
    pthread_mutex_unlock(&s->lock);
    return (unsigned)search.count;
}

struct connection_count {
    bool end_input;
    unsigned count;
};

static void count_connection(int number, int duplicate, void *arg)
{
    struct connection_count *connections = arg;

    (void)number;
    if (socket_listens(duplicate))
        return;
    connections->count++;
    if (connections->end_input)
        shutdown(duplicate, SHUT_RD);
}

unsigned http_sockets_connections(struct http_sockets *s, bool end_input)
{
    struct connection_count connections = {.end_input = end_input};

    pthread_mutex_lock(&s->lock);
    each_socket_locked(s, count_connection, &connections);
    pthread_mutex_unlock(&s->lock);
    return connections.count;
}
