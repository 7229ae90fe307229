#!/usr/bin/python3
"""The glyphs of a console font (PSF 1 or 2, compressed) as assembly: font_glyphs, 16 bytes for each of ' ' to '~'.

Source of the formats: the header files of the package kbd. Both kinds have a table that says which characters a glyph
stands for; ASCII is looked up there, not assumed.
"""
import gzip
import struct
import sys

FIRST, LAST = 0x20, 0x7E
WIDTH, HEIGHT = 8, 16
PSF1_MAGIC, PSF1_512_GLYPHS, PSF1_HAS_TABLE = b"\x36\x04", 0x01, 0x06
PSF2_MAGIC, PSF2_HAS_TABLE = b"\x72\xb5\x4a\x86", 0x01
PSF1_SEPARATOR, PSF1_SEQUENCE = 0xFFFF, 0xFFFE
PSF2_SEPARATOR, PSF2_SEQUENCE = b"\xff", b"\xfe"


def psf1(data):
    """[bitmap], and the characters of each."""
    mode, height = data[2], data[3]
    count = 512 if mode & PSF1_512_GLYPHS else 256
    if not mode & PSF1_HAS_TABLE:
        sys.exit("font: no table of characters")
    table = struct.iter_unpack("<H", data[4 + count * height:])
    characters = [[]]
    sequence = False
    for (word,) in table:
        if word == PSF1_SEPARATOR:
            characters.append([])
            sequence = False
        elif word == PSF1_SEQUENCE:
            sequence = True
        elif not sequence:
            characters[-1].append(word)
    return WIDTH, height, [data[4 + i * height:4 + (i + 1) * height] for i in range(count)], characters[:count]


def psf2(data):
    _, header, flags, count, size, height, width = struct.unpack_from("<7I", data, 4)
    if not flags & PSF2_HAS_TABLE:
        sys.exit("font: no table of characters")
    entries = data[header + count * size:].split(PSF2_SEPARATOR)[:count]
    characters = [[ord(c) for c in entry.split(PSF2_SEQUENCE)[0].decode("utf-8")] for entry in entries]
    return width, height, [data[header + i * size:header + (i + 1) * size] for i in range(count)], characters


def load(path):
    """{character: 16 bytes} of ASCII."""
    try:
        with gzip.open(path) as file:
            data = file.read()
    except FileNotFoundError:
        sys.exit(f"font: {path} is missing: install the Debian package console-setup-linux")
    if data.startswith(PSF1_MAGIC):
        width, height, glyphs, characters = psf1(data)
    elif data.startswith(PSF2_MAGIC):
        width, height, glyphs, characters = psf2(data)
    else:
        sys.exit(f"font: {path} is no PSF file")
    if (width, height) != (WIDTH, HEIGHT):
        sys.exit(f"font: {path} has characters of {width}x{height} dots, not {WIDTH}x{HEIGHT}")
    found = {chr(code): glyph for glyph, codes in zip(glyphs, characters) for code in codes if FIRST <= code <= LAST}
    missing = [chr(code) for code in range(FIRST, LAST + 1) if chr(code) not in found]
    if missing:
        sys.exit(f"font: {path} has no {' '.join(missing)}")
    return found


def main():
    glyphs = load(sys.argv[1])
    print(f'/* Glyphs of {sys.argv[1]}, by tools/font.py. */\n        .section .rodata, "a", @progbits\n'
          "        .globl font_glyphs\nfont_glyphs:")
    for character in sorted(glyphs):
        print(f"        .byte {', '.join(f'{line:#04x}' for line in glyphs[character])}")


if __name__ == "__main__":
    main()
