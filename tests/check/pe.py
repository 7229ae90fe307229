#!/usr/bin/python3
"""The PE image is what firmware, shim, GRUB and the signing tools accept, and still what multiboot loaders accept.

    pe.py build/berth.efi [--unified] [--signed] [--alone]

  --unified   sections appended by tools/unify.py are allowed
  --signed    a certificate table at the end of the file is expected
  --alone     do not ask file, objdump, grub-file and sbverify

Stricter than any one loader. Sources: Microsoft "PE Format"; Multiboot2 specification 2.0, section 3.1; Multiboot
specification 0.6.96, section 3.1; shim's SBAT.md; for W^X and NX_COMPAT Microsoft's requirements for signing.
"""
import argparse
import csv
import pathlib
import re
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import peimage  # noqa: E402
from peimage import SECTION_CODE, SECTION_EXECUTE, SECTION_INITIALISED, SECTION_READ, SECTION_WRITE  # noqa: E402

PAGE = 0x1000
LFANEW_LIMIT = 0x200
EXECUTABLE_IMAGE, RELOCS_STRIPPED = 0x0002, 0x0001
SUBSYSTEM_EFI_APPLICATION = 10
NX_COMPAT = 0x0100
SPARE_SECTIONS = 8
SECTIONS = {
    ".text": SECTION_CODE | SECTION_EXECUTE | SECTION_READ,
    ".rodata": SECTION_INITIALISED | SECTION_READ,
    ".sbat": SECTION_INITIALISED | SECTION_READ,
    ".reloc": SECTION_INITIALISED | SECTION_READ,
    ".data": SECTION_INITIALISED | SECTION_READ | SECTION_WRITE,
}
APPENDED = (".config", ".kernel", ".ramdisk")
RELOCATION_NONE = 0
SBAT_FIELDS = 6
CERTIFICATE_ALIGN = 8
WIN_CERT_REVISION, WIN_CERT_TYPE_PKCS7 = 0x0200, 0x0002

MB1_MAGIC, MB1_SEARCH, MB1_ADDRESS_FIELDS = 0x1BADB002, 8192, 1 << 16
MB2_MAGIC, MB2_SEARCH = 0xE85250D6, 32768
MB2_END, MB2_ADDRESS, MB2_ENTRY, MB2_EFI_BOOT_SERVICES, MB2_ENTRY_EFI64, MB2_RELOCATABLE = 0, 2, 3, 7, 9, 10
MB2_SIZES = {MB2_END: 8, MB2_ADDRESS: 24, MB2_ENTRY: 12, MB2_EFI_BOOT_SERVICES: 8, MB2_ENTRY_EFI64: 12,
             MB2_RELOCATABLE: 24}


