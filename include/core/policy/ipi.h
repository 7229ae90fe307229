/*
 * A message between processors, as a guest writes it into its local APIC's interrupt command register. Those that would
 * start a processor outside of Berth are told apart; all others are the hardware's.
 * Source: Intel SDM volume 3A, section 10.6.1 (xAPIC) and 10.12.9 (x2APIC); 11.6.1 and 11.12.9 in later editions.
 */
#ifndef POLICY_IPI_H
#define POLICY_IPI_H

#include <stdbool.h>
#include <stdint.h>

enum ipi_kind {
    IPI_ORDINARY, /* goes to the hardware as it is */
    IPI_INIT,
    IPI_START,
    IPI_NOTHING, /* INIT level de-assert: no processor of today heeds it */
    IPI_REFUSED, /* what is reserved in x2APIC mode: #GP */
};

enum ipi_target { IPI_TO_ONE, IPI_TO_SELF, IPI_TO_ALL, IPI_TO_OTHERS };

struct ipi {
    enum ipi_kind kind;
    uint8_t vector; /* IPI_START: of the page */
    enum ipi_target target;
    bool logical;
    uint32_t destination;
};

/* @icr  bits 63:32 are the destination, in xAPIC mode in the upper byte of those */
struct ipi ipi_decode(uint64_t icr, bool x2apic);

/* How a processor is addressed. */
struct ipi_address {
    uint32_t apic_id;
    uint32_t logical_id; /* its LDR: x2APIC's as it is, xAPIC's in bits 31:24 */
    bool flat;           /* xAPIC: DFR says flat model, else cluster */
};

/* In x2APIC mode nobody chooses it: it follows from the id. */
uint32_t ipi_x2apic_logical_id(uint32_t apic_id);

/* Is the processor `who` meant by what `sender` sent? */
bool ipi_reaches(const struct ipi *ipi, bool x2apic, uint32_t sender,
                 const struct ipi_address *who);

#endif
