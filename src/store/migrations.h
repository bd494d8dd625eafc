/* migrations.h - the numbered files of migrations/ as they were at build time; private to store. The table is written
 * by embed_migrations.cmake: ordered, numbered from 1 without gaps. */
#ifndef CHATSLUICE_STORE_MIGRATIONS_H
#define CHATSLUICE_STORE_MIGRATIONS_H

struct migration {
    unsigned version;
    const char *name;
    const char *checksum; /* lower-case hex SHA-256 of the file */
    const char *sql;
};

extern const struct migration migrations[];
extern const unsigned migration_count;

#endif
