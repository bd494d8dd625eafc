/* disk.h - the disk of one instance: real files in a folder, with a memory of what is on the platter.
 *
 * The files are what the process sees. Beside each the disk keeps what a power cut would leave: a write counts when the
 * file was synced, a name when its folder was. A power cut keeps, by the seed, any of the other changes: written bytes
 * in blocks of 512 each for itself, names in the order they were changed or, in half of the cases, each for itself.
 * After a failed sync the kernel calls the pages clean: what of them is not on the platter is gone at the next start.
 *
 * Descriptors belong to the process that opened them, and are closed when it is killed; so the lock of the directory
 * falls. What the spool does not do through struct spool_io (opening, listing, locking) is real. */
#ifndef CHATSLUICE_SIMULATION_DISK_H
#define CHATSLUICE_SIMULATION_DISK_H

#include "spool/spool_priv.h"

struct disk;

struct disk_faults {      /* chances: once in so many calls; 0: never */
    unsigned slow, stall; /* a sync that takes up to 50 ms, up to 2 s */
    unsigned sync_error, write_error, read_error;
    unsigned short_io;
    bool full;
};

struct disk *disk_new(const char *directory); /* one that is to be made, in the present folder */
const struct spool_io *disk_io(struct disk *d);
const char *disk_directory(const struct disk *d);
struct disk_faults *disk_faults(struct disk *d);

bool disk_refused_reads(const struct disk *d);            /* ever */
void disk_process_over(struct disk *d, unsigned process); /* killed or ended */
void disk_power_cut(struct disk *d);                      /* after that */
void disk_free(struct disk *d);                           /* removes the folder */

#endif
