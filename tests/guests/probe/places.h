/* What assembly and C share. */
#ifndef PLACES_H
#define PLACES_H

/* Vector by which code in ring 3 says that it has finished. */
#define VECTOR_FINISHED 0x80

/* Selectors of the guest's own table, as assembly has them too. */
#define CODE_SELECTOR      0x10
#define DATA_SELECTOR      0x18
#define USER_DATA_SELECTOR 0x23
#define USER_CODE_SELECTOR 0x2b
#define TASK_SELECTOR      0x30

/* Where a processor that was started leaves what it found: offsets in the page that it was started in. */
#define MAIL_COUNT      0xf00 /* times that it came here */
#define MAIL_EDX        0xf04
#define MAIL_CR0        0xf08
#define MAIL_CS         0xf0c
#define MAIL_DS         0xf0e
#define MAIL_TOUCH      0xf10 /* in: a segment to read from and write to; 0: none */
#define MAIL_TURN       0xf12 /* in: not 0: do not sleep */
#define MAIL_READ       0xf14 /* what that segment's first bytes were */
#define MAIL_READ_AGAIN 0xf18
#define MAIL_END        0xf1c
#define MAIL_WRITTEN    0x5aa5c33c

#endif
