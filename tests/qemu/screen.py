"""Read text back from pixels: each cell of the screen is compared with the glyphs of the font that Berth uses."""
import pathlib
import re

import font

FONT = pathlib.Path("/usr/share/consolefonts/Lat15-Terminus16.psf.gz")
PREFIX = "(BERTH) "


class Picture:
    """Pixels as rows of lit and dark dots. Any pixel that is not black is lit."""

    def __init__(self, width, height, rows):
        self.width, self.height, self.rows = width, height, rows

    @classmethod
    def from_ppm(cls, path):
        data = path.read_bytes()
        head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
        width, height = int(head[1]), int(head[2])
        return cls.from_memory(data[head.end():], width, height, 3 * width, 3)

    @classmethod
    def from_memory(cls, data, width, height, pitch, pixel_bytes):
        rows = []
        for y in range(height):
            line = data[y * pitch:y * pitch + width * pixel_bytes]
            rows.append([any(line[x:x + pixel_bytes]) for x in range(0, len(line), pixel_bytes)])
        return cls(width, height, rows)

    def dots(self, column, row, scale):
        """The dots of one cell as bytes, from the middle of each square of pixels."""
        left, top, middle = column * font.WIDTH * scale, row * font.HEIGHT * scale, scale // 2
        return bytes(sum(self.rows[top + y * scale + middle][left + x * scale + middle] << (font.WIDTH - 1 - x)
                         for x in range(font.WIDTH)) for y in range(font.HEIGHT))

    def text(self, scale=1):
        """The screen's rows; a cell that is no character of the font is \N{REPLACEMENT CHARACTER}."""
        characters = {glyph: character for character, glyph in font.load(FONT).items()}
        columns, rows = self.width // (font.WIDTH * scale), self.height // (font.HEIGHT * scale)
        return ["".join(characters.get(self.dots(column, row, scale), "\N{REPLACEMENT CHARACTER}")
                        for column in range(columns)) for row in range(rows)]


def rows_of(lines, columns):
    """The rows that lines of a log take on a screen of so many columns."""
    rows = []
    for line in lines:
        rows += [line[start:start + columns].ljust(columns) for start in range(0, max(len(line), 1), columns)]
    return rows


def assert_shows_end(screen, log):
    """The screen shows the end of Berth's log and nothing else, at least three quarters of its rows full."""
    expected = rows_of([PREFIX + line for line in log.lines], len(screen[0]))
    while screen and not screen[-1].strip():
        screen = screen[:-1]
    assert screen == expected[-len(screen):], "\n".join(["on the screen:", *screen, "in the log:", *expected])
    return len(screen)
