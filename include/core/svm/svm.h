/* The world switch of AMD's SVM, and what it does on an exit. Source: AMD APM volume 2, chapter 15. */
#ifndef SVM_SVM_H
#define SVM_SVM_H

#include "hvm.h"

/* Can this processor do it? Nothing is changed. */
struct hvm_support svm_support(void);

/* Start the guest, on the first processor; the others wait for the guest to start them. */
NORETURN void svm_start(const struct hvm_entry *entry);

#endif
