"""Berth runs, and Linux after it, on UEFI firmware: through GRUB and as a program of its own, from one file.

Each way of starting leads to Linux once; what differs in words and files alone, to the guest that checks the handover.
"""
import zlib

import mb2patch
import peimage
import pytest
import unify
from berth_shim import GUEST_PASS, INITRD
from guest_report import GuestReport
from mkinitrd import payload_sha256
from uefi import (BOOT32, BOOT64, BOOT_SECONDS, KERNEL_CMDLINE, berth_efi, config, direct_files, efi_initrd,
                  grub_berth_files, grub_files, grub_linux_files, machine, wait_userspace)

# Each row boots a firmware: seconds.
pytestmark = pytest.mark.sample(1)

MIB = 1 << 20
SLOT = 2 * MIB
FOUR_GIB = 1 << 32
SIZES = ["256M", "2G", "8G"]


class Quick:
    """A case whose kernel is the guest that checks the handover: a boot takes half the time. `words` are for it."""

    def __init__(self, case):
        self._case = case
        self.kernel, self.initrd = case.guest("zp64.bzimage"), case.write("initrd", INITRD)
        self.words = f"initrd={len(INITRD)}:{zlib.crc32(INITRD):08x}"

    def __getattr__(self, name):
        return getattr(self._case, name)


@pytest.fixture
def quick(case):
    return Quick(case)


def finish_guest(vm):
    """The guest is content, nothing was reset on the way; its report."""
    vm.wait_for(r"^GUEST-(OK|FAIL) |^\(BERTH\) (error: .+|halted)$", BOOT_SECONDS)
    assert vm.log.errors == []
    assert vm.wait_exit() == GUEST_PASS and "GUEST-OK" in vm.text, vm.error("the guest is not content")
    assert vm.triple_faults == 0
    return GuestReport(vm.text)


def finish(vm):
    """Userspace is reached, the initrd has arrived whole, nothing was reset on the way; the report."""
    report = wait_userspace(vm)
    assert vm.wait_exit() == 0, "Linux did not power off"
    assert vm.triple_faults == 0
    assert report["payload"][0].split()[0] == payload_sha256()
    assert vm.log.errors == []
    return report


def reach_userspace(case, files, protocol, firmware="uefi64", said="uefi64", end=finish, **options):
    """Start these files' program; returns Berth's log. `said` is what Berth calls the firmware."""
    with machine(case, files, firmware=firmware, **options) as vm:
        end(vm)
        log = vm.log
    assert log.boot["protocol"] == protocol and log.boot["firmware"] == said
    assert log.base % SLOT == 0 and log.base + SLOT <= FOUR_GIB
    return log


def reach_guest(quick, files, protocol, **options):
    return reach_userspace(quick, files, protocol, end=finish_guest, **options)


def unified(case, image=None, text=None, **settings):
    """berth.efi with configuration, kernel and initrd in it."""
    parts = {".config": text or config(**settings), ".kernel": case.kernel.read_bytes(),
             ".ramdisk": case.initrd.read_bytes()}
    return case.write("unified.efi", unify.unify(image or berth_efi(case).read_bytes(), parts))


# --- GRUB -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("memory", SIZES)
def test_grub_leaves_boot_services_alive(case, memory):
    log = reach_userspace(case, grub_berth_files(case), "multiboot2-efi", memory=memory)
    assert log.boot["loader"].startswith("GRUB 2.")


def test_grub_hands_over_command_lines(quick):
    kernel_cmdline = quick.words + " first=1 module.second=a,b=c last"
    files = grub_berth_files(quick, cmdline="loglevel=debug", kernel_cmdline=kernel_cmdline)
    with machine(quick, files) as vm:
        report = finish_guest(vm)
        assert vm.log.cmdline == "loglevel=debug"
    assert report.cmdline == kernel_cmdline


WITHOUT_BOOT_SERVICES = {"no boot services": [mb2patch.TAG_EFI_BOOT_SERVICES],
                         "no entry for them either": [mb2patch.TAG_EFI_BOOT_SERVICES, mb2patch.TAG_ENTRY_EFI64]}


