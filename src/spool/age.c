#include "spool/spool_priv.h"

#include <string.h>

enum { FIRST_INTERVAL_US = 1000 * 1000 };

void age_init(struct age *age)
{
    age->count = 0;
    age->interval_us = FIRST_INTERVAL_US;
}

/* Every other mark goes, and new ones come half as often: a backlog of days costs no more memory than one of an hour.
 */
static void thin_out(struct age *age)
{
    for (size_t i = 0; i < AGE_MARKS / 2; i++)
        age->marks[i] = age->marks[2 * i];
    age->count = AGE_MARKS / 2;
    age->interval_us *= 2;
}

void age_note(struct age *age, uint64_t seq, int64_t appended_us)
{
    if (age->count > 0) {
        int64_t since = appended_us - age->marks[age->count - 1].appended_us;

        if (since > -age->interval_us && since < age->interval_us)
            return; /* also when the clock was set back a little, or two threads came in the other order */
    }
    if (age->count == AGE_MARKS)
        thin_out(age);
    age->marks[age->count++] = (struct age_mark){seq, appended_us};
}

/* Number of marks at or before seq. */
static size_t marks_upto(const struct age *age, uint64_t seq)
{
    size_t low = 0;
    size_t high = age->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (age->marks[middle].seq <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void age_forget(struct age *age, uint64_t seq)
{
    size_t n = marks_upto(age, seq);

    if (n < 2)
        return;
    age->count -= n - 1;
    memmove(age->marks, age->marks + n - 1, age->count * sizeof(age->marks[0]));
    if (age->count < AGE_MARKS / 4)
        age->interval_us = FIRST_INTERVAL_US;
}

int64_t age_of(const struct age *age, uint64_t seq)
{
    size_t n = marks_upto(age, seq);

    return n > 0 ? age->marks[n - 1].appended_us : 0;
}
