/* sections.h - what a report consists of, as data: which sections of the document there are, in which order they are
 * shown, and what stands in their columns. Every form is written from this table, so none can leave something out. */
#ifndef CHATSLUICE_REPORT_SECTIONS_H
#define CHATSLUICE_REPORT_SECTIONS_H

#include "wire/json_read.h"

enum column_kind {
    COLUMN_END,      /* no column */
    COLUMN_FIGURE,   /* the name of a single figure (texts "figure.NAME"), which says the unit of COLUMN_VALUE */
    COLUMN_VALUE,    /* of that figure */
    COLUMN_WORD,     /* one of our own words (texts "COLUMN.WORD"); shown as it is when it is not known */
    COLUMN_OUTSIDE,  /* text from outside */
    COLUMN_COUNT,    /* a number of things */
    COLUMN_NUMBER,   /* a number that names something */
    COLUMN_PPM,      /* a share, in parts per million */
    COLUMN_US,       /* a duration */
    COLUMN_SECONDS,  /* a duration */
    COLUMN_UP_TO_US, /* the upper bound of a class of durations, null: none */
    COLUMN_TIME,     /* a moment */
    COLUMN_STEP,     /* a moment that stands for a step of the trend */
    COLUMN_ACCOUNT,  /* who the offender in that place is */
};

enum chart_kind {
    CHART_NONE,
    CHART_TREND, /* steps of time, bars: all messages, and those acted on */
    CHART_BARS,  /* a bar for each of the first rows: label and value are columns */
};

struct report_column {
    const char *key;
    enum column_kind kind;
};

enum { SECTION_COLUMNS = 16, SECTION_BARS = 12 };

struct report_section {
    const char *key;     /* in the document, of texts "section.KEY", and "note.KEY" where there is more to say */
    const char *chapter; /* texts "chapter.CHAPTER": one begins here; NULL: the one before goes on */
    enum chart_kind chart;
    unsigned label, value; /* of CHART_BARS: columns */
    struct report_column columns[SECTION_COLUMNS];
};

extern const struct report_section report_sections[];
extern const size_t report_section_count;

size_t section_columns(const struct report_section *section);
/* Its rows, and how many more there are. */
struct json_value section_rows(struct json_value document, const struct report_section *section);
int64_t section_left_out(struct json_value document, const struct report_section *section);
struct json_value section_cell(struct json_value row, const struct report_column *column);

/* What a cell of kind COLUMN_VALUE is, by the name of its figure. */
enum column_kind figure_kind(struct span name);

#endif