@pytest.mark.parametrize("kinds", WITHOUT_BOOT_SERVICES.values(), ids=WITHOUT_BOOT_SERVICES.keys())
def test_grub_has_ended_boot_services(case, kinds):
    image = case.write("berth.tags", mb2patch.remove_tags(case.berth.read_bytes(), *kinds))
    reach_userspace(case, grub_berth_files(case, image), "multiboot2")


@pytest.mark.parametrize("memory", SIZES)
def test_grub_has_ended_boot_services_with_little_and_much_memory(case, memory):
    tags = mb2patch.remove_tags(case.berth.read_bytes(), mb2patch.TAG_EFI_BOOT_SERVICES)
    reach_userspace(case, grub_berth_files(case, case.write("berth.tags", tags)), "multiboot2", memory=memory)


@pytest.mark.parametrize("name", ["berth", "berth.efi"])
def test_multiboot1_under_uefi(case, name):
    """Multiboot1 has no words for UEFI or ACPI: userspace is reached, but Linux finds no tables, and Berth warns."""
    with machine(case, grub_berth_files(case, case.build / name, protocol="multiboot")) as vm:
        report = wait_userspace(vm)
        assert vm.triple_faults == 0 and vm.log.errors == []
        assert report["payload"][0].split()[0] == payload_sha256()
        assert vm.log.boot["protocol"] == "multiboot1"
        assert any("ACPI" in warning for warning in vm.log.warnings)


IMAGES_32 = {"boot services alive": [], "boot services ended": [mb2patch.TAG_EFI_BOOT_SERVICES]}


@pytest.mark.parametrize("kinds", IMAGES_32.values(), ids=IMAGES_32.keys())
# With 8 GiB Linux 6.1 panics in this firmware, from GRUB's own `linux`, too: the matrix has the checking guest there.
@pytest.mark.parametrize("memory", ["256M", "2G"])
def test_32_bit_firmware(case, kinds, memory):
    image = case.write("berth.tags", mb2patch.remove_tags(case.berth.read_bytes(), *kinds))
    files = grub_berth_files(case, image, target="i386-efi")
    protocol = "multiboot2" if kinds else "multiboot2-efi"
    reach_userspace(case, files, protocol, firmware="uefi32", said="uefi32", memory=memory)


def test_a_32_bit_machine_with_32_bit_firmware_is_told_what_is_missing(case):
    with machine(case, grub_berth_files(case, target="i386-efi"), firmware="uefi32", cpu="qemu32") as vm:
        log = vm.wait_halted(BOOT_SECONDS)
        assert vm.triple_faults == 0
    assert len(log.errors) == 1 and log.errors[0].startswith("this CPU has no 64-bit mode - ")


@pytest.mark.parametrize("memory", ["256M", "2G"])
def test_image_pinned_where_grub_does_not_reserve_it(quick, memory):
    """GRUB 2.06 moves an image with just one place after it has asked the firmware: its pages count as free there."""
    base = 64 * MIB
    patched = mb2patch.patch(quick.berth.read_bytes(), min_addr=base, max_addr=base + SLOT, align=SLOT)
    files = grub_berth_files(quick, quick.write("berth.pinned", patched), kernel_cmdline=quick.words)
    log = reach_guest(quick, files, "multiboot2-efi", memory=memory)
    assert log.base == base and log.boot["moved-by"] == "loader"


# --- the firmware itself --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("memory", SIZES)
def test_started_by_the_firmware_with_a_configuration_beside_it(case, memory):
    log = reach_userspace(case, direct_files(case), "efi", memory=memory)
    assert log.cmdline == "com1=115200"
    assert [module["cmdline"] for module in log.modules] == [KERNEL_CMDLINE, ""]


@pytest.mark.parametrize("memory", SIZES)
def test_unified_image(case, memory):
    kernel_cmdline = KERNEL_CMDLINE + " from=section"
    files = {BOOT64: unified(case, kernel_cmdline=kernel_cmdline)}
    with machine(case, files, memory=memory) as vm:
        report = finish(vm)
        assert vm.log.boot["protocol"] == "efi"
    assert report.cmdline == kernel_cmdline


def test_sections_win_over_files(quick):
    files = {**direct_files(quick, unified(quick, kernel_cmdline=quick.words + " from=section")),
             "EFI/BOOT/vmlinuz": b"no kernel", "EFI/BOOT/initrd.gz": b"no initrd"}
    with machine(quick, files) as vm:
        assert finish_guest(vm).cmdline.endswith("from=section")


