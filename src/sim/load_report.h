/* load_report.h - what a load run found, for people or as the JSON object of design.md section 11. */
#ifndef CHATSLUICE_SIM_LOAD_REPORT_H
#define CHATSLUICE_SIM_LOAD_REPORT_H

#include "sim/load_worker.h"

/* Adds other to sum. */
void load_counts_merge(struct load_counts *sum, const struct load_counts *other);

/* A run is void when a request got lost in the counting: sent = answered + refused + failed must hold. */
bool load_is_void(const struct load_counts *counts);

void load_report_json(struct buf *out, const struct load_counts *counts, double seconds);
void load_report_text(struct buf *out, const struct load_counts *counts, double seconds);

#endif
