"""The strict PE checker sees every defect it is there for: each case breaks a copy of the image in one place."""
import pathlib
import struct
import sys

import mb2patch
import peimage
import pytest
import unify
from uefi import SNAKEOIL_CERTIFICATE, SNAKEOIL_KEY, SNAKEOIL_PASSPHRASE, berth_efi, run

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "check"))
import pe as checker  # noqa: E402

PARTS = {".config": b"[global]\n", ".kernel": b"k" * 5000, ".ramdisk": b"r" * 4096}


class Broken:
    """A copy of the image whose fields a case changes."""

    def __init__(self, image):
        self.image = bytearray(image)
        self.pe = peimage.PeImage(image)

    def header(self, **fields):
        peimage.put(self.image, self.pe, **fields)

    def section(self, name, **fields):
        section = self.pe.section(name)
        for field, value in fields.items():
            assert hasattr(section, field)
            setattr(section, field, value)
        self.image[section.header_offset:section.header_offset + peimage.SECTION.size] = section.pack()

    def flags(self, name, more):
        self.section(name, flags=self.pe.section(name).flags | more)

    def word(self, offset, value, layout="<I"):
        struct.pack_into(layout, self.image, offset, value)

    def directory(self, number, rva, total):
        at = self.pe.optional_offset + peimage.OPTIONAL.size + number * peimage.DIRECTORY.size
        peimage.DIRECTORY.pack_into(self.image, at, rva, total)

    def start_of(self, name):
        return self.pe.section(name).raw_offset

    def tag(self, kind):
        return next(offset for offset, found, _, _ in mb2patch.tags(self.image) if found == kind)

    def multiboot2(self):
        return mb2patch.find_header(self.image)[0]

    def multiboot1(self):
        return self.image.find(struct.pack("<I", checker.MB1_MAGIC))


CASES = {
    "no MZ": (lambda b: b.word(0, 0), "no MZ"),
    "PE header outside of the file": (lambda b: b.word(0x3C, 0xFFFFFFF0), "not inside the file"),
    "PE32 instead of PE32+": (lambda b: b.word(b.pe.optional_offset, 0x10B, "<H"), "PE32"),
    "more directories than there is room": (lambda b: b.header(directory_count=1000), "do not fit"),
    "sections outside of the file": (lambda b: b.header(section_count=65535), "not inside the file"),
    "wrong machine": (lambda b: b.header(machine=0x14C), "x86-64"),
    "DLL without relocations": (lambda b: b.header(characteristics=0x23), "had no relocations"),
    "not executable": (lambda b: b.header(characteristics=0x20), "executable image"),
    "a time stamp": (lambda b: b.header(timestamp=1), "time stamp"),
    "ImageBase": (lambda b: b.header(image_base=0x200000), "ImageBase"),
    "SectionAlignment": (lambda b: b.header(section_alignment=0x200), "SectionAlignment"),
    "FileAlignment": (lambda b: b.header(file_alignment=0x200), "FileAlignment"),
    "SizeOfHeaders": (lambda b: b.header(headers_bytes=0x400), "SizeOfHeaders"),
    "SizeOfImage too small": (lambda b: b.header(image_bytes=b.pe.image_bytes - 0x1000), "SizeOfImage"),
    "SizeOfImage unaligned": (lambda b: b.header(image_bytes=b.pe.image_bytes - 1), "SizeOfImage"),
    "SizeOfCode": (lambda b: b.header(code_bytes=0), "SizeOfCode"),
    "SizeOfInitializedData": (lambda b: b.header(initialised_bytes=0x1000), "SizeOfInitializedData"),
    "entry in data": (lambda b: b.header(entry=b.pe.section(".data").rva), "entry point"),
    "entry in the headers": (lambda b: b.header(entry=0), "entry point"),
    "Subsystem": (lambda b: b.header(subsystem=11), "Subsystem"),
    "not NX-compatible": (lambda b: b.header(dll_characteristics=0), "NX-compatible"),
    "a checksum": (lambda b: b.header(checksum=1), "CheckSum"),
    "a section less": (lambda b: b.header(section_count=4), "the sections are"),
    "section at RVA 0": (lambda b: b.section(".text", rva=0), "RVA 0"),
    "sections overlap": (lambda b: b.section(".rodata", rva=b.pe.section(".text").rva), ".rodata: VirtualAddress"),
    "a gap between sections": (lambda b: b.section(".data", rva=b.pe.section(".data").rva + 0x1000), ".data"),
    "offset differs from RVA": (lambda b: b.section(".sbat", raw_offset=b.start_of(".sbat") + 0x1000), ".sbat"),
    "section behind the end": (lambda b: b.section(".data", raw_bytes=len(b.image)), "ends behind the file"),
    "VirtualSize 0": (lambda b: b.section(".rodata", virtual_bytes=0), ".rodata is empty"),
    "writable code": (lambda b: b.flags(".text", peimage.SECTION_WRITE), "writable and executable"),
    "executable data": (lambda b: b.flags(".data", peimage.SECTION_EXECUTE), "writable and executable"),
    "writable constants": (lambda b: b.flags(".rodata", peimage.SECTION_WRITE), ".rodata: flags"),
    "discardable relocations": (lambda b: b.flags(".reloc", peimage.SECTION_DISCARDABLE), "discardable"),
    "an import directory": (lambda b: b.directory(1, 0x1000, 8), "data directory 1"),
    "a certificate table": (lambda b: b.directory(4, 0x1000, 8), "data directory 4"),
    "no relocation directory": (lambda b: b.directory(5, 0, 0), "relocation directory"),
    "relocation directory too long": (lambda b: b.directory(5, b.start_of(".reloc"), 0x2000), "relocation directory"),
    "relocation block of size 0": (lambda b: b.word(b.start_of(".reloc") + 4, 0), "block of 0 bytes"),
    "relocation block too long": (lambda b: b.word(b.start_of(".reloc") + 4, 0x800), "block of 2048 bytes"),
    "a relocation that writes": (lambda b: b.word(b.start_of(".reloc") + 8, 0xA008, "<H"), "changes the image"),
    "relocations of another page": (lambda b: b.word(b.start_of(".reloc"), 0x7FFFF000), "for page 0x7ffff000"),
    "SBAT empty": (lambda b: b.word(b.start_of(".sbat"), 0, "<Q"), "SBAT"),
    "SBAT with a quote left open": (lambda b: b.word(b.start_of(".sbat"), 0x22, "<B"), "SBAT"),
    "SBAT of another name": (lambda b: b.word(b.start_of(".sbat"), 0x78, "<B"), "SBAT does not begin"),
    "something in the spare headers": (lambda b: b.word(b.pe.section_table_end + 300, 1), "not filled with zeros"),
    "bytes behind the last section": (lambda b: b.image.extend(bytes(4096)), "behind the last section"),
    "multiboot1 checksum": (lambda b: b.word(b.multiboot1() + 8, 0), "0 headers with magic 0x1badb002"),
    "multiboot1 loads too little": (lambda b: b.word(b.multiboot1() + 20, 0x201000), "multiboot1: bytes to load"),
    "multiboot1 entry in data": (lambda b: b.word(b.multiboot1() + 28, 0x200000), "multiboot1: the entry"),
    "multiboot2 checksum": (lambda b: b.word(b.multiboot2() + 12, 0), "0 headers with magic 0xe85250d6"),
    "multiboot2 tag of size 0": (lambda b: b.word(b.tag(10) + 4, 0), "tags are damaged"),
    "no address tag": (lambda b: b.word(b.tag(2), 0x7FFF, "<H"), "no tag 2"),
    "no boot services tag": (lambda b: b.word(b.tag(7), 0x7FFF, "<H"), "no tag 7"),
    "multiboot2 header address": (lambda b: b.word(b.tag(2) + 8, 0x200000), "multiboot2: the header would be"),
    "multiboot2 loads too little": (lambda b: b.word(b.tag(2) + 16, 0x201000), "multiboot2: bytes to load"),
    "multiboot2 bss too short": (lambda b: b.word(b.tag(2) + 20, 0x202000), "bytes of memory"),
    "EFI entry in data": (lambda b: b.word(b.tag(9) + 8, 0x200000), "entry tag 9"),
}


