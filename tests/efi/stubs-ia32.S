/*
 * The stubs in front of the services, IA-32: one of 16 bytes for each, in the order of services.c.
 *
 * IN      a cdecl call (UEFI specification 2.10, section 2.3.2): arguments on the stack; DF is not trusted
 * OUT     a jump to what service_enter returns. CLOBBERS eax, ecx, edx
 */
#define SERVICES 59

    .text
    .balign 16
    .globl _service_stubs
_service_stubs:
    .set index, 0
    .rept SERVICES
    .balign 16, 0xcc
    push $index
    jmp service_common
    .set index, index + 1
    .endr

    .balign 16, 0xcc
service_common:
    pushfl
    cld
    mov %esp, %eax              /* struct service_frame */
    push %eax
    call _service_enter
    add $4, %esp
    popfl
    lea 4(%esp), %esp           /* the index; flags are the caller's */
    jmp *%eax

/*
 * IN      a service has returned here: eax is its result, esp is behind the slot of the return address
 * OUT     a return to the caller. CLOBBERS, with poison, what the convention lets a callee change
 */
    .globl _service_return
_service_return:
    sub $4, %esp                /* the slot again: an interrupt must not use it */
    push %eax
    lea 4(%esp), %eax
    push %eax
    call _service_leave
    add $4, %esp
    mov %eax, 4(%esp)
    mov $0xdeadbeef, %ecx
    mov %ecx, %edx
    cmp %esp, %ecx              /* arithmetic flags */
    pop %eax
    ret

/*
 * In front of SetVirtualAddressMap when boot services have ended: runs where tables.c has copied it to.
 *
 * IN      a cdecl call
 * OUT     a jump to the service, with its arguments. CLOBBERS eax, ecx
 */
#define VIRTUAL_MAP_CALLED 0xb007
    .globl _virtual_map_stub, _virtual_map_stub_end
_virtual_map_stub:
    call 1f
1:  pop %eax
    mov (2f - 1b)(%eax), %ecx
    movl $VIRTUAL_MAP_CALLED, (%ecx)
    jmp *(3f - 1b)(%eax)
2:  .long 0                     /* struct virtual_map_slots: written */
3:  .long 0                     /* original */
_virtual_map_stub_end:
