"""Boot below the hostile firmware program (tests/efi): say what it shall change, start, and look at what became of it.

A `Hostile` is one boot on one path: `grub` (GRUB for x86_64-efi starts Berth by multiboot2), `direct` (the firmware
starts berth.efi) or `grub32` (GRUB for i386-efi, by multiboot2). Its lines are words of hostile.txt, see
tests/efi/script.c:
  early   before NEXT.EFI is loaded
  lines   while NEXT.EFI is in memory and has not run
  late    as near to Berth's first instruction as the path allows: when GRUB has loaded everything, or before the start
"""
import mmap
import os
import re
import struct
import subprocess
import zlib

import mb2patch
import peimage
import uefi
import unify
from berth_qemu import LINUX_WORDS, USERSPACE

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGE = 4096

# UEFI specification 2.10, section 7.2.1, EFI_MEMORY_TYPE
(RESERVED, LOADER_CODE, LOADER_DATA, BOOT_CODE, BOOT_DATA, RUNTIME_CODE, RUNTIME_DATA, CONVENTIONAL, UNUSABLE,
 ACPI_RECLAIM, ACPI_NVS, MMIO, MMIO_PORT, PAL_CODE, PERSISTENT, UNACCEPTED) = range(16)
# What belongs to the operating system once boot services have ended; the program itself checks these before.
FREE_AFTER_EXIT = {LOADER_CODE, LOADER_DATA, BOOT_CODE, BOOT_DATA}

FIRMWARE = "/usr/share/ovmf/OVMF.fd"
GRUB_MODULES = "multiboot2 boot serial terminal echo fat datetime date"
MB2_HEADER_EFI_BOOT_SERVICES = 7  # Multiboot2 specification 2.0, section 3.1.13

# What QEMU's exit status says: debug_exit_status of LEAVE_* in tests/efi/hostile.h, and the guests' verdicts.
GUEST_PASS, VIOLATION, GAVE_UP, RETURNED = 33, 65, 67, 69
# GRUB 2.06 starts a 32-bit entry, boot services exited, through code of its own between 0x1000 and 0x9a000.
GRUB_LOW_ROOM = "hole 0x1000-0x9000"

INITRD = bytes(range(251)) * 41
# q35 keeps RAM up to here below 4 GiB; with more, it puts all above 2 GiB behind 4 GiB.
Q35_LOW_LIMIT, Q35_LOW_SPLIT = 0xB0000000, 2 * GIB

CANARY = re.compile(r"^CANARY (\d+) (0x[0-9a-f]+)-(0x[0-9a-f]+) step=(0x[0-9a-f]+) seed=(0x[0-9a-f]+)$", re.MULTILINE)
KEPT = re.compile(r"^KEPT (\d+) (0x[0-9a-f]+)-(0x[0-9a-f]+) (?:crc32=(0x[0-9a-f]+)|unchecked)$",
                  re.MULTILINE)
# The last line of a boot, or one after which nothing good comes.
THE_END = (r"^GUEST-(OK|FAIL) \d+|^\(BERTH\) halted\n|^VIOLATION .*\n|^HOSTILE (gives up|next): .*\n|^grub rescue> |"
           r"^!!!! \w+ Exception Type .*\n")
CANARY_FACTOR = 0x9E3779B97F4A7C15


