"""Secure Boot: what the firmware refuses, what Berth refuses, and what starts.

OVMF's variables with the key "snakeoil" enrolled, which the Debian package ovmf brings along with its private half.
"""
import pathlib
import struct
import subprocess
import tempfile
import uuid

import peimage
import pytest
import unify
from mkinitrd import payload_sha256
from uefi import (BOOT64, BOOT_SECONDS, GRUB_MODULES, KERNEL_CMDLINE, SNAKEOIL_CERTIFICATE, SNAKEOIL_KEY,
                  SNAKEOIL_PASSPHRASE, berth_efi, built, config, direct_files, efi_initrd, grub_berth_files, machine,
                  run, wait_userspace)

# Each row boots a firmware: seconds.
pytestmark = pytest.mark.sample(1)

ACCESS_DENIED = r"BdsDxe: failed to (load|start) .*: (Access Denied|Security Violation)"
# The firmware's boot manager, or the program of tests/efi where that has started Berth.
BACK_IN_FIRMWARE = r"BdsDxe: (failed|No bootable|Press)|^HOSTILE next: returned status=0x800000000000001a "
# Linux: arch/x86/include/uapi/asm/bootparam.h and include/linux/efi.h give offset and meaning of `secure_boot`.
SECURE_BOOT, SECURE_BOOT_ENABLED = 0x1EC, 3


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    """The private key without its passphrase, as sbsign wants it."""
    path = tmp_path_factory.mktemp("key") / "snakeoil.key"
    run("openssl", "rsa", "-in", SNAKEOIL_KEY, "-passin", f"pass:{SNAKEOIL_PASSPHRASE}", "-out", path)
    return path


def signed(case, key, image, certificate=SNAKEOIL_CERTIFICATE, name="signed.efi"):
    out = case.folder / name
    run("sbsign", "--key", key, "--cert", certificate, "--output", out, image)
    return out


def unified(case, without=(), **settings):
    parts = {".config": config(**settings), ".kernel": case.kernel.read_bytes(),
             ".ramdisk": efi_initrd(case).read_bytes()}
    kept = {name: content for name, content in parts.items() if name not in without}
    return case.write("unified.efi", unify.unify(berth_efi(case).read_bytes(), kept))


def secure_machine(case, files, **options):
    return machine(case, files, firmware="secure", **options)


def firmware_refuses(case, files):
    with secure_machine(case, files) as vm:
        vm.wait_for(ACCESS_DENIED, BOOT_SECONDS)
        assert "(BERTH)" not in vm.text and vm.triple_faults == 0


def berth_refuses(case, files, words):
    with secure_machine(case, files) as vm:
        vm.wait_for(rf"^\(BERTH\) error: .*{words}", BOOT_SECONDS)
        vm.wait_for(BACK_IN_FIRMWARE, BOOT_SECONDS)
        assert vm.triple_faults == 0
        assert "USERSPACE-OK" not in vm.text


def test_signed_unified_image_starts(case, key):
    with secure_machine(case, {BOOT64: signed(case, key, unified(case))}) as vm:
        report = wait_userspace(vm)
        assert vm.wait_exit() == 0 and vm.triple_faults == 0
        assert vm.log.errors == [] and vm.log.boot["protocol"] == "efi"
    assert report["payload"][0].split()[0] == payload_sha256()
    # Linux knows that it is secure, and restricts itself.
    assert report.boot_params[SECURE_BOOT] == SECURE_BOOT_ENABLED
    assert any("ecure boot enabled" in line for line in report["kernel_efi"])


def test_unsigned_unified_image_is_refused_by_the_firmware(case):
    firmware_refuses(case, {BOOT64: unified(case)})


def another_key(case):
    """One that the firmware does not know, and its certificate."""
    key, certificate = case.folder / "other.key", case.folder / "other.pem"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=somebody else", "-days", "3650",
        "-keyout", key, "-out", certificate)
    return key, certificate


def test_image_signed_by_somebody_else_is_refused_by_the_firmware(case):
    key, certificate = another_key(case)
    firmware_refuses(case, {BOOT64: signed(case, key, unified(case), certificate)})


@pytest.mark.parametrize("section", [".text", ".config", ".kernel", ".ramdisk"])
def test_image_changed_after_signing_is_refused_by_the_firmware(case, key, section):
    image = bytearray(signed(case, key, unified(case)).read_bytes())
    image[peimage.PeImage(image).section(section).raw_offset + 0x40] ^= 1
    firmware_refuses(case, {BOOT64: bytes(image)})


def test_signed_image_reads_no_files(case, key):
    """Whoever can write a file could start any kernel."""
    berth_refuses(case, direct_files(case, signed(case, key, berth_efi(case))), "Secure Boot")


