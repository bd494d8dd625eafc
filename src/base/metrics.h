/* metrics.h - counters, gauges and histograms of this process, printed in the Prometheus text format.
 *
 * The list is data: metrics_table.h names every series with type, labels and help, and the enum below is made from
 * it. Threads: any; an update is one relaxed atomic addition. */
#ifndef CHATSLUICE_BASE_METRICS_H
#define CHATSLUICE_BASE_METRICS_H

#include "base/buf.h"

#include <stdint.h>

enum metric {
#define COUNTER(id, family, labels) METRIC_##id,
#define GAUGE(id, family, labels)   METRIC_##id,
#include "base/metrics_table.h"
    METRIC_COUNT
};

enum histogram {
#define HISTOGRAM(id, family, labels) HISTOGRAM_##id,
#include "base/metrics_table.h"
    HISTOGRAM_COUNT
};

void metric_add(enum metric m, uint64_t n);
static inline void metric_count(enum metric m)
{
    metric_add(m, 1);
}
void metric_set(enum metric m, int64_t value); /* gauges */
int64_t metric_value(enum metric m);

/* Durations in microseconds; buckets from 100 us to 2 s. Printed in seconds, as Prometheus asks. */
void metric_observe_us(enum histogram h, int64_t us);

/* Adds the whole exposition to out. */
void metrics_render(struct buf *out);

#endif
