/* CRC-32 as zlib.crc32() of Python computes it, so that the test that makes the bytes can name
 * their checksum. */
#ifndef GUEST_CRC32_H
#define GUEST_CRC32_H

#include <stdint.h>

/* Memory at a physical address that is mapped one to one. */
uint32_t crc32(const uint8_t *bytes, uint64_t count);

#endif
