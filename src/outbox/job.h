/* job.h - one claimed row on its way: claimed, begun, ended. */
#ifndef CHATSLUICE_OUTBOX_JOB_H
#define CHATSLUICE_OUTBOX_JOB_H

#include "outbox/applications.h"
#include "outbox/row.h"

struct job {
    struct row row; /* its texts are in bytes */
    struct job *next;
    struct application *app;
    int64_t send_before_us; /* later than this its claim may have lapsed */
    unsigned signature;     /* number of the one it was made with */
    char bytes[];
};

#endif
