/*
 * Words before there is a console: COM1 (115200 8n1) and, where text is on display, the VGA screen; then a halt.
 * Only 32-bit code without paging comes here: with an error, or by an exception, for which there is an IDT.
 */
#include "x86/image.h"
#include "x86/ports.h"
#include "x86/segments.h"
#include "x86/vectors.h"

#define EARLY_STUB_BYTES 4
#define HEX_DIGITS       8              /* of 32 bits */

/* Wait until COM1 takes a character, but not for ever. Clobbers eax, ecx, edx. */
.macro com1_wait
        mov     $COM1_PORT + UART_LINE_STATUS, %edx
        mov     $UART_WAIT_READS, %ecx
.Lwait\@:
        in      %dx, %al
        test    $UART_CAN_SEND, %al
        loopz   .Lwait\@
.endm

.macro com1_set register, value
        mov     $COM1_PORT + \register, %edx
        mov     $\value, %al
        out     %al, %dx
.endm

.macro com1_start
        com1_set UART_LINE_CONTROL, UART_LATCH_OPEN
        com1_set UART_DIVISOR_LOW, 1
        com1_set UART_DIVISOR_HIGH, 0
        com1_set UART_LINE_CONTROL, UART_8N1
        com1_set UART_INTERRUPTS, 0
        com1_set UART_FIFO, UART_FIFO_ON
        com1_set UART_MODEM_CONTROL, UART_DTR_RTS
.endm

        .section .text, "ax", @progbits
        .code32
/*
 * Print "(BERTH) error: ", the message, and "(BERTH) halted".
 *
 * IN       edi = address of the message, NUL-terminated; esi = load base
 * OUT      never
 * CLOBBERS everything
 */
        .globl early_error
early_error:
        mov     %edi, %ebp

        /* The top rows of the screen, if it shows text at 0xb8000; without a VGA the ports read as all ones. */
        mov     $VGA_GRAPHICS_INDEX, %edx
        mov     $VGA_MISCELLANEOUS, %al
        out     %al, %dx
        inc     %edx
        in      %dx, %al
        and     $VGA_MISC_MASK, %al
        cmp     $VGA_MISC_TEXT_B8, %al
        jne     3f
        mov     $VGA_TEXT_PA, %edx
        lea     sym_esi(text_error), %edi
        mov     $sym_offs(1f), %ebx
        jmp     vga_text
1:      mov     %ebp, %edi
        mov     $sym_offs(2f), %ebx
        jmp     vga_text
2:      lea     sym_esi(text_halted), %edi
        mov     $sym_offs(3f), %ebx
        jmp     vga_text

3:      com1_start
        lea     sym_esi(text_error), %edi
        mov     $sym_offs(4f), %ebx
        jmp     com1_text
4:      mov     %ebp, %edi
        mov     $sym_offs(5f), %ebx
        jmp     com1_text
5:      lea     sym_esi(text_halted), %edi
        mov     $sym_offs(early_halt), %ebx
        jmp     com1_text
early_halt:
        cli
        hlt
        jmp     early_halt

/* IN edi = text, ebx = offset in the image to go on at. CLOBBERS eax, ecx, edx, edi, ebx */
com1_text:
        com1_wait
        mov     (%edi), %al
        inc     %edi
        test    %al, %al
        jz      early_return
        mov     $COM1_PORT + UART_DATA, %edx
        out     %al, %dx
        jmp     com1_text

/* IN edi = text, edx = place on the screen, ebx as above. OUT edx behind the text. CLOBBERS eax, ecx, edi, ebx */
vga_text:
        mov     $VGA_ERROR_STYLE << 8, %eax
        mov     (%edi), %al
        inc     %edi
        test    %al, %al
        jz      early_return
        cmp     $'\r', %al
        je      vga_text
        cmp     $'\n', %al
        je      1f
        mov     %ax, (%edx)
        add     $2, %edx
        jmp     vga_text
1:      /* to the start of the next row: rows are 160 bytes */
        lea     -VGA_TEXT_PA(%edx), %eax
        xor     %edx, %edx
        mov     $VGA_TEXT_COLUMNS * 2, %ecx
        div     %ecx
        inc     %eax
        mul     %ecx
        lea     VGA_TEXT_PA(%eax), %edx
        jmp     vga_text

early_return:
        add     %esi, %ebx
        jmp     *%ebx

/*
 * Neither the info block nor the BIOS data area is memory, so that the image cannot even find itself: what is said
 * comes from the instructions alone.
 *
 * IN nothing. OUT never. CLOBBERS everything
 */
        .globl early_error_nowhere
early_error_nowhere:
        com1_start
        .irp character, '(', 'B', 'E', 'R', 'T', 'H', ')', ' ', 'e', 'r', 'r', 'o', 'r', ':', \
                ' ', 'n', 'o', ' ', 'm', 'e', 'm', 'o', 'r', 'y', ' ', 'a', 't', ' ', \
                'e', 'b', 'x', ' ', 'o', 'r', ' ', '0', 'x', '4', 'f', '0'
        com1_wait
        mov     $\character, %al
        mov     $COM1_PORT + UART_DATA, %edx
        out     %al, %dx
        .endr
        jmp     early_halt

