/* db_worker.h - a thread that works on a database connection of its own: its waiting, and an end that cannot hang.
 *
 * Part of what the thread works with (struct loader, rollup, ...), whose functions pass it on. The connection is used
 * by the thread alone; others only cancel what runs on it, which db_worker_join() does. */
#ifndef CHATSLUICE_STORE_DB_WORKER_H
#define CHATSLUICE_STORE_DB_WORKER_H

#include "base/err.h"
#include "store/db.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct db_worker {
    pthread_t thread;
    pthread_mutex_t lock; /* guards the next two, and replacing db; its owner may guard more by it */
    pthread_cond_t wake;
    bool stopping, asked;
    struct db *db; /* NULL: not connected */
};

void db_worker_init(struct db_worker *w);
/* After the thread's end, or without it ever having begun; closes the connection. */
void db_worker_release(struct db_worker *w);
/* Begins the thread, body(arg). ERR_FAILED: there is none. */
int db_worker_start(struct db_worker *w, void *(*body)(void *), void *arg, struct err *err);

/* For the thread. */
bool db_worker_stopping(struct db_worker *w);
/* Sleeps so long, or until it is asked or to end. False: the thread is to end. */
bool db_worker_pause(struct db_worker *w, int64_t ms);
/* Takes the connection, NULL for none, and closes the one before. */
void db_worker_use(struct db_worker *w, struct db *db);

/* For others. */
void db_worker_ask(struct db_worker *w); /* ends a db_worker_pause(), this one or the next */
void db_worker_end(struct db_worker *w); /* tells the thread to end */
/* Waits for that: 3 s for what runs on the connection to end by itself, then it is cancelled. */
void db_worker_join(struct db_worker *w);

#endif