@pytest.mark.parametrize("missing, file", [(".kernel", "vmlinuz"), (".ramdisk", "initrd.gz")])
def test_signed_image_with_a_part_missing_does_not_take_it_from_a_file(case, key, missing, file):
    image = signed(case, key, unified(case, without=[missing]))
    berth_refuses(case, direct_files(case, image), f'Secure Boot is on and no signature covers the file "{file}"')


def test_the_same_image_reads_files_without_secure_boot(case, key):
    with machine(case, direct_files(case, signed(case, key, berth_efi(case)))) as vm:
        wait_userspace(vm)
        assert vm.wait_exit() == 0 and vm.log.errors == []


def test_configuration_beside_a_signed_image_says_nothing(case, key):
    files = direct_files(case, signed(case, key, unified(case)), kernel_cmdline="init=/bin/sh")
    with secure_machine(case, files) as vm:
        assert wait_userspace(vm).cmdline == KERNEL_CMDLINE


# --- words and files that the signature does not cover ---------------------------------------------------------------

def with_load_options(case, key, image, options):
    """The image, started with these load options by a program that the firmware trusts: tests/efi."""
    starter = signed(case, key, built(case, "efi/hostile-x64.efi"), name="starter.efi")
    return {**direct_files(case, starter), "EFI/BOOT/NEXT.EFI": image, "EFI/BOOT/other.cfg": config("from=other"),
            "hostile.txt": f"options good {options}\n".encode()}


OPTIONS = "-cfg=other.cfg -section=other -kernel=vmlinuz -ramdisk=initrd.gz -- from=options"
OPTIONS_IGNORED = ["Secure Boot is on: the load options are not covered by the signature and are ignored"]


def test_load_options_do_not_lead_away_from_what_is_signed(case, key):
    image = signed(case, key, unified(case))
    with secure_machine(case, with_load_options(case, key, image, OPTIONS)) as vm:
        assert wait_userspace(vm).cmdline == KERNEL_CMDLINE
        assert vm.log.warnings[:1] == OPTIONS_IGNORED


def test_load_options_do_not_take_the_place_of_what_is_not_there(case, key):
    """With nothing but a kernel in the image, that kernel starts with nothing else."""
    image = signed(case, key, unified(case, without=[".config", ".ramdisk"]))
    with secure_machine(case, with_load_options(case, key, image, OPTIONS)) as vm:
        vm.wait_for(r"^\(BERTH\) time: .*\n", BOOT_SECONDS)
        log = vm.log
    assert [(module["name"], module["cmdline"]) for module in log.modules] == [("kernel", "")]
    assert log.cmdline == "" and log.warnings[:1] == OPTIONS_IGNORED and log.errors == []


def test_load_options_do_not_name_a_kernel(case, key):
    image = signed(case, key, berth_efi(case))
    berth_refuses(case, with_load_options(case, key, image, OPTIONS),
                  "Secure Boot is on and the image has no section .kernel")


def verifying_grub_files(case, key, files, *options):
    """GRUB in these files becomes one that the firmware starts, and that wants somebody to verify what it loads."""
    grub = case.folder / "grub.efi"
    run("grub-mkimage", "-O", "x86_64-efi", "--disable-shim-lock", "-p", "/boot/grub", "-o", grub, *options,
        *GRUB_MODULES.split())
    return {**files, BOOT64: signed(case, key, grub)}


@pytest.mark.slow
def test_grub_refuses_an_image_that_nobody_verifies(case, key):
    """GRUB 2.06 itself, before anything of Berth runs."""
    with secure_machine(case, verifying_grub_files(case, key, grub_berth_files(case))) as vm:
        vm.wait_for("error: verification requested but nobody cares: /boot/berth", BOOT_SECONDS)
        assert "(BERTH)" not in vm.text


def openpgp_signed(case, files):
    """The files, each with its signature beside it; and the public key. gpg's agent wants a short path."""
    public, signed_files = case.folder / "public.gpg", {}
    with tempfile.TemporaryDirectory() as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]
        run(*gpg, "--quick-generate-key", "test", "rsa2048", "sign", "never")
        run(*gpg, "--output", public, "--export")
        for number, (name, content) in enumerate(files.items()):
            file = case.write(f"file{number}", content if isinstance(content, bytes) else content.read_bytes())
            run(*gpg, "--detach-sign", file)
            signed_files |= {name: file, f"{name}.sig": file.with_name(f"{file.name}.sig")}
        run("gpgconf", "--homedir", home, "--kill", "all")
    return signed_files, public


def test_what_only_grub_has_verified_is_refused(case, key):
    """GRUB's own check, of OpenPGP signatures beside the files, is not the firmware's."""
    files, public = openpgp_signed(case, grub_berth_files(case))
    berth_refuses(case, verifying_grub_files(case, key, files, "--pubkey", public, "pgp", "gcry_rsa", "gcry_sha512"),
                  "Secure Boot is on, and no signature covers what a loader hands over")