def test_the_image_is_sound_in_every_eye(case):
    path = berth_efi(case)
    assert checker.defects(path.read_bytes()) == []
    assert list(checker.others(path)) == []


@pytest.mark.parametrize("change, words", CASES.values(), ids=CASES.keys())
def test_defect_is_seen(case, change, words):
    broken = Broken(berth_efi(case).read_bytes())
    change(broken)
    found = checker.defects(bytes(broken.image))
    assert any(words in defect for defect in found), f"{words!r} is not among {found}"


@pytest.mark.parametrize("length", [0, 1, 0x3F, 0x40, 0x60, 0x100, 0x200, 0x1000, 0x2000, -4096, -1])
def test_truncated_image_is_a_defect(case, length):
    image = berth_efi(case).read_bytes()
    assert checker.defects(image[:length]) != []


# --- tools/unify.py -------------------------------------------------------------------------------------------------

def test_unified_image_is_sound_in_every_eye(case):
    base = berth_efi(case).read_bytes()
    image = unify.unify(base, PARTS)
    assert checker.defects(image, unified=True) == []
    assert list(checker.others(case.write("unified.efi", image))) == []
    assert any("appended sections" in defect for defect in checker.defects(image))

    old, new = peimage.PeImage(base), peimage.PeImage(image)
    for name, content in PARTS.items():
        section = new.section(name)
        assert section.contents(image) == content and section.virtual_bytes == len(content)
        assert section.rva >= old.image_bytes and section.rva % 4096 == 0 and section.raw_offset % 4096 == 0
    # Behind the section table's new end nothing has moved: multiboot loaders find what they found before.
    assert image[new.section_table_end:len(base)] == base[new.section_table_end:]
    assert mb2patch.find_header(image) == mb2patch.find_header(base)


def test_sections_can_be_added_one_after_the_other(case):
    image = base = berth_efi(case).read_bytes()
    for name, content in PARTS.items():
        image = unify.unify(image, {name: content})
    assert image == unify.unify(base, PARTS)


def signed(case):
    key = case.folder / "snakeoil.key"
    run("openssl", "rsa", "-in", SNAKEOIL_KEY, "-passin", f"pass:{SNAKEOIL_PASSPHRASE}", "-out", key)
    path = case.folder / "signed.efi"
    run("sbsign", "--key", key, "--cert", SNAKEOIL_CERTIFICATE, "--output", path,
        case.write("unified.efi", unify.unify(berth_efi(case).read_bytes(), PARTS)))
    return path


def test_signed_image_is_sound_in_every_eye(case):
    path = signed(case)
    assert checker.defects(path.read_bytes(), unified=True, signed=True) == []
    assert list(checker.others(path, signed=True)) == []
    assert checker.defects(path.read_bytes(), unified=True) != []


def refused(image, parts, words):
    with pytest.raises(peimage.PeError, match=words):
        unify.unify(image, parts)


def test_unify_refuses_what_it_would_spoil(case):
    base = berth_efi(case).read_bytes()
    refused(signed(case).read_bytes(), {".more": b"x"}, "is signed")
    refused(unify.unify(base, PARTS), {".kernel": b"x"}, "a section .kernel already")
    refused(base + bytes(4096), PARTS, "belong to no section")
    refused(base, {".kernel": b""}, "the file is empty")
    refused(base, {".much-too-long": b"x"}, "no name of a section")
    refused(base, {f".s{number}": b"x" for number in range(100)}, "no room")
    refused(case.berth.read_bytes(), PARTS, "no MZ")


def test_unify_refuses_to_write_over_the_multiboot_headers(case):
    """As many sections as the spare room holds, and not one more."""
    image, number = berth_efi(case).read_bytes(), 0
    with pytest.raises(peimage.PeError, match="no room"):
        while number < 100:
            image = unify.unify(image, {f".s{number}": b"x"})
            number += 1
    assert number >= checker.SPARE_SECTIONS
    assert mb2patch.find_header(image) == mb2patch.find_header(berth_efi(case).read_bytes())
