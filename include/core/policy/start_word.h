/*
 * Where a processor begins that a guest starts: a word that those who send it messages and the processor itself share.
 * Of several start-up messages the first counts, until the next INIT, as on hardware. All of these may be called at
 * once, by any processors.
 */
#ifndef POLICY_START_WORD_H
#define POLICY_START_WORD_H

#include <stdbool.h>
#include <stdint.h>

/* All zeros, as after INIT: it waits for a message. */
struct start_word {
    uint32_t value;
};

/* Before INIT is sent: no message counts that came until now. */
void start_word_init(struct start_word *word);

/* Before a start-up message is sent. @vector  the number of the page where the processor is to begin */
void start_word_send(struct start_word *word, uint8_t vector);

/*
 * By the processor, when it has been started.
 *
 * @vector  filled when there is one
 * @return  false when no message counts, or it has been taken: each is good for one start
 */
bool start_word_take(struct start_word *word, uint8_t *vector);

/*
 * By the processor, when INIT has come, from wherever: it waits for a message. One that has not been taken is not the
 * last start's but the next one's, and stays.
 */
void start_word_stopped(struct start_word *word);

#endif
