#!/usr/bin/python3
"""Make an initrd: busybox and one /init, as a gzip-compressed cpio archive (newc). The same input gives the same bytes.

usage: mkinitrd.py [--init shell|report|efi|quiet|commands] [--pad BYTES] [--file NAME=PATH]... [--modules FOLDER]
                   [--busybox /bin/busybox] OUT

  shell    a banner, then a shell on the console; with berth.batch on the kernel's command line, power-off instead
  report   what the kernel was given, as sections "BEGIN name" ... "END name", then USERSPACE-OK, then power-off
  efi      the report, and what the kernel knows of UEFI and of the screen; needs --file efivarfs.ko=PATH. With
           berth.hold on the kernel's command line it writes a line on the screen and waits for one on the console
  quiet    USERSPACE-OK alone, then power-off
  commands READY, then does what each line on the console says in its shell, and says DONE, the line's number and the
           status. `load` loads the modules of --modules (as fetch_kernel.py leaves them) in their order

/payload.bin is a megabyte that depends on a fixed seed only; the report holds its checksum. --pad appends that many
incompressible bytes as another file, for tests that need a large initrd.
"""
import argparse
import gzip
import hashlib
import pathlib
import random
import stat

BANNER = "Berth: Linux userspace reached"
READY = "USERSPACE-OK"
PAYLOAD_BYTES = 1 << 20
PAYLOAD_SEED = 0xBE27
PAD_SEED = 0x9AD

PROLOGUE = """#!/bin/busybox sh
PATH=/bin:/sbin
/bin/busybox --install -s /bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
"""

SHELL_INIT = PROLOGUE + f"""
echo 1 > /proc/sys/kernel/printk
echo
echo "{BANNER}"
uname -a
if grep -qw berth.batch /proc/cmdline; then
    poweroff -f
fi
console=$(sed 's/.* //' /sys/class/tty/console/active)
echo "Type poweroff -f to leave."
while :; do
    setsid sh -c "exec sh -l < /dev/$console > /dev/$console 2>&1"
done
"""

QUIET_INIT = PROLOGUE + f"""
echo {READY}
poweroff -f
"""

REPORT = PROLOGUE + """
echo 1 > /proc/sys/kernel/printk
section() {
    echo "BEGIN $1"
    shift
    "$@"
    echo "END"
}
memmap() {
    for entry in $(ls /sys/firmware/memmap | sort -n); do
        cd "/sys/firmware/memmap/$entry" && echo "$(cat start) $(cat end) $(cat type)"
    done
}
acpi_tables() {
    cd /sys/firmware/acpi/tables && find . -type f | sort | xargs sha256sum
}
section uname uname -r
section cmdline cat /proc/cmdline
section memmap memmap
section iomem grep 'System RAM' /proc/iomem
section kernel_at grep 'Kernel code' /proc/iomem
section acpi acpi_tables
section processors cat /sys/devices/system/cpu/online
section payload sha256sum /payload.bin
section boot_params hexdump -v -e '64/1 "%02x" "\\n"' /sys/kernel/boot_params/data
"""
REPORT_END = f"""
echo {READY}
poweroff -f
"""
REPORT_INIT = REPORT + REPORT_END

