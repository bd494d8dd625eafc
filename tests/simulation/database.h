/* database.h - the service's connections to the real PostgreSQL, in virtual time and with faults.
 *
 * store/db.h is wrapped. A statement travels to the server and back in virtual time and is carried out at one instant
 * of it; while one connection has a transaction open, statements of the others wait. The server's own clock is the
 * virtual one: database_prepare() makes a schema `sim` whose now(), clock_timestamp() and random() come before
 * pg_catalog's in the search path, when the migrations are run as well as later, and read a file the simulator writes
 * before each statement.
 *
 * A connection that is lost ends its transaction at once. What is not simulated: a server that finds out later. */
#ifndef CHATSLUICE_SIMULATION_DATABASE_H
#define CHATSLUICE_SIMULATION_DATABASE_H

#include "store/db.h"

struct database_faults { /* chances: once in so many; 0: never */
    unsigned slow;       /* a statement that takes up to a second */
    unsigned lost_before, lost_after, lost_in_commit, refused, cancelled;
    bool away; /* no server */
};

struct database_figures {
    uint64_t statements, commits, faults;
};

/* Makes the schema and the clock's file in the present folder; once for a database. */
int database_prepare(const char *url, struct err *err);

/* Before each seed: empty tables, no faults. */
void database_begin(const char *url);
struct database_faults *database_faults(void);
struct database_figures database_figures(void);
void database_process_killed(unsigned process);

/* The simulator's own look into the tables: no faults, no time. *out as of db_query. */
void database_look(struct db_result **out, const char *sql);

/* Told of what the service commits. */
extern void (*database_on_position)(const char *spool_id, uint64_t from, uint64_t to);

#endif
