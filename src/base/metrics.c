#include "base/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>

static _Atomic int64_t values[METRIC_COUNT];

/* Upper bounds in microseconds, from a fast answer to the platform's own deadline (protocol.md section 1). */
static const int64_t bucket_us[] = {100,   250,    500,    1000,   2500,    5000,    10000,  25000,
                                    50000, 100000, 250000, 500000, 1000000, 1500000, 2000000};
enum { BUCKETS = sizeof(bucket_us) / sizeof(bucket_us[0]) };

static struct {
    _Atomic uint64_t counts[BUCKETS + 1]; /* the last: above every bound */
    _Atomic uint64_t sum_us;
} histograms[HISTOGRAM_COUNT];

void metric_add(enum metric m, uint64_t n)
{
    atomic_fetch_add_explicit(&values[m], (int64_t)n, memory_order_relaxed);
}

void metric_set(enum metric m, int64_t value)
{
    atomic_store_explicit(&values[m], value, memory_order_relaxed);
}

int64_t metric_value(enum metric m)
{
    return atomic_load_explicit(&values[m], memory_order_relaxed);
}

void metric_observe_us(enum histogram h, int64_t us)
{
    size_t bucket = 0;

    while (bucket < BUCKETS && us > bucket_us[bucket])
        bucket++;
    atomic_fetch_add_explicit(&histograms[h].counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histograms[h].sum_us, us > 0 ? (uint64_t)us : 0, memory_order_relaxed);
}

static void render_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void render_value(struct buf *out, enum metric m, const char *family, const char *labels)
{
    if (labels[0])
        buf_addf(out, "%s{%s} %" PRId64 "\n", family, labels, metric_value(m));
    else
        buf_addf(out, "%s %" PRId64 "\n", family, metric_value(m));
}

static void render_histogram(struct buf *out, enum histogram h, const char *family, const char *labels)
{
    const char *comma = labels[0] ? "," : "";
    uint64_t total = 0;

    for (size_t i = 0; i < BUCKETS; i++) {
        total += atomic_load_explicit(&histograms[h].counts[i], memory_order_relaxed);
        buf_addf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", family, labels, comma, (double)bucket_us[i] / 1e6,
                 total);
    }
    total += atomic_load_explicit(&histograms[h].counts[BUCKETS], memory_order_relaxed);
    buf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", family, labels, comma, total);
    if (labels[0]) {
        buf_addf(out, "%s_sum{%s} %.6f\n%s_count{%s} %" PRIu64 "\n", family, labels,
                 (double)atomic_load_explicit(&histograms[h].sum_us, memory_order_relaxed) / 1e6, family, labels,
                 total);
    } else {
        buf_addf(out, "%s_sum %.6f\n%s_count %" PRIu64 "\n", family,
                 (double)atomic_load_explicit(&histograms[h].sum_us, memory_order_relaxed) / 1e6, family, total);
    }
}

void metrics_render(struct buf *out)
{
#define FAMILY(name, type, help)      render_family(out, name, type, help);
#define COUNTER(id, family, labels)   render_value(out, METRIC_##id, family, labels);
#define GAUGE(id, family, labels)     render_value(out, METRIC_##id, family, labels);
#define HISTOGRAM(id, family, labels) render_histogram(out, HISTOGRAM_##id, family, labels);
#include "base/metrics_table.h"
}