# The variable's name ends in a GUID of our own; its first four bytes are the attributes (non-volatile, boot services
# and runtime access): UEFI specification 2.10, section 8.2; Linux Documentation/filesystems/efivarfs.rst.
EFI_INIT = REPORT + """
efi=/sys/firmware/efi
vars=$efi/efivars
variable=$vars/BerthTest-3e8a5f0c-6f6b-4a38-9d0e-2b1f6f0be271
efi_files() {
    for file in fw_platform_size fw_vendor runtime config_table systab; do
        sed "s/^/$file: /" "$efi/$file"
    done
    find $efi -maxdepth 1 | sort
}
runtime_map() {
    for entry in $(ls $efi/runtime-map | sort -n); do
        cd "$efi/runtime-map/$entry" && echo "$(cat phys_addr) $(cat num_pages) $(cat type) $(cat attribute)"
    done
}
esrt() {
    cd $efi/esrt && grep -r . .
}
variables() {
    insmod /efivarfs.ko && mount -t efivarfs efivarfs $vars && ls $vars
}
read_variable() {
    hexdump -v -e '1/1 "%02x"' "$vars/$1"
    echo
}
written_variable() {
    printf '\\007\\000\\000\\000written by Linux' > $variable && dd if=$variable bs=1 skip=4 2> /dev/null
    echo
}
kernel_efi() {
    dmesg | sed 's/^\\[[^]]*\\] //' | grep -E '^(efi: (EFI|SMBIOS)|secureboot: )'
}
dmi() {
    cd /sys/class/dmi/id && grep . bios_vendor bios_version product_name
}
section fb cat /proc/fb
section dmi dmi
section kernel_efi kernel_efi
if [ -d $efi ]; then
    section efi efi_files
    section runtime_map runtime_map
    section esrt esrt
    section efivars variables
    section boot_order read_variable BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c
    section written written_variable
fi
if grep -qw berth.hold /proc/cmdline; then
    printf '\\033c\\033[?25lBerth: Linux writes on the screen\\n' > /dev/tty1
    echo HOLDING
    read -r go
fi
""" + REPORT_END

COMMANDS_INIT = PROLOGUE + """
echo 1 > /proc/sys/kernel/printk
stty -echo
chmod -R a+x /programs
load() {
    for name in $(cat /modules/order); do
        insmod "/modules/$name.ko" || echo "no module $name"
    done
}
number=0
echo READY
while read -r line; do
    number=$((number + 1))
    eval "$line" 2>&1
    echo "DONE $number $?"
done
"""

INITS = {"commands": COMMANDS_INIT, "shell": SHELL_INIT, "report": REPORT_INIT, "efi": EFI_INIT, "quiet": QUIET_INIT}


def pseudo_random(seed, length):
    return random.Random(seed).randbytes(length)


def payload_sha256():
    return hashlib.sha256(pseudo_random(PAYLOAD_SEED, PAYLOAD_BYTES)).hexdigest()


class Cpio:
    """An archive in the "new ASCII" format: cpio(5), "New ASCII Format"."""

    def __init__(self):
        self.bytes = bytearray()
        self.inode = 0

    def add(self, name, mode, content=b"", device=(0, 0)):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
        self.bytes += b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        self.align()
        self.bytes += content
        self.align()

    def align(self):
        self.bytes += bytes(-len(self.bytes) % 4)

    def finish(self):
        self.add("TRAILER!!!", 0)
        return bytes(self.bytes)


def make_initrd(out, init="shell", pad_bytes=0, busybox="/bin/busybox", files=(), modules=None):
    """`files`: pairs of a name in the initrd's root folder and the path of its contents; `modules`: a folder."""
    archive = Cpio()
    for folder in ("bin", "dev", "modules", "proc", "programs", "root", "sbin", "sys"):
        archive.add(folder, stat.S_IFDIR | 0o755)
    # The kernel opens /dev/console before /init can mount anything there.
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, pathlib.Path(busybox).read_bytes())
    archive.add("init", stat.S_IFREG | 0o755, INITS[init].encode())
    archive.add("payload.bin", stat.S_IFREG | 0o644, pseudo_random(PAYLOAD_SEED, PAYLOAD_BYTES))
    files = list(files)
    if modules:
        files += [(f"modules/{path.name}", path) for path in sorted(pathlib.Path(modules).iterdir())]
    for name, path in files:
        archive.add(name, stat.S_IFREG | 0o644, pathlib.Path(path).read_bytes())
    if pad_bytes:
        archive.add("pad.bin", stat.S_IFREG | 0o644, pseudo_random(PAD_SEED, pad_bytes))
    # Random bytes do not shrink: a fast level loses nothing.
    compressed = gzip.compress(archive.finish(), compresslevel=6 if not pad_bytes else 1, mtime=0)
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(compressed)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--init", choices=INITS, default="shell")
    parser.add_argument("--pad", type=int, default=0)
    parser.add_argument("--busybox", default="/bin/busybox")
    parser.add_argument("--file", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--modules")
    arguments = parser.parse_args()
    files = [file.split("=", 1) for file in arguments.file]
    make_initrd(arguments.out, arguments.init, arguments.pad, arguments.busybox, files,
                arguments.modules)


if __name__ == "__main__":
    main()