def canary_page(address, seed):
    """The bytes of a taken page: tests/efi/take.c."""
    word = (address ^ seed) * CANARY_FACTOR & 0xFFFFFFFFFFFFFFFF
    return struct.pack("<Q", word) * (PAGE // 8)


def megabytes(memory):
    """'256M' or '2G' in bytes."""
    return int(memory[:-1]) * {"M": MIB, "G": GIB}[memory[-1]]


class GuestMemory:
    """The machine's RAM as a file without a name, which is still there when QEMU has ended."""

    def __init__(self, bytes_):
        self.bytes = bytes_
        self.descriptor = os.memfd_create("guest-ram")
        os.ftruncate(self.descriptor, bytes_)
        self.map = mmap.mmap(self.descriptor, bytes_, prot=mmap.PROT_READ)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.map.close()
        os.close(self.descriptor)

    @property
    def arguments(self):
        return ["-object", f"memory-backend-file,id=kept,share=on,size={self.bytes},"
                           f"mem-path=/proc/{os.getpid()}/fd/{self.descriptor}", "-M", "memory-backend=kept"]

    def page(self, address):
        low = self.bytes if self.bytes < Q35_LOW_LIMIT else Q35_LOW_SPLIT
        offset = address if address < 4 * GIB else address - 4 * GIB + low
        return self.map[offset:offset + PAGE]


class Taken:
    """Pages that the program took and filled: one CANARY line."""

    def __init__(self, match):
        self.type = int(match[1])
        self.start, self.end, self.step, self.seed = (int(text, 16) for text in match.groups()[1:])

    @property
    def pages(self):
        return range(self.start, self.end, self.step)

    def changed(self, memory):
        return [page for page in self.pages if memory.page(page) != canary_page(page, self.seed)]


class Kept:
    """The firmware's own memory, shown as of a type that stays the firmware's: one KEPT line."""

    def __init__(self, match):
        self.type = int(match[1])
        self.start, self.end = int(match[2], 16), int(match[3], 16)
        self.crc32 = match[4] and int(match[4], 16)

    @property
    def pages(self):
        return range(self.start, self.end, PAGE)

    def changed(self, memory):
        if self.crc32 is None:
            return []
        now = zlib.crc32(b"".join(memory.page(page) for page in self.pages))
        return [] if now == self.crc32 else [self.start]


class Outcome:
    """What a boot has left: its serial text, QEMU's status (None while it lives), and pages that nobody may change."""

    def __init__(self, vm, status):
        self.vm, self.status, self.text = vm, status, vm.text
        self.taken = [Taken(match) for match in CANARY.finditer(self.text)]
        self.kept = [taken for taken in self.taken if taken.type not in FREE_AFTER_EXIT]
        self.kept += [Kept(match) for match in KEPT.finditer(self.text)]
        self.changed = []

    def look(self, memory):
        self.changed = [page for taken in self.kept for page in taken.changed(memory)]

    @property
    def log(self):
        return self.vm.log

    def said(self, start):
        """The rest of each line `HOSTILE start...`."""
        return re.findall(rf"^HOSTILE {start}(.*)$", self.text, re.MULTILINE)

    @property
    def calls(self):
        """How often each service was called by anything but the firmware, before ExitBootServices."""
        return {name: int(count) for name, count in (line.split("=") for line in self.said("calls "))}

    @property
    def taken_pages(self):
        return sum(len(taken.pages) for taken in self.taken)

    @property
    def e820(self):
        """[(start, end, type)] as the zeropage guest printed it."""
        lines = re.findall(r"^E820 (\S+) (\S+) (\S+)$", self.text, re.MULTILINE)
        return [tuple(int(word, 0) for word in line) for line in lines]

    def is_ram(self, start, end):
        """Was the guest told that any of it is RAM?"""
        return any(kind == 1 and first < end and start < stop for first, stop, kind in self.e820)

    def ram_that_is_not(self):
        """Taken pages that the guest was told are RAM."""
        ram = [(start, end) for start, end, kind in self.e820 if kind == 1]
        return [page for taken in self.kept for page in taken.pages
                for start, end in ram if page < end and start < page + PAGE]


def exits_boot_services(image):
    """Does the image's header ask GRUB to keep boot services alive, so that Berth ends them itself?"""
    return any(kind == MB2_HEADER_EFI_BOOT_SERVICES for _, kind, _, _ in mb2patch.tags(image))


def run_tool(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command} failed:\n{done.stderr}"


def esp_image(path, files):
    """A FAT disk without partitions: {name on it: bytes or path}."""
    size = sum(len(data) if isinstance(data, bytes) else data.stat().st_size for data in files.values())
    path.write_bytes(b"")
    os.truncate(path, (size * 5 // 4 + 2 * MIB) // MIB * MIB)
    run_tool("mformat", "-i", path, "-h", 16, "-s", 63, "-t", path.stat().st_size // (16 * 63 * 512), "::")
    for folder in ("EFI", "EFI/BOOT"):
        run_tool("mmd", "-i", path, f"::/{folder}")
    for name, data in files.items():
        source = data
        if isinstance(data, bytes):
            source = path.with_suffix(".part")
            source.write_bytes(data)
        run_tool("mcopy", "-o", "-i", path, source, f"::/{name}")
    path.with_suffix(".part").unlink(missing_ok=True)
    return path


def grub_image(hostile, target, commands):
    """GRUB as an EFI program that does this, and then starts what was loaded."""
    # `date` asks the firmware for the time: the cue of the program under us.
    config = ["serial --unit=0 --speed=115200", "terminal_input serial", "terminal_output serial", *commands, "date",
              "boot"]
    script = hostile.case.write("grub.cfg", ("\n".join(config) + "\n").encode())
    image = hostile.case.folder / "grub.efi"
    run_tool("grub-mkimage", "-O", target, "-p", "(hd0)/", "-c", script, "-o", image, *GRUB_MODULES.split())
    return image


class GrubPath:
    """GRUB's multiboot2, with everything that Berth gets as modules."""
    target = "x86_64-efi"

    def files(self, hostile):
        commands = [f"multiboot2 (hd0)/berth {hostile.cmdline}", f"module2 (hd0)/kernel {hostile.kernel_cmdline}"]
        commands += ["module2 (hd0)/initrd"] if hostile.initrd else []
        return {"EFI/BOOT/NEXT.EFI": grub_image(hostile, self.target, commands), "berth": hostile.image,
                "kernel": hostile.kernel, **({"initrd": hostile.initrd} if hostile.initrd else {})}

    def program(self, case):
        return {"EFI/BOOT/BOOTX64.EFI": case.build / "efi" / "hostile-x64.efi"}

    def firmware(self, case):
        return ["-bios", FIRMWARE]

    def script(self, hostile):
        return [*hostile.early, f"load {hostile.source}", *hostile.lines, "cue", *hostile.late]

    def image(self, case):
        return case.berth

    def exits_by_itself(self, image):
        """Is ExitBootServices Berth's own call, and not GRUB's?"""
        return exits_boot_services(image.read_bytes())


class Grub32Path(GrubPath):
    """The same on 32-bit firmware, where GRUB uses Berth's 32-bit entry."""
    target = "i386-efi"

    def program(self, case):
        return {"EFI/BOOT/BOOTIA32.EFI": case.build / "efi" / "hostile-ia32.efi"}

    def firmware(self, case):
        return uefi.firmware_arguments(case.folder / "firmware", "uefi32")


class DirectPath:
    """The firmware starts berth.efi, which reads its configuration beside itself, or has it in itself."""

    def files(self, hostile):
        folder = "EFI/BOOT"
        config = ["[global]", "default=test", "[test]", f"options={hostile.cmdline}",
                  f"kernel=kernel {hostile.kernel_cmdline}"]
        config += ["ramdisk=initrd"] if hostile.initrd else []
        config = ("\n".join(config) + "\n").encode()
        files = {"kernel": hostile.kernel, **({"initrd": hostile.initrd} if hostile.initrd else {})}
        if hostile.source == "buffer":
            # There is no file system to read from.
            sections = {".config": config, ".kernel": files["kernel"]}
            sections |= {".ramdisk": files["initrd"]} if hostile.initrd else {}
            contents = {name: data if isinstance(data, bytes) else data.read_bytes() for name, data in sections.items()}
            unified = hostile.case.folder / "unified.efi"
            unified.write_bytes(unify.unify(hostile.image.read_bytes(), contents))
            return {f"{folder}/NEXT.EFI": unified}
        return {f"{folder}/NEXT.EFI": hostile.image, f"{folder}/{hostile.config_name}": config,
                **{f"{folder}/{name}": data for name, data in files.items()}}

    def program(self, case):
        return {"EFI/BOOT/BOOTX64.EFI": case.build / "efi" / "hostile-x64.efi"}

    def firmware(self, case):
        return ["-bios", FIRMWARE]

    def script(self, hostile):
        return [*hostile.early, f"load {hostile.source}", *hostile.lines, *hostile.late]

    def image(self, case):
        path = case.build / "berth.efi"
        assert path.exists(), f"{path} is missing: run `make`"
        return path

    def exits_by_itself(self, _):
        return True


# Every test runs on each of these; one that cannot says so where it is written.
PATHS = {"grub": GrubPath(), "direct": DirectPath()}
# On these, a few.
MORE_PATHS = {"grub32": Grub32Path()}


class Hostile:
    """One boot. Set its lines, then run() or boots()."""

    def __init__(self, case, path, memory="256M", vga="none"):
        self.case, self.path, self.memory, self.vga = case, path, memory, vga
        self.way = (PATHS | MORE_PATHS)[path] if isinstance(path, str) else path
        self.early, self.lines, self.late = [], [], []
        self.source = "file"
        self.cpu = None
        self.config_name = "berth.cfg"
        self.cmdline = ""
        self.image = self.way.image(case)
        self.kernel = case.guest("zp64.bzimage")
        self.initrd = INITRD
        self.changes = {}  # to the files on the disk; None takes one away
        self.kernel_cmdline = f"initrd={len(INITRD)}:{zlib.crc32(INITRD):08x}"

    def linux(self, initrd=None):
        """Debian's kernel and an initrd of ours in place of the checking guest."""
        self.kernel, self.initrd = self.case.kernel, initrd or self.case.initrd
        self.kernel_cmdline = LINUX_WORDS
        return self

    def move_image(self, base):
        """Berth's image wishes to be loaded there, which the firmware grants where it can."""
        image = bytearray(self.image.read_bytes())
        peimage.put(image, peimage.PeImage(image), image_base=base)
        self.image = self.case.write("moved.efi", image)

    @property
    def exits_by_itself(self):
        return self.way.exits_by_itself(self.image)

    def take_all(self, kind, *holes):
        """Lines that leave nothing below 4 GiB, now or after boot services, but these holes, which are in order."""
        everything = f"0x0-{4 * GIB:#x}"
        low = [] if self.exits_by_itself else [GRUB_LOW_ROOM]
        return [" ".join([f"take {kind} {everything}", *low, *holes]), f"keep {kind} {everything} unchecked"]

    def disk(self):
        programs = self.way.program(self.case)
        for program in programs.values():
            assert program.exists(), f"{program} is missing: run `make hostile`"
        script = "\n".join(self.way.script(self)) + "\n"
        self.case.write("hostile.txt", script.encode())
        files = {**programs, "hostile.txt": script.encode(), **self.way.files(self)}
        files = {name: data for name, data in (files | self.changes).items() if data is not None}
        return esp_image(self.case.folder / "esp.img", files)

    def run(self, seconds=60, until=THE_END):
        """Boot until the guest, Berth or the program under it has said its last word."""
        disk = self.disk()
        with GuestMemory(megabytes(self.memory)) as memory:
            extra = [*memory.arguments, *self.way.firmware(self.case), "-drive",
                     f"file={disk},format=raw,if=none,id=esp", "-device", "virtio-blk-pci,drive=esp,bootindex=0"]
            with self.case.machine(memory=self.memory, vga=self.vga, cpu=self.cpu, extra=extra) as vm:
                outcome = self.wait(vm, until, seconds)
                outcome.look(memory)
        assert vm.triple_faults == 0, vm.error("a triple fault")
        assert not outcome.changed, f"{len(outcome.changed)} taken pages are changed, from {outcome.changed[0]:#x} on"
        disk.unlink()
        return outcome

    def wait(self, vm, until, seconds):
        end = vm.wait_for(until, seconds)[0]
        if end.startswith(("VIOLATION", "HOSTILE gives up", "grub rescue", "!!!!")):
            vm._read_available(1)
            raise vm.error(end)
        if end.startswith(("GUEST", "HOSTILE", USERSPACE)):
            return Outcome(vm, vm.wait_exit(seconds))
        vm.qmp("stop")
        return Outcome(vm, None)

    def boots(self, **options):
        """Boot the checking guest, which must find nothing wrong."""
        outcome = self.run(**options)
        assert outcome.status == GUEST_PASS and "GUEST-OK" in outcome.text, outcome.vm.error(f"status {outcome.status}")
        wrong = outcome.ram_that_is_not()
        assert not wrong, f"{len(wrong)} taken pages are RAM for the guest, from {wrong[0]:#x} on"
        assert outcome.e820 and outcome.log.errors == []
        return outcome

    def boots_linux(self, initrd=None, **options):
        outcome = self.linux(initrd).run(until=rf"^{USERSPACE}$|Kernel panic - .*\n", **options)
        assert USERSPACE in outcome.text and outcome.log.errors == [], outcome.vm.error("Linux did not come up")
        return outcome
