"""Runs a command on a terminal of its own and draws what stands on it at the end → an SVG picture.

    python3 picture.py FILE.svg COMMAND…

The command's output goes to stderr too. What a terminal does with the bytes is pyte's business (tests/demo/run
installs it); what is drawn needs no font or file from elsewhere. Ends with the command's exit code.
"""

import codecs
import fcntl
import os
import pty
import struct
import sys
import termios
from html import escape
from itertools import groupby
from pathlib import Path

import pyte

COLUMNS, LINES = 140, 400
CELL_WIDTH, LINE_HEIGHT, MARGIN, FONT_SIZE = 7.8, 17, 14, 13
COLOURS = {
    "default": "#d4d4d4", "black": "#737373", "red": "#f87171", "green": "#4ade80", "brown": "#facc15",
    "blue": "#60a5fa", "magenta": "#c084fc", "cyan": "#22d3ee", "white": "#f5f5f5",
}
DIM = "#8b8b8b"


class Screen(pyte.Screen):
    """pyte knows no faint text, and that is how details are told from what matters: kept as a colour."""

    def select_graphic_rendition(self, *attributes, **kept):
        super().select_graphic_rendition(*attributes, **kept)
        look = self.cursor.attrs
        if 2 in attributes:
            self.cursor.attrs = look._replace(fg=DIM)
        elif 22 in attributes and look.fg == DIM:
            self.cursor.attrs = look._replace(fg="default")


def terminal_of(command):
    """Runs it to its end: the screen, and the exit code."""
    screen = Screen(COLUMNS, LINES)
    stream = pyte.Stream(screen)
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        os.environ["TERM"] = "xterm-256color"
        os.execvp(command[0], command)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while chunk := read(terminal):
        sys.stderr.buffer.write(chunk)
        sys.stderr.flush()
        stream.feed(decoder.decode(chunk))
    _, status = os.waitpid(child, 0)
    return screen, os.waitstatus_to_exitcode(status)


def read(terminal):
    """Nothing at the end, which Linux tells by an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def runs(row):
    """Neighbours that look the same: `(column, text, colour, is_bold)`."""
    cells = [(column, row[column]) for column in range(COLUMNS) if row[column].data]
    for (colour, bold), group in groupby(cells, key=lambda cell: (cell[1].fg, cell[1].bold)):
        group = list(group)
        text = "".join(cell.data for _, cell in group)
        if text.strip():
            yield group[0][0], text.rstrip(), colour, bold


def svg(screen, title):
    filled = [number for number, line in enumerate(screen.display) if line.strip()]
    count = filled[-1] + 1 if filled else 1
    width, height = COLUMNS * CELL_WIDTH + 2 * MARGIN, (count + 1) * LINE_HEIGHT + 2 * MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="{FONT_SIZE}">'
    yield f"<title>{escape(title)}</title>"
    yield '<rect width="100%" height="100%" rx="8" fill="#171717"/>'
    yield text(0, 0, f"$ {title}", "#f5f5f5", True)
    for number in range(count):
        for column, words, colour, bold in runs(screen.buffer[number]):
            yield text(column, number + 1, words, shade(colour), bold)
    yield "</svg>"


def shade(colour):
    """pyte's name of a colour, or its six digits."""
    name = colour.removeprefix("bright")
    return COLOURS.get(name) or "#" + name.removeprefix("#")


def text(column, line, words, colour, bold):
    x, y = MARGIN + column * CELL_WIDTH, MARGIN + (line + 0.8) * LINE_HEIGHT
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{weight} xml:space="preserve">{escape(words)}</text>'


def main(file, *command):
    screen, code = terminal_of(command)
    # As somebody would type it: names without the folders of this machine.
    title = " ".join(Path(word).name if "/" in word else word for word in command)
    Path(file).write_text("\n".join(svg(screen, title)) + "\n")
    sys.exit(code)


main(*sys.argv[1:])