/*
 * Build the IDT of 32-bit code for where the image is now, and load it.
 *
 * IN       32-bit code without paging at the load base; SEL_CODE32 is flat code in the descriptor
 *          table in force, or in the one that is loaded next; esi = load base, esp = a stack
 * OUT      every exception and NMI is an error in words: early_fault
 * CLOBBERS eax, ecx, edx, edi.   FAIL never
 * Source:  Intel SDM volume 3A, section 6.11 (gates)
 */
        .globl early_idt_load
early_idt_load:
        lea     sym_esi(early_stubs), %eax
        lea     sym_esi(early_idt), %edi
        mov     $VECTOR_COUNT, %ecx
1:      movzwl  %ax, %edx
        or      $SEL_CODE32 << 16, %edx
        mov     %edx, (%edi)
        mov     %eax, %edx
        mov     $GATE_INTERRUPT << 8, %dx
        mov     %edx, 4(%edi)
        add     $EARLY_STUB_BYTES, %eax
        add     $GATE32_BYTES, %edi
        loop    1b

/* The same where it has been built already: the image has not moved since. CLOBBERS edi */
        .globl early_idt_reload
early_idt_reload:
        lea     sym_esi(early_idt), %edi
        push    %edi
        pushw   $VECTOR_COUNT * GATE32_BYTES - 1
        lidt    (%esp)
        add     $6, %esp
        ret

        .balign EARLY_STUB_BYTES
early_stubs:
        .set    vector, 0
        .rept   VECTOR_COUNT
        .balign EARLY_STUB_BYTES
        push    $vector
        jmp     early_fault
        .set    vector, vector + 1
        .endr
        .org    early_stubs + VECTOR_COUNT * EARLY_STUB_BYTES   /* an error, should a stub be too long */

/*
 * IN       Intel SDM volume 3A, section 6.12.1: on the stack the vector, an error code for some, eip; flat data
 *          segments
 * LIVE     esi = load base; ecx = eip, edx = error code, until they are written down
 * OUT      edi = the message: early_error.   CLOBBERS everything
 * FAIL     a second one halts
 */
early_fault:
        call    1f
1:      pop     %esi
        sub     $sym_offs(1b), %esi
        btsl    $0, sym_esi(early_faults)
        jc      early_halt
        pop     %eax
        xor     %edx, %edx
        mov     $VECTORS_WITH_ERROR_CODE, %ecx
        bt      %eax, %ecx
        jnc     1f
        pop     %edx
1:      pop     %ecx
        lea     sym_esi(fault_vector), %edi
        call    hex_write
        mov     %edx, %eax
        lea     sym_esi(fault_code), %edi
        call    hex_write
        mov     %ecx, %eax
        lea     sym_esi(fault_place), %edi
        call    hex_write
        mov     %esi, %eax
        lea     sym_esi(fault_base), %edi
        call    hex_write
        lea     sym_esi(msg_fault), %edi
        jmp     early_error

/* IN eax = a number, edi = where its digits go. CLOBBERS ebx, ebp, edi */
hex_write:
        mov     $HEX_DIGITS, %ebp
1:      rol     $4, %eax
        mov     %eax, %ebx
        and     $0xf, %ebx
        mov     sym_offs(hex_digits)(%esi, %ebx), %bl
        mov     %bl, (%edi)
        inc     %edi
        dec     %ebp
        jnz     1b
        ret

        .section .bss..noinit, "aw", @nobits
        .balign GATE32_BYTES
early_idt:
        .skip   VECTOR_COUNT * GATE32_BYTES

        .section .data, "aw", @progbits
early_faults:
        .long   0
msg_fault:
        .ascii  "exception 0x"
fault_vector:
        .ascii  "........ error-code=0x"
fault_code:
        .ascii  "........ at 0x"
fault_place:
        .ascii  "........ in 32-bit code, image at 0x"
fault_base:
        .asciz  "........ - report this line"

        .section .rodata, "a", @progbits
hex_digits:
        .ascii  "0123456789abcdef"
text_error:
        .asciz "(BERTH) error: "
text_halted:
        .asciz "\r\n(BERTH) halted\r\n"
        .globl msg_bad_place, msg_bad_loader, msg_no_long_mode
msg_bad_place:
        .asciz "the loader put the image where it cannot run - load it at a 4 KiB boundary below 0xffe00000"
msg_bad_loader:
        .asciz "not started by a multiboot1 or multiboot2 loader - start this file with GRUB's multiboot2 command"
msg_no_long_mode:
        .asciz "this CPU has no 64-bit mode - use a CPU with long mode (CPUID 0x80000001 EDX bit 29)"
