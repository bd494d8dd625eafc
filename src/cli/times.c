#include "cli/times.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t second_us = 1000000, day_s = 86400;

bool times_stretch(struct span text, int64_t *us)
{
    static const struct {
        char name;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
    unsigned long long n;

    if (text.len < 2 || !span_to_u64((struct span){text.data, text.len - 1}, &n))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (text.data[text.len - 1] == units[i].name && n <= (unsigned long long)(36525 * day_s / units[i].seconds)) {
            *us = (int64_t)n * units[i].seconds * second_us;
            return true;
        }
    return false;
}

/* Takes `len` digits and the character after them, which must be `then` (0: none wanted). */
static bool take_number(struct span *text, size_t len, char then, int *out)
{
    unsigned long long n;

    if (text->len < len + (then != '\0') || !span_to_u64((struct span){text->data, len}, &n) ||
        (then && text->data[len] != then))
        return false;
    *out = (int)n;
    text->data += len + (then != '\0');
    text->len -= len + (then != '\0');
    return true;
}

/* Of "Z" or "+08:00", which is all that is left. */
static bool take_zone(struct span text, int64_t *offset_s)
{
    int hours, minutes;
    bool west = text.len > 0 && text.data[0] == '-';

    *offset_s = 0;
    if (span_is_nocase(text, "z"))
        return true;
    if (text.len != 6 || (!west && text.data[0] != '+'))
        return false;
    text.data++;
    text.len--;
    if (!take_number(&text, 2, ':', &hours) || !take_number(&text, 2, '\0', &minutes) || hours > 23 || minutes > 59)
        return false;
    *offset_s = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

/* The fraction of a second after a '.', if there is one. */
static bool take_fraction(struct span *text, int64_t *us)
{
    int64_t unit = second_us / 10;

    *us = 0;
    if (text->len == 0 || text->data[0] != '.')
        return true;
    for (text->data++, text->len--; text->len > 0 && text->data[0] >= '0' && text->data[0] <= '9';
         text->data++, text->len--) {
        *us += (text->data[0] - '0') * unit;
        unit /= 10;
    }
    return text->data[-1] != '.';
}

static bool rfc3339(struct span text, int64_t *us)
{
    struct tm t = {0};
    int64_t offset_s = 0, fraction_us = 0;
    time_t seconds;
    int year, month, day;

    if (!take_number(&text, 4, '-', &year) || !take_number(&text, 2, '-', &month) ||
        !take_number(&text, 2, '\0', &day) || month < 1 || month > 12 || day < 1)
        return false;
    if (text.len > 0) {
        if (text.data[0] != 'T' && text.data[0] != 't' && text.data[0] != ' ')
            return false;
        text.data++;
        text.len--;
        if (!take_number(&text, 2, ':', &t.tm_hour) || !take_number(&text, 2, ':', &t.tm_min) ||
            !take_number(&text, 2, '\0', &t.tm_sec) || t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60 ||
            !take_fraction(&text, &fraction_us) || !take_zone(text, &offset_s))
            return false;
    }
    t.tm_year = year - 1900;
    t.tm_mon = month - 1;
    t.tm_mday = day;
    seconds = timegm(&t);
    *us = ((int64_t)seconds - offset_s) * second_us + fraction_us;
    return t.tm_mon == month - 1 && t.tm_mday == day; /* timegm makes the 31st of June the first of July */
}

bool times_moment(struct span text, int64_t now_us, int64_t *us)
{
    int64_t before_us;

    if (span_is(text, "now")) {
        *us = now_us;
        return true;
    }
    if (times_stretch(text, &before_us)) {
        *us = now_us - before_us;
        return true;
    }
    return rfc3339(text, us);
}

const char *times_text(int64_t us, char out[TIMES_TEXT])
{
    time_t seconds = (time_t)(us / second_us);
    struct tm t = {0};

    gmtime_r(&seconds, &t);
    if (strftime(out, TIMES_TEXT, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
        snprintf(out, TIMES_TEXT, "?");
    return out;
}

const char *times_text_us(int64_t us, char out[TIMES_TEXT])
{
    const int64_t fraction_us = (us % second_us + second_us) % second_us;

    times_text(us - fraction_us, out);
    if (fraction_us > 0 && out[0] != '?')
        snprintf(out + strlen(out) - 1, sizeof(".123456Z"), ".%06dZ", (int)fraction_us);
    return out;
}