def test_make_sign(case, key):
    """The target that users are told of, from start to end."""
    folder = case.folder
    text = case.write("berth.cfg", config())
    root = unify.pathlib.Path(unify.__file__).parents[1]
    make = ["make", "-C", root, "DEPS=skip", f"BUILD={case.build}"]
    run(*make, "unified", f"CONFIG={text}", f"KERNEL={case.kernel}", f"RAMDISK={case.initrd}", f"OUT={folder}/u.efi")
    run(*make, "sign", f"KEY={key}", f"CERT={SNAKEOIL_CERTIFICATE}", f"IN={folder}/u.efi", f"OUT={folder}/s.efi")
    assert "image signature issuers" in run("sbverify", "--list", folder / "s.efi")
    without_key = subprocess.run([*map(str, make), "sign"], text=True, capture_output=True)
    assert without_key.returncode != 0 and "give KEY= and CERT=" in without_key.stderr


# --- shim between the firmware and the image --------------------------------------------------------------------------

SHIM = pathlib.Path("/usr/lib/shim/shimx64.efi")
SECOND_STAGE = "EFI/BOOT/grubx64.efi"
SHIM_REFUSES = r"Verification failed: \(0x1A\) Security Violation|Security Policy Violation"


def behind_shim(case, key, image):
    """Debian's shim, signed with the enrolled key, which loads the image itself and asks who has signed it."""
    return {BOOT64: signed(case, key, SHIM, name="shim.efi"), SECOND_STAGE: image}


def shim_refuses(case, key, image):
    with secure_machine(case, behind_shim(case, key, image)) as vm:
        vm.wait_for(SHIM_REFUSES, BOOT_SECONDS)
        assert "(BERTH)" not in vm.text and vm.triple_faults == 0


def test_shim_starts_a_signed_unified_image(case, key):
    with secure_machine(case, behind_shim(case, key, signed(case, key, unified(case)))) as vm:
        report = wait_userspace(vm)
        assert vm.wait_exit() == 0 and vm.triple_faults == 0
        assert vm.log.errors == [] and vm.log.boot["protocol"] == "efi"
    assert report["payload"][0].split()[0] == payload_sha256()
    assert report.boot_params[SECURE_BOOT] == SECURE_BOOT_ENABLED


def test_shim_starts_an_image_that_reads_files_without_secure_boot(case, key):
    files = {**direct_files(case), **behind_shim(case, key, berth_efi(case))}
    with machine(case, files) as vm:
        wait_userspace(vm)
        assert vm.wait_exit() == 0 and vm.log.errors == []


def test_shim_refuses_an_unsigned_image(case, key):
    shim_refuses(case, key, unified(case))


def test_shim_refuses_a_changed_image(case, key):
    image = bytearray(signed(case, key, unified(case)).read_bytes())
    image[peimage.PeImage(image).section(".ramdisk").raw_offset + 0x40] ^= 1
    shim_refuses(case, key, bytes(image))


def test_shim_wants_the_sbat_section(case, key):
    """Which the image has: without it nothing could be revoked by name."""
    image = bytearray(unified(case).read_bytes())
    header = peimage.PeImage(image).section(".sbat").header_offset
    image[header:header + 8] = b".other\0\0"
    shim_refuses(case, key, signed(case, key, case.write("without-sbat.efi", image)))


def signature_list(case, certificate):
    """UEFI specification 2.10, section 32.4.1: EFI_SIGNATURE_LIST of one EFI_CERT_X509, whose owner is nobody."""
    run("openssl", "x509", "-in", certificate, "-outform", "DER", "-out", case.folder / "other.der")
    entry = bytes(16) + (case.folder / "other.der").read_bytes()
    kind = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
    return kind + struct.pack("<III", 28 + len(entry), 0, len(entry)) + entry


def test_a_key_that_is_enrolled_with_shim_is_enough(case, key):
    """As mokutil does it: the firmware knows shim's key alone."""
    own, certificate = another_key(case)
    starter = signed(case, key, built(case, "efi/hostile-x64.efi"), name="starter.efi")
    files = {BOOT64: starter, "EFI/BOOT/NEXT.EFI": signed(case, key, SHIM, name="shim.efi"),
             SECOND_STAGE: signed(case, own, unified(case), certificate), "hostile.txt": b"",
             "mok.esl": signature_list(case, certificate)}
    with secure_machine(case, files, name="not-enrolled") as vm:
        vm.wait_for(SHIM_REFUSES, BOOT_SECONDS)
        assert "(BERTH)" not in vm.text
    with secure_machine(case, files | {"hostile.txt": b"enrol-key\n"}, name="enrolled") as vm:
        report = wait_userspace(vm)
        assert vm.wait_exit() == 0 and vm.log.errors == []
    assert report.boot_params[SECURE_BOOT] == SECURE_BOOT_ENABLED
