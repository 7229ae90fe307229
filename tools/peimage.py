"""Read the headers of a PE32+ image: the fields that tools/unify.py changes and tests/check/pe.py judges.

Source: Microsoft, "PE Format". Every number is little-endian.
"""
import dataclasses
import struct

DOS_MAGIC = b"MZ"
DOS_HEADER_BYTES = 0x40
LFANEW_OFFSET = 0x3C
SIGNATURE = b"PE\0\0"
MACHINE_AMD64 = 0x8664
OPTIONAL_MAGIC_PE32PLUS = 0x20B

COFF = struct.Struct("<4sHHIIIHH")
OPTIONAL = struct.Struct("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII")
DIRECTORY = struct.Struct("<II")
SECTION = struct.Struct("<8sIIIIIIHHI")

COFF_FIELDS = ("signature", "machine", "section_count", "timestamp", "symbol_table", "symbol_count", "optional_bytes",
               "characteristics")
OPTIONAL_FIELDS = ("magic", "linker_major", "linker_minor", "code_bytes", "initialised_bytes", "uninitialised_bytes",
                   "entry", "code_base", "image_base", "section_alignment", "file_alignment", "os_major", "os_minor",
                   "image_major", "image_minor", "subsystem_major", "subsystem_minor", "win32_version", "image_bytes",
                   "headers_bytes", "checksum", "subsystem", "dll_characteristics", "stack_reserve", "stack_commit",
                   "heap_reserve", "heap_commit", "loader_flags", "directory_count")

DIRECTORY_CERTIFICATES = 4  # the one directory whose first word is an offset in the file
DIRECTORY_RELOCATIONS = 5
DIRECTORIES = 16

SECTION_CODE = 0x00000020
SECTION_INITIALISED = 0x00000040
SECTION_UNINITIALISED = 0x00000080
SECTION_DISCARDABLE = 0x02000000
SECTION_EXECUTE = 0x20000000
SECTION_READ = 0x40000000
SECTION_WRITE = 0x80000000


class PeError(Exception):
    """The bytes are no PE32+ image for x86-64, or not one that can be changed as asked."""


@dataclasses.dataclass
class Section:
    name: str
    virtual_bytes: int
    rva: int
    raw_bytes: int
    raw_offset: int
    flags: int
    header_offset: int
    unused: tuple = (0, 0, 0, 0)  # relocations and line numbers of object files

    @property
    def virtual_end(self):
        return self.rva + self.virtual_bytes

    @property
    def raw_end(self):
        return self.raw_offset + self.raw_bytes

    def contents(self, image):
        """What was put in, without the padding."""
        return bytes(image[self.raw_offset:self.raw_offset + min(self.virtual_bytes, self.raw_bytes)])

    def pack(self):
        relocations, lines, relocation_count, line_count = self.unused
        return SECTION.pack(self.name.encode("ascii"), self.virtual_bytes, self.rva, self.raw_bytes, self.raw_offset,
                            relocations, lines, relocation_count, line_count, self.flags)


class PeImage:
    """The headers as attributes: those of COFF_FIELDS and OPTIONAL_FIELDS, `directories` and `sections`."""

    def __init__(self, image):
        self.image = image
        if len(image) < DOS_HEADER_BYTES or image[:2] != DOS_MAGIC:
            raise PeError("no MZ at the start")
        (self.pe_offset,) = struct.unpack_from("<I", image, LFANEW_OFFSET)
        vars(self).update(zip(COFF_FIELDS, self._unpack(COFF, self.pe_offset, "PE header")))
        if self.signature != SIGNATURE or self.machine != MACHINE_AMD64:
            raise PeError(f"no PE header for x86-64 at {self.pe_offset:#x}")
        self.optional_offset = self.pe_offset + COFF.size
        vars(self).update(zip(OPTIONAL_FIELDS, self._unpack(OPTIONAL, self.optional_offset, "optional header")))
        if self.magic != OPTIONAL_MAGIC_PE32PLUS:
            raise PeError(f"the optional header's magic is {self.magic:#x}, not that of PE32+")
        if OPTIONAL.size + self.directory_count * DIRECTORY.size > self.optional_bytes:
            raise PeError(f"{self.directory_count} data directories do not fit the optional header")
        table = self.optional_offset + OPTIONAL.size
        self.directories = [self._unpack(DIRECTORY, table + number * DIRECTORY.size, "data directory")
                            for number in range(self.directory_count)]
        self.section_table_offset = self.optional_offset + self.optional_bytes
        self.sections = [self._section(number) for number in range(self.section_count)]

    def _unpack(self, layout, offset, what):
        try:
            return layout.unpack_from(self.image, offset)
        except struct.error:
            raise PeError(f"the {what} at {offset:#x} is not inside the file") from None

    def _section(self, number):
        offset = self.section_table_offset + number * SECTION.size
        name, *numbers, flags = self._unpack(SECTION, offset, "section header")
        return Section(name.rstrip(b"\0").decode("latin-1"), *numbers[:4], flags, offset, tuple(numbers[4:]))

    @property
    def section_table_end(self):
        return self.section_table_offset + self.section_count * SECTION.size

    @property
    def file_end(self):
        """Where the last section ends in the file."""
        return max([self.headers_bytes] + [section.raw_end for section in self.sections])

    @property
    def is_signed(self):
        return len(self.directories) > DIRECTORY_CERTIFICATES and self.directories[DIRECTORY_CERTIFICATES] != (0, 0)

    def section(self, name):
        return next((section for section in self.sections if section.name == name), None)


def put(image, pe, **fields):
    """Write fields of COFF_FIELDS or OPTIONAL_FIELDS into `image`, a bytearray that `pe` was read from."""
    for layout, names, offset in ((COFF, COFF_FIELDS, pe.pe_offset), (OPTIONAL, OPTIONAL_FIELDS, pe.optional_offset)):
        values = [fields.pop(name, value) for name, value in zip(names, layout.unpack_from(image, offset))]
        layout.pack_into(image, offset, *values)
    assert not fields, f"no such field: {', '.join(fields)}"