def test_kernel_in_a_section_and_the_rest_in_files(quick):
    image = unify.unify(berth_efi(quick).read_bytes(), {".kernel": quick.kernel.read_bytes()})
    files = direct_files(quick, quick.write("with-kernel.efi", image), kernel_cmdline=quick.words)
    files["EFI/BOOT/vmlinuz"] = b"no kernel"
    reach_guest(quick, files, "efi")


def test_image_preferred_above_4_gib_moves_itself_below(quick):
    image = bytearray(berth_efi(quick).read_bytes())
    peimage.put(image, peimage.PeImage(image), image_base=0x3_0000_0000)
    files = direct_files(quick, quick.write("high.efi", image), kernel_cmdline=quick.words)
    log = reach_guest(quick, files, "efi", memory="12G")
    assert log.boot["moved-by"] == "self"


def test_unified_image_preferred_above_4_gib_takes_its_sections_along(quick):
    image = bytearray(berth_efi(quick).read_bytes())
    peimage.put(image, peimage.PeImage(image), image_base=0x3_0000_0000)
    reach_guest(quick, {BOOT64: unified(quick, bytes(image), kernel_cmdline=quick.words)}, "efi", memory="12G")


def test_sections_of_a_configuration(quick):
    text = (b"; comments of both kinds\r\n# and line ends of both kinds\r\n[global]\r\ndefault=second\r\n"
            b"[first]\r\nkernel=missing\r\n[second]\r\noptions = loglevel=debug \r\nkernel = vmlinuz " +
            quick.words.encode() + b" entry=second\r\nramdisk=initrd.gz\r\n")
    files = {**direct_files(quick), "EFI/BOOT/berth.cfg": text}
    with machine(quick, files) as vm:
        report = finish_guest(vm)
        assert vm.log.cmdline == "loglevel=debug"
    assert report.cmdline == quick.words + " entry=second"


@pytest.mark.parametrize("bytes_in_file", [4096, 8192])
def test_configuration_that_fills_whole_pages(quick, bytes_in_file):
    text = config(quick.words).rstrip(b"\n")
    text = b"#" * (bytes_in_file - len(text) - 1) + b"\n" + text
    assert len(text) == bytes_in_file
    reach_guest(quick, {**direct_files(quick), "EFI/BOOT/berth.cfg": text}, "efi")


# --- GRUB as a menu for the program, and the same file everywhere -----------------------------------------------------

def chainloader_files(case, options="", image=None, **settings):
    # GRUB tells the program its device and its path, as the firmware would.
    commands = [f"chainloader /EFI/berth/berth.efi {options}".rstrip()]
    return grub_files(case, commands, direct_files(case, image, "EFI/berth", "EFI/berth/berth.efi", **settings))


@pytest.mark.parametrize("memory", SIZES)
def test_chainloader(case, memory):
    reach_userspace(case, chainloader_files(case), "efi", memory=memory)


def test_chainloader_names_another_configuration(quick):
    files = chainloader_files(quick, "-cfg=other.cfg")
    files["EFI/berth/berth.cfg"] = b"[global]\ndefault=missing\n"
    files["EFI/berth/other.cfg"] = config(quick.words + " from=other")
    with machine(quick, files) as vm:
        assert finish_guest(vm).cmdline.endswith("from=other")


def test_chainloader_names_another_section(quick):
    files = chainloader_files(quick, "-section=third")
    third = config(quick.words + " from=third").partition(b"[linux]")[2]
    files["EFI/berth/berth.cfg"] += b"[third]" + third
    with machine(quick, files) as vm:
        assert finish_guest(vm).cmdline.endswith("from=third")


def test_load_options_alone(quick):
    files = chainloader_files(quick, f"-kernel=vmlinuz -ramdisk=initrd.gz -- {quick.words} from=options")
    del files["EFI/berth/berth.cfg"]
    with machine(quick, files) as vm:
        assert finish_guest(vm).cmdline == quick.words + " from=options"


def test_chainloaded_unified_image(quick):
    commands = ["chainloader /unified.efi"]
    reach_guest(quick, grub_files(quick, commands, {"unified.efi": unified(quick, kernel_cmdline=quick.words)}), "efi")