def round_up(value, alignment=PAGE):
    return -(-value // alignment) * alignment


class Checker:
    """Each check_* method looks at one part; what is wrong is collected in `defects`."""

    def __init__(self, image, unified=False, signed=False):
        self.image, self.unified, self.signed = image, unified, signed
        self.defects = []
        self.pe = peimage.PeImage(image)

    def expect(self, condition, text):
        if not condition:
            self.defects.append(text)
        return condition

    def expect_equal(self, name, value, wanted):
        return self.expect(value == wanted, f"{name} is {value:#x}, not {wanted:#x}")

    def run(self):
        self.check_headers()
        if self.check_sections():
            self.check_sizes()
            self.check_directories()
            self.check_relocations()
            self.check_sbat()
            self.check_certificates()
            self.check_multiboot1()
            self.check_multiboot2()
        return self.defects

    # --- headers --------------------------------------------------------------------------------------------------

    def check_headers(self):
        pe = self.pe
        self.expect(peimage.DOS_HEADER_BYTES <= pe.pe_offset <= LFANEW_LIMIT and pe.pe_offset % 8 == 0,
                    f"e_lfanew is {pe.pe_offset:#x}")
        self.expect(pe.characteristics & EXECUTABLE_IMAGE, "not marked as an executable image")
        self.expect(not pe.characteristics & RELOCS_STRIPPED, "marked as if it had no relocations")
        self.expect_equal("the time stamp", pe.timestamp, 0)
        self.expect((pe.symbol_table, pe.symbol_count) == (0, 0), "there is a COFF symbol table")
        self.expect_equal("the optional header's size", pe.optional_bytes,
                          peimage.OPTIONAL.size + peimage.DIRECTORIES * peimage.DIRECTORY.size)
        self.expect_equal("NumberOfRvaAndSizes", pe.directory_count, peimage.DIRECTORIES)
        self.expect_equal("ImageBase", pe.image_base, 0)
        self.expect_equal("SectionAlignment", pe.section_alignment, PAGE)
        self.expect_equal("FileAlignment", pe.file_alignment, PAGE)
        self.expect_equal("SizeOfHeaders", pe.headers_bytes, PAGE)
        self.expect_equal("Subsystem", pe.subsystem, SUBSYSTEM_EFI_APPLICATION)
        self.expect(pe.dll_characteristics & NX_COMPAT, "not marked as NX-compatible")
        self.expect((pe.win32_version, pe.loader_flags) == (0, 0), "reserved header fields are not zero")
        if not self.signed:
            self.expect_equal("CheckSum", pe.checksum, 0)

    # --- sections -------------------------------------------------------------------------------------------------

    def check_sections(self):
        """True when the sections are sound enough to look into."""
        pe, before = self.pe, len(self.defects)
        names = [section.name for section in pe.sections]
        appended = names[len(SECTIONS):]
        self.expect(names[:len(SECTIONS)] == list(SECTIONS), f"the sections are {' '.join(names)}")
        self.expect(len(set(names)) == len(names), "two sections have one name")
        self.expect(not appended or self.unified, f"appended sections: {' '.join(appended)}")
        self.expect(all(name in APPENDED for name in appended), f"appended sections: {' '.join(appended)}")

        rva, offset = pe.headers_bytes, pe.headers_bytes
        for section in pe.sections:
            self.check_section(section, rva, offset)
            rva, offset = round_up(section.virtual_end), section.raw_end
        spare = self.image[pe.section_table_end:pe.section_table_end + self.spare_sections() * peimage.SECTION.size]
        self.expect(not any(spare), "the room for more section headers is not filled with zeros")
        return len(self.defects) == before

    def spare_sections(self):
        return SPARE_SECTIONS - (len(self.pe.sections) - len(SECTIONS))

    def check_section(self, section, rva, offset):
        name, image_bytes = section.name, len(self.image)
        self.expect(section.rva != 0, f"{name} is at RVA 0")
        self.expect(section.virtual_bytes != 0 and section.raw_bytes != 0, f"{name} is empty")
        self.expect_equal(f"{name}: VirtualAddress", section.rva, rva)  # without gaps, ascending: no overlaps
        self.expect_equal(f"{name}: PointerToRawData", section.raw_offset, offset)
        if name in SECTIONS:
            self.expect(section.raw_offset == section.rva, f"{name} is at RVA {section.rva:#x}, but at offset "
                        f"{section.raw_offset:#x} in the file")
        self.expect(section.raw_bytes % self.pe.file_alignment == 0, f"{name}: SizeOfRawData is not aligned")
        self.expect(section.raw_end <= image_bytes, f"{name} ends behind the file's end")
        if name != ".data":
            self.expect_equal(f"{name}: SizeOfRawData", section.raw_bytes, round_up(section.virtual_bytes))
        else:
            self.expect(section.raw_bytes <= round_up(section.virtual_bytes), f"{name} is larger than its memory")
        flags = SECTIONS.get(name, SECTION_INITIALISED | SECTION_READ)
        self.expect(not (section.flags & SECTION_WRITE and section.flags & SECTION_EXECUTE),
                    f"{name} is writable and executable")
        self.expect(not section.flags & peimage.SECTION_DISCARDABLE, f"{name} is discardable")
        self.expect_equal(f"{name}: flags", section.flags, flags)
        self.expect(section.unused == (0, 0, 0, 0), f"{name} has relocations or line numbers of its own")

    def check_sizes(self):
        pe = self.pe
        code = [section for section in pe.sections if section.flags & SECTION_CODE]
        data = [section for section in pe.sections if section.flags & SECTION_INITIALISED]
        self.expect_equal("SizeOfCode", pe.code_bytes, sum(section.raw_bytes for section in code))
        self.expect_equal("SizeOfInitializedData", pe.initialised_bytes, sum(section.raw_bytes for section in data))
        bss = sum(max(round_up(section.virtual_bytes) - section.raw_bytes, 0) for section in data)
        self.expect_equal("SizeOfUninitializedData", round_up(pe.uninitialised_bytes), bss)
        self.expect_equal("BaseOfCode", pe.code_base, code[0].rva)
        self.expect_equal("SizeOfImage", pe.image_bytes, round_up(pe.sections[-1].virtual_end))
        self.expect(self.is_code(pe.entry), f"the entry point {pe.entry:#x} is in no executable section")
        end = pe.directories[peimage.DIRECTORY_CERTIFICATES][0] if self.signed else len(self.image)
        self.expect(end == pe.file_end, f"{end - pe.file_end} bytes behind the last section")

    def is_code(self, rva):
        return any(section.rva <= rva < section.virtual_end and section.flags & SECTION_EXECUTE
                   for section in self.pe.sections)

    # --- directories ----------------------------------------------------------------------------------------------

    def check_directories(self):
        allowed = {peimage.DIRECTORY_RELOCATIONS} | ({peimage.DIRECTORY_CERTIFICATES} if self.signed else set())
        for number, directory in enumerate(self.pe.directories):
            if number not in allowed:
                self.expect(directory == (0, 0), f"data directory {number} is used")

    def check_relocations(self):
        rva, total = self.pe.directories[peimage.DIRECTORY_RELOCATIONS]
        section = self.pe.section(".reloc")
        if not self.expect(section.rva <= rva and rva + total <= section.virtual_end and total >= 8,
                           f"the relocation directory {rva:#x}+{total:#x} is not inside .reloc"):
            return
        blocks = self.image[rva - section.rva + section.raw_offset:][:total]
        at = 0
        while at < total:
            page, block_bytes = struct.unpack_from("<II", blocks, at) if total - at >= 8 else (0, 0)
            if not self.expect(8 <= block_bytes <= total - at and block_bytes % 4 == 0,
                               f"a relocation block of {block_bytes} bytes"):
                return
            self.expect(page % PAGE == 0 and page < self.pe.image_bytes, f"a relocation block for page {page:#x}")
            entries = struct.unpack_from(f"<{(block_bytes - 8) // 2}H", blocks, at + 8)
            # Any other kind would make the loader write into the image, and most of it is read-only.
            self.expect(all(entry >> 12 == RELOCATION_NONE for entry in entries), "a relocation that changes the image")
            at += block_bytes

    def check_sbat(self):
        content = self.pe.section(".sbat").contents(self.image)
        text = content.rstrip(b"\0")
        if not self.expect(text.endswith(b"\n") and text.isascii() and b"\0" not in text, "SBAT is no line of text"):
            return
        rows = list(csv.reader(text.decode().splitlines(), strict=True))
        self.expect(all(len(row) == SBAT_FIELDS and all(row) for row in rows), "an SBAT line has not six fields")
        self.expect(all(re.fullmatch("[1-9][0-9]*", row[1]) for row in rows), "an SBAT generation is no number")
        self.expect(rows[0][:4] == ["sbat", "1", "SBAT Version", "sbat"], "SBAT does not begin with its version")
        self.expect([row[0] for row in rows[1:]] == ["berth"], "SBAT does not name berth, and berth alone")

    def check_certificates(self):
        offset, total = self.pe.directories[peimage.DIRECTORY_CERTIFICATES]
        if not self.signed:
            return
        if not self.expect(offset % CERTIFICATE_ALIGN == 0 and total >= 8 and offset + total == len(self.image),
                           f"the certificate table {offset:#x}+{total:#x} is not the end of the file"):
            return
        length, revision, kind = struct.unpack_from("<IHH", self.image, offset)
        self.expect(8 < length <= total and (revision, kind) == (WIN_CERT_REVISION, WIN_CERT_TYPE_PKCS7),
                    "the certificate table does not hold a PKCS#7 signature")

    # --- multiboot ------------------------------------------------------------------------------------------------

    def find_header(self, magic, words, alignment, limit):
        """The one place where magic and checksum fit; it lies in the headers' page, behind the section headers."""
        found = [at for at in range(0, min(limit, len(self.image) - 4 * words + 1), alignment)
                 if struct.unpack_from("<I", self.image, at)[0] == magic
                 and sum(struct.unpack_from(f"<{words}I", self.image, at)) & 0xFFFFFFFF == 0]
        if not self.expect(len(found) == 1, f"{len(found)} headers with magic {magic:#x}"):
            return None
        spare_end = self.pe.section_table_end + self.spare_sections() * peimage.SECTION.size
        self.expect(spare_end <= found[0] < PAGE, f"the header with magic {magic:#x} is at {found[0]:#x}")
        return found[0]

    def check_load(self, what, at, header, load, load_end, bss_end):
        """The four addresses mean: the whole file as it is, then zeros up to the image's end."""
        data = self.pe.section(".data")
        self.expect(header - load == at, f"{what}: the header would be at {header - load:#x}, it is at {at:#x}")
        self.expect_equal(f"{what}: bytes to load", load_end - load, data.raw_end)
        self.expect(bss_end - load <= round_up(data.virtual_end) and bss_end - load >= data.virtual_end,
                    f"{what}: {bss_end - load:#x} bytes of memory, the sections need {data.virtual_end:#x}")

    def check_multiboot1(self):
        at = self.find_header(MB1_MAGIC, 3, 4, MB1_SEARCH)
        if at is None:
            return
        flags, _, header, load, load_end, bss_end, entry = struct.unpack_from("<7I", self.image, at + 4)
        if self.expect(flags & MB1_ADDRESS_FIELDS, "multiboot1: no address fields"):
            self.check_load("multiboot1", at, header, load, load_end, bss_end)
            self.expect(self.is_code(entry - load), "multiboot1: the entry is in no executable section")

    def multiboot2_tags(self, at):
        (length,) = struct.unpack_from("<I", self.image, at + 8)
        tags, tag, end = {}, at + 16, at + length
        while tag + 8 <= end <= PAGE:
            kind, _, size = struct.unpack_from("<HHI", self.image, tag)
            if size < 8 or tag + size > end or kind in tags:
                break
            tags[kind] = self.image[tag:tag + size]
            tag = round_up(tag + size, 8)
            if kind == MB2_END:
                self.expect(tag == end, "multiboot2: the end tag is not at the header's end")
                return tags
        self.expect(False, "multiboot2: the tags are damaged, or one is there twice")
        return None

    def check_multiboot2(self):
        at = self.find_header(MB2_MAGIC, 4, 8, MB2_SEARCH)
        tags = self.multiboot2_tags(at) if at is not None else None
        if tags is None:
            return
        for kind, size in MB2_SIZES.items():
            if not self.expect(len(tags.get(kind, b"")) == size, f"multiboot2: no tag {kind} of {size} bytes"):
                return
        addresses = struct.unpack_from("<4I", tags[MB2_ADDRESS], 8)
        self.check_load("multiboot2", at, *addresses)
        for kind in (MB2_ENTRY, MB2_ENTRY_EFI64):
            (entry,) = struct.unpack_from("<I", tags[kind], 8)
            self.expect(self.is_code(entry - addresses[1]), f"multiboot2: entry tag {kind} points to no code")


def defects(image, **options):
    """What is wrong with the image, as sentences. Never raises because of what is in it."""
    try:
        return Checker(image, **options).run()
    except peimage.PeError as error:
        return [str(error)]
    except csv.Error as error:
        return [f"SBAT: {error}"]


# --- what others say ----------------------------------------------------------------------------------------------

def others(path, signed=False):
    """What the tools that users have say against the image."""
    def ask(*command):
        done = subprocess.run([*command, str(path)], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    status, out, err = ask("file", "-b")
    if status or not re.search(r"^PE32\+ executable.*\(EFI application\).*x86-64", out):
        yield f"file: {out.strip()} {err.strip()}"
    status, out, err = ask("objdump", "-x")
    if status or err or not all(re.search(rf"\d {re.escape(name)} ", out) for name in SECTIONS):
        yield f"objdump -x: status {status}, {err.strip() or 'a section is missing'}"
    for kind in ("--is-x86-multiboot2", "--is-x86-multiboot", "--is-x86_64-efi"):
        status, _, err = ask("grub-file", kind)
        if status:
            yield f"grub-file {kind}: no {err.strip()}"
    status, out, err = ask("sbverify", "--list")
    if signed:
        if status or "signature 1" not in out or "warning" in err.lower():
            yield f"sbverify --list: {out.strip()} {err.strip()}"
    elif "No signature table present" not in out + err or "warning" in (out + err).lower():
        yield f"sbverify --list: {out.strip()} {err.strip()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=pathlib.Path)
    parser.add_argument("--unified", action="store_true")
    parser.add_argument("--signed", action="store_true")
    parser.add_argument("--alone", action="store_true")
    arguments = parser.parse_args()
    image = arguments.image.read_bytes()
    found = defects(image, unified=arguments.unified, signed=arguments.signed)
    if not arguments.alone:
        found += others(arguments.image, arguments.signed)
    if found:
        sys.exit("\n".join(f"pe: {arguments.image}: {defect}" for defect in found))
    pe = peimage.PeImage(image)
    print(f"pe: {len(image)} bytes in the file, {pe.image_bytes} in memory; "
          + ", ".join(section.name for section in pe.sections) + (", signed" if pe.is_signed else ""))


if __name__ == "__main__":
    main()
