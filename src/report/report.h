/* report.h - what happened in a period, for auditors: one frozen document of figures, shown in several forms.
 *
 * The figures come from one function of the database (migrations/0012_report.sql, which says what each of them means)
 * and are frozen there with the first answer: the same question about the same moment gives the same document later,
 * whatever was loaded, decided or erased since. Here they are only fetched and shown. The same version of the program
 * shows the same document as the same bytes: nothing in the output comes from clock, locale or the order of a hash.
 *
 * Forms: HTML for people (report/html.h), CSV for spreadsheets (report/csv.h), JSON for programs (below):
 *
 *     {"program":"chatsluice 0.1.0", "report_id":"...",
 *      "people":[{"place":1,"account":"viewer_19"},...],   null when they are withheld; an account null once erased
 *      "document":{"version":1, ...}}
 *
 * Everything in a document but its structure is outside text: rule names, notes, accounts, rooms. Threads: any, one at
 * a time for each report. */
#ifndef CHATSLUICE_REPORT_REPORT_H
#define CHATSLUICE_REPORT_REPORT_H

#include "base/uuid.h"
#include "store/db.h"
#include "wire/json_read.h"

#define REPORT_PROGRAM "chatsluice " CHATSLUICE_VERSION

/* Moments are RFC 3339, or a day alone ("2026-11-23"): its beginning in the time zone. */
struct report_question {
    const char *from, *to, *as_of;
    const char *time_zone;
    const char *room, *app; /* NULL: all */
};

struct report {
    char id[UUID_STRING];
    struct buf document; /* JSON, as it is frozen */
    struct json_reader *reader;
    struct json_value root;      /* of the document */
    struct db_result *offenders; /* who they are, in the order of their places; NULL: withheld from this reader */
};

#define REPORT_INIT ((struct report){0})

/* Asks for a report and freezes it when it is new. ERR_USAGE: the question makes no sense (a period that ends before it
 * begins, an unknown time zone, a moment in the future). ERR_NOT_FOUND: no webhook of that room is stored. */
int report_ask(struct report *out, struct db *db, const struct report_question *question, struct err *err);
/* A report of a document that is already there; borrows nothing. For tests. */
int report_of_document(struct report *out, struct span document, struct err *err);
void report_release(struct report *report);

/* The account of the offender in that place, from 1 on; data NULL: erased, or withheld from this reader. */
struct span report_account(const struct report *report, int64_t place);

void report_json(struct buf *out, const struct report *report);

#endif
