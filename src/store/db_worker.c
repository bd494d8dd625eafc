#include "store/db_worker.h"

#include "base/clock.h"
#include "base/wait.h"

#include <errno.h>

enum { GRACE_MS = 3000 };

void db_worker_init(struct db_worker *w)
{
    *w = (struct db_worker){.db = NULL};
    pthread_mutex_init(&w->lock, NULL);
    cond_init_monotonic(&w->wake);
}

void db_worker_release(struct db_worker *w)
{
    db_close(w->db);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
}

int db_worker_start(struct db_worker *w, void *(*body)(void *), void *arg, struct err *err)
{
    errno = pthread_create(&w->thread, NULL, body, arg);
    return errno == 0 ? 0 : err_set_errno(err, ERR_FAILED, "no thread");
}

bool db_worker_stopping(struct db_worker *w)
{
    bool yes;

    pthread_mutex_lock(&w->lock);
    yes = w->stopping;
    pthread_mutex_unlock(&w->lock);
    return yes;
}

bool db_worker_pause(struct db_worker *w, int64_t ms)
{
    int64_t until_us = clock_mono_us() + ms * 1000;
    bool go_on;

    pthread_mutex_lock(&w->lock);
    while (!w->stopping && !w->asked && cond_wait_until(&w->wake, &w->lock, until_us))
        continue;
    w->asked = false;
    go_on = !w->stopping;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

void db_worker_use(struct db_worker *w, struct db *db)
{
    struct db *before;

    pthread_mutex_lock(&w->lock);
    before = w->db;
    w->db = db;
    pthread_mutex_unlock(&w->lock);
    db_close(before);
}

static void tell(struct db_worker *w, bool *what)
{
    pthread_mutex_lock(&w->lock);
    *what = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void db_worker_ask(struct db_worker *w)
{
    tell(w, &w->asked);
}

void db_worker_end(struct db_worker *w)
{
    tell(w, &w->stopping);
}

void db_worker_join(struct db_worker *w)
{
    if (thread_join_within(w->thread, GRACE_MS))
        return;
    pthread_mutex_lock(&w->lock);
    if (w->db)
        db_cancel(w->db);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
}
