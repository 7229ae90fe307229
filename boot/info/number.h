/* Numbers in text. Private to boot/info. */
#ifndef INFO_NUMBER_H
#define INFO_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A number up to `most` in one of the bases 10 and 16, without a sign or a prefix.
 *
 * @at      left at the first character that is no digit
 * @number  set only on success
 * @return  false when there is no digit, or it is more
 */
bool number_take(const char **at, unsigned int base, uint64_t most, uint64_t *number);

#define NUMBER_DECIMAL 10
#define NUMBER_HEX     16

#endif