def test_started_from_the_shell(quick):
    """The shell puts the program's name in front of the load options."""
    files = direct_files(quick, start="EFI/berth/berth.efi", folder="EFI/berth")
    files["startup.nsh"] = b"fs0:\r\n\\EFI\\berth\\berth.efi -cfg=\\other.cfg\r\n"
    files["other.cfg"] = config(quick.words + " from=shell", kernel="\\EFI\\berth\\vmlinuz",
                                ramdisk="/EFI/berth/initrd.gz")
    del files["EFI/berth/berth.cfg"]
    with machine(quick, files) as vm:
        assert finish_guest(vm).cmdline.endswith("from=shell")


def test_same_file_under_grub_multiboot2_uefi(quick):
    reach_guest(quick, grub_berth_files(quick, berth_efi(quick), kernel_cmdline=quick.words), "multiboot2-efi")


def test_same_file_under_grub_of_32_bit_firmware(quick):
    files = grub_berth_files(quick, berth_efi(quick), kernel_cmdline=quick.words, target="i386-efi")
    reach_guest(quick, files, "multiboot2-efi", firmware="uefi32", said="uefi32")


def quick_iso(quick, image, protocol):
    modules = [(quick.kernel, quick.words), (quick.initrd, "")]
    return quick.berth_iso(image=image, modules=modules, protocol=protocol)


@pytest.mark.parametrize("protocol", ["multiboot2", "multiboot"])
def test_same_file_under_grub_bios(quick, protocol):
    with quick.machine(iso=quick_iso(quick, berth_efi(quick), protocol)) as vm:
        finish_guest(vm)
        assert vm.resets == 0
        assert vm.log.boot["firmware"] == "bios"
        assert vm.log.boot["protocol"] == {"multiboot2": "multiboot2", "multiboot": "multiboot1"}[protocol]


@pytest.mark.parametrize("protocol", ["multiboot2", "multiboot"])
def test_unified_file_under_grub_bios(quick, protocol):
    """What was appended does not disturb loaders that know nothing of it."""
    with quick.machine(iso=quick_iso(quick, unified(quick), protocol)) as vm:
        finish_guest(vm)
        assert vm.resets == 0


# --- what goes wrong is said, and the firmware goes on ----------------------------------------------------------------

GRUB_MENU = "GNU GRUB  version"
BACK_IN_FIRMWARE = r"UEFI Interactive Shell|BdsDxe: (failed|No bootable|Press)"


def refused(case, files, words, **options):
    """Berth says why it does not start, then the program's caller is back: here, the firmware's boot manager."""
    with machine(case, files, **options) as vm:
        vm.wait_for(rf"^\(BERTH\) error: .*{words}", BOOT_SECONDS)
        vm.wait_for(BACK_IN_FIRMWARE, BOOT_SECONDS)
        assert vm.triple_faults == 0
        return vm.log


ERRORS = {
    "no configuration": ({"EFI/BOOT/berth.cfg": None}, "no kernel was given"),
    "no such kernel": ({"EFI/BOOT/vmlinuz": None}, r'the file "vmlinuz" is not there'),
    "no such ramdisk": ({"EFI/BOOT/initrd.gz": None}, r'the file "initrd.gz" is not there'),
    "no default": ({"EFI/BOOT/berth.cfg": b"[global]\n[linux]\nkernel=vmlinuz\n"}, "names no section to start"),
    "no such section": ({"EFI/BOOT/berth.cfg": b"[global]\ndefault=other\n"}, "has no section of that name"),
    "path too long": ({"EFI/BOOT/berth.cfg": config(kernel="x" * 300)}, 'the path of the file "x+" has 256 characters'),
    "folder for a kernel": ({"EFI/BOOT/berth.cfg": config(kernel="/EFI")}, 'the file "/EFI" cannot be read'),
    "command line too long": ({"EFI/BOOT/berth.cfg": config(options="x" * 17000)},
                              "the command lines are longer than 16384 bytes together"),
    "configuration too long": ({"EFI/BOOT/berth.cfg": b"#" * 70000}, "the configuration is longer than"),
}


@pytest.mark.parametrize("changes, words", ERRORS.values(), ids=ERRORS.keys())
def test_errors_go_back_to_the_firmware(quick, changes, words):
    files = {**direct_files(quick), **changes}
    refused(quick, {name: content for name, content in files.items() if content is not None}, words)


