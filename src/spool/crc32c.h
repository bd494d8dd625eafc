/* crc32c.h - CRC-32C (Castagnoli), the checksum of segment headers and records; by the processor's own instruction
 * where it has one. No Debian library offers just this. */
#ifndef CHATSLUICE_SPOOL_CRC32C_H
#define CHATSLUICE_SPOOL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what gave crc (0: nothing yet) followed by these bytes. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The same without the instruction: what other processors run, and what the tests compare with. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
