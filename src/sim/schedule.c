#include "sim/schedule.h"

int64_t schedule_due_us(const struct schedule *s, uint64_t n, int64_t now_us)
{
    if (s->rate <= 0)
        return now_us;
    return s->start_us + (int64_t)((double)n * 1e6 / s->rate);
}

bool schedule_has(const struct schedule *s, uint64_t n, int64_t now_us)
{
    if (s->count > 0 && n >= s->count)
        return false;
    return s->seconds_us == 0 || schedule_due_us(s, n, now_us) < s->start_us + s->seconds_us;
}

uint64_t schedule_afters(double after_share, uint64_t n)
{
    return (uint64_t)((double)n * after_share);
}