@pytest.mark.slow
def test_errors_go_back_to_the_menu_of_grub(case):
    """Nobody needs to press the key that GRUB asks for: after ten seconds it draws its menu again."""
    files = chainloader_files(case)
    del files["EFI/berth/berth.cfg"]
    with machine(case, files) as vm:
        vm.wait_for(rf"(?s)error: no kernel was given.*Press any key.*{GRUB_MENU}", BOOT_SECONDS)
        assert vm.triple_faults == 0 and not vm.log.is_halted


def with_a_section_twice(case):
    """A unified image whose ramdisk is called .kernel, too."""
    image = bytearray(unified(case).read_bytes())
    header = peimage.PeImage(image).section(".ramdisk").header_offset
    image[header:header + 8] = b".kernel\0"
    return case.write("twice.efi", image)


def test_a_section_that_is_there_twice_is_refused(quick):
    refused(quick, {BOOT64: with_a_section_twice(quick)}, "the section .kernel is there twice")


def test_64_bit_program_is_not_for_32_bit_firmware(case):
    """The firmware refuses it in its own words; nothing of Berth runs."""
    files = {BOOT32: berth_efi(case)}
    with machine(case, files, firmware="uefi32") as vm:
        vm.wait_for(BACK_IN_FIRMWARE, BOOT_SECONDS)
        assert "(BERTH)" not in vm.text and vm.triple_faults == 0


# --- the screen -------------------------------------------------------------------------------------------------------

LINE_COLUMNS, LINE_ROWS = 640, 16
SCREEN_CMDLINE = f"console=tty0 {KERNEL_CMDLINE} berth.hold"


def held_screen(case, name, files):
    """Start Linux, let it write one line on an empty screen; (what the screen shows, Linux's report)."""
    with machine(case, files, name=name, vga="std") as vm:
        vm.wait_for("^HOLDING$", BOOT_SECONDS)
        screen = vm.screendump().read_bytes()
        vm.send("\n")
        report = wait_userspace(vm)
        assert vm.wait_exit() == 0 and vm.triple_faults == 0
        return screen, report


def text_on(screen):
    """The part of a PPM picture where the line is, and how many pixels of the whole picture are lit."""
    magic, size, limit, data = screen.split(b"\n", 3)
    width, height = map(int, size.split())
    assert magic == b"P6" and limit == b"255" and len(data) == 3 * width * height and width >= LINE_COLUMNS
    line = [data[3 * width * row:3 * (width * row + LINE_COLUMNS)] for row in range(LINE_ROWS)]
    return line, width * height - sum(data[at:at + 3] == b"\0\0\0" for at in range(0, len(data), 3))


WAYS = {
    "grub": lambda case: grub_berth_files(case, kernel_cmdline=SCREEN_CMDLINE, initrd=efi_initrd(case)),
    "direct": lambda case: direct_files(case, kernel_cmdline=SCREEN_CMDLINE, initrd=efi_initrd(case)),
}


@pytest.mark.sample(1)
@pytest.mark.parametrize("way", WAYS)
def test_linux_has_a_frame_buffer(case, way):
    wanted, report = held_screen(case, "linux", grub_linux_files(case, SCREEN_CMDLINE, efi_initrd(case)))
    assert report["fb"] == ["0 EFI VGA"]
    screen, report = held_screen(case, "berth", WAYS[way](case))
    assert report["fb"] == ["0 EFI VGA"]

    # GRUB sets a mode of its own before it starts Linux, the firmware another: only what is written must be the same.
    wanted_line, wanted_lit = text_on(wanted)
    line, lit = text_on(screen)
    assert 100 < wanted_lit < LINE_COLUMNS * LINE_ROWS, f"{wanted_lit} lit pixels: no line of text on an empty screen"
    assert lit == wanted_lit and line == wanted_line


@pytest.mark.sample(1)
@pytest.mark.parametrize("way", WAYS)
def test_linux_without_a_screen(case, way):
    with machine(case, WAYS[way](case), vga="none") as vm:
        vm.wait_for("^HOLDING$", BOOT_SECONDS)
        vm.send("\n")
        assert finish(vm)["fb"] == []
