/* A guest's writes to its local APIC, where those go through Berth. */
#ifndef HVM_APIC_GUEST_H
#define HVM_APIC_GUEST_H

#include "vcpu.h"

/*
 * A write to the interrupt command register, of all 64 bits. Messages that start processors are sent on so that these
 * come to Berth first.
 */
enum hvm_answer hvm_ipi(struct vcpu *vcpu, uint64_t icr);

/* A register of the APIC's page; a write of 32 bits to one. */
uint32_t hvm_apic_read(uint64_t gpa);
enum hvm_answer hvm_apic_write(struct vcpu *vcpu, uint64_t gpa, uint32_t value);

#endif
