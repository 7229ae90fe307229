#!/usr/bin/python3
"""Make an initrd: busybox and one /init, as a gzip-compressed cpio archive (newc). The same input gives the same bytes.

usage: mkinitrd.py [--init shell|report|quiet] [--pad BYTES] [--busybox /bin/busybox] OUT

  shell    a banner, then a shell on the console; with berth.batch on the kernel's command line, power-off instead
  report   what the kernel was given, as sections "BEGIN name" ... "END name", then USERSPACE-OK, then power-off
  quiet    USERSPACE-OK alone, then power-off

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

REPORT_INIT = PROLOGUE + f"""
echo 1 > /proc/sys/kernel/printk
section() {{
    echo "BEGIN $1"
    shift
    "$@"
    echo "END"
}}
memmap() {{
    for entry in $(ls /sys/firmware/memmap | sort -n); do
        cd "/sys/firmware/memmap/$entry" && echo "$(cat start) $(cat end) $(cat type)"
    done
}}
acpi_tables() {{
    cd /sys/firmware/acpi/tables && find . -type f | sort | xargs sha256sum
}}
section uname uname -r
section cmdline cat /proc/cmdline
section memmap memmap
section iomem grep 'System RAM' /proc/iomem
section acpi acpi_tables
section payload sha256sum /payload.bin
section boot_params hexdump -v -e '64/1 "%02x" "\\n"' /sys/kernel/boot_params/data
echo {READY}
poweroff -f
"""

INITS = {"shell": SHELL_INIT, "report": REPORT_INIT, "quiet": QUIET_INIT}


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


def make_initrd(out, init="shell", pad_bytes=0, busybox="/bin/busybox"):
    archive = Cpio()
    for folder in ("bin", "dev", "proc", "root", "sbin", "sys"):
        archive.add(folder, stat.S_IFDIR | 0o755)
    # The kernel opens /dev/console before /init can mount anything there.
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, pathlib.Path(busybox).read_bytes())
    archive.add("init", stat.S_IFREG | 0o755, INITS[init].encode())
    archive.add("payload.bin", stat.S_IFREG | 0o644, pseudo_random(PAYLOAD_SEED, PAYLOAD_BYTES))
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
    arguments = parser.parse_args()
    make_initrd(arguments.out, arguments.init, arguments.pad, arguments.busybox)


if __name__ == "__main__":
    main()
