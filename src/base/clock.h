/* clock.h - the two clocks: one that never steps, for durations and deadlines, and the wall clock, for times that
 * are stored or compared with the platform's. */
#ifndef CHATSLUICE_BASE_CLOCK_H
#define CHATSLUICE_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_us(void);
int64_t clock_wall_us(void); /* microseconds since 1970, UTC */
void clock_sleep_ms(unsigned ms);

#endif
