/*
 * Words before there is a console: COM1 (115200 8n1) and, where text is on display, the VGA screen; then a halt.
 * Only 32-bit code without paging comes here.
 */
#include "x86/image.h"
#include "x86/ports.h"

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

        .section .init.text.entry, "ax", @progbits
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

        .section .rodata, "a", @progbits
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
