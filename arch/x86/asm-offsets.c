/*
 * Numbers that only the compiler knows, for assembly: compiled to text, from which the Makefile
 * makes asm-offsets.h.
 */
#include <stddef.h>

#include "boot_info.h"
#include "efi32.h"
#include "guest_state.h"
#include "processors.h"
#include "trap.h"
#include "ways.h"

#define DEFINE(name, value) asm volatile("\n.ascii \"->" #name " %0\"" : : "i"(value))

void asm_offsets(void);
void asm_offsets(void)
{
    DEFINE(ENTRY_MAGIC, offsetof(struct entry_regs, magic));
    DEFINE(ENTRY_INFO_PA, offsetof(struct entry_regs, info_pa));
    DEFINE(ENTRY_LOAD_BASE, offsetof(struct entry_regs, load_base));
    DEFINE(ENTRY_TSC, offsetof(struct entry_regs, entry_tsc));
    DEFINE(ENTRY_REGS_BYTES, sizeof(struct entry_regs));

    DEFINE(LOADER_IDT, offsetof(struct loader_state, idt_limit));
    DEFINE(LOADER_CR0, offsetof(struct loader_state, cr0));
    DEFINE(LOADER_CR3, offsetof(struct loader_state, cr3));
    DEFINE(LOADER_CR4, offsetof(struct loader_state, cr4));
    DEFINE(LOADER_EFER, offsetof(struct loader_state, efer));
    DEFINE(LOADER_STATE_BYTES, sizeof(struct loader_state));

    DEFINE(CALL_GDT, offsetof(struct efi32_call, gdt_limit));
    DEFINE(CALL_CODE, offsetof(struct efi32_call, code));
    DEFINE(CALL_DATA, offsetof(struct efi32_call, data));
    DEFINE(CALL_STACK, offsetof(struct efi32_call, stack_pa));
    DEFINE(CALL_GET_MEMORY_MAP, offsetof(struct efi32_call, get_memory_map));
    DEFINE(CALL_EXIT_BOOT_SERVICES, offsetof(struct efi32_call, exit_boot_services));
    DEFINE(CALL_IMAGE, offsetof(struct efi32_call, image));
    DEFINE(CALL_MAP_PA, offsetof(struct efi32_call, map_pa));
    DEFINE(CALL_MAP_CAPACITY, offsetof(struct efi32_call, map_capacity_bytes));
    DEFINE(CALL_ATTEMPTS, offsetof(struct efi32_call, attempts));
    DEFINE(CALL_MAP_BYTES, offsetof(struct efi32_call, map_bytes));
    DEFINE(CALL_KEY, offsetof(struct efi32_call, key));
    DEFINE(CALL_DESCRIPTOR_BYTES, offsetof(struct efi32_call, descriptor_bytes));
    DEFINE(CALL_DESCRIPTOR_VERSION, offsetof(struct efi32_call, descriptor_version));
    DEFINE(CALL_STATUS, offsetof(struct efi32_call, status));

    DEFINE(CALL32_FUNCTION, offsetof(struct call32, function));
    DEFINE(CALL32_ARGUMENTS, offsetof(struct call32, arguments));
    DEFINE(CALL32_STACK, offsetof(struct call32, stack_pa));
    DEFINE(CALL32_OWN_STACK, offsetof(struct call32, own_stack));
    DEFINE(CALL32_OWN_GDT, offsetof(struct call32, own_gdt));

    DEFINE(START_X2APIC, offsetof(struct processors_start_info, x2apic));
    DEFINE(START_COUNT, offsetof(struct processors_start_info, count));
    DEFINE(START_IDS, offsetof(struct processors_start_info, apic_ids));
    DEFINE(START_APIC, offsetof(struct processors_start_info, apic_registers));
    DEFINE(START_IDT, offsetof(struct processors_start_info, idt_limit));

    DEFINE(GUEST_RAX, offsetof(struct guest_state, gpr[GPR_AX]));
    DEFINE(GUEST_RCX, offsetof(struct guest_state, gpr[GPR_CX]));
    DEFINE(GUEST_RDX, offsetof(struct guest_state, gpr[GPR_DX]));
    DEFINE(GUEST_RBX, offsetof(struct guest_state, gpr[GPR_BX]));
    DEFINE(GUEST_RBP, offsetof(struct guest_state, gpr[GPR_BP]));
    DEFINE(GUEST_RSI, offsetof(struct guest_state, gpr[GPR_SI]));
    DEFINE(GUEST_RDI, offsetof(struct guest_state, gpr[GPR_DI]));
    DEFINE(GUEST_R8, offsetof(struct guest_state, gpr[GPR_8]));
    DEFINE(GUEST_R9, offsetof(struct guest_state, gpr[GPR_8 + 1]));
    DEFINE(GUEST_R10, offsetof(struct guest_state, gpr[GPR_8 + 2]));
    DEFINE(GUEST_R11, offsetof(struct guest_state, gpr[GPR_8 + 3]));
    DEFINE(GUEST_R12, offsetof(struct guest_state, gpr[GPR_8 + 4]));
    DEFINE(GUEST_R13, offsetof(struct guest_state, gpr[GPR_8 + 5]));
    DEFINE(GUEST_R14, offsetof(struct guest_state, gpr[GPR_8 + 6]));
    DEFINE(GUEST_R15, offsetof(struct guest_state, gpr[GPR_8 + 7]));

    DEFINE(TRAP_RAX, offsetof(struct trap_frame, rax));
    DEFINE(TRAP_RBX, offsetof(struct trap_frame, rbx));
    DEFINE(TRAP_RCX, offsetof(struct trap_frame, rcx));
    DEFINE(TRAP_RDX, offsetof(struct trap_frame, rdx));
    DEFINE(TRAP_RSI, offsetof(struct trap_frame, rsi));
    DEFINE(TRAP_RDI, offsetof(struct trap_frame, rdi));
    DEFINE(TRAP_RBP, offsetof(struct trap_frame, rbp));
    DEFINE(TRAP_R8, offsetof(struct trap_frame, r8));
    DEFINE(TRAP_R9, offsetof(struct trap_frame, r9));
    DEFINE(TRAP_R10, offsetof(struct trap_frame, r10));
    DEFINE(TRAP_R11, offsetof(struct trap_frame, r11));
    DEFINE(TRAP_R12, offsetof(struct trap_frame, r12));
    DEFINE(TRAP_R13, offsetof(struct trap_frame, r13));
    DEFINE(TRAP_R14, offsetof(struct trap_frame, r14));
    DEFINE(TRAP_R15, offsetof(struct trap_frame, r15));
    DEFINE(TRAP_CR2, offsetof(struct trap_frame, cr2));
    DEFINE(TRAP_VECTOR, offsetof(struct trap_frame, vector));
    DEFINE(TRAP_BYTES, sizeof(struct trap_frame));
}
