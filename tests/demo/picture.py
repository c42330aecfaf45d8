"""Runs a command on a terminal of its own and draws what stands on it at the end → an SVG picture.

    python3 picture.py FILE.svg COMMAND…
    python3 picture.py --film FILE.svg TITLE COMMAND…    what stood on it meanwhile, as a picture that moves

The command's output goes to stderr too. What a terminal does with the bytes is pyte's business (tests/demo/run
installs it); what is drawn needs no font or file from elsewhere. Ends with the command's exit code.
"""

import codecs
import fcntl
import os
import pty
import re
import struct
import sys
import termios
import time
from html import escape
from itertools import groupby
from pathlib import Path

import pyte

COLUMNS, LINES = 140, 400
FILM_COLUMNS, FILM_LINES = 100, 30
# Seconds for which a screen stays in a film, whatever it took.
SHORTEST, LONGEST = 0.35, 1.5
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


def terminal_of(command, columns=COLUMNS, lines=LINES, watch=lambda screen: None):
    """Runs it to its end: the screen, and the exit code. `watch` sees the screen after each piece of output."""
    screen = Screen(columns, lines)
    stream = pyte.Stream(screen)
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.environ["TERM"] = "xterm-256color"
        os.execvp(command[0], command)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while chunk := read(terminal):
        sys.stderr.buffer.write(chunk)
        sys.stderr.flush()
        stream.feed(decoder.decode(chunk))
        watch(screen)
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
    cells = [(column, row[column]) for column in sorted(row) if row[column].data]
    for (colour, bold), group in groupby(cells, key=lambda cell: (cell[1].fg, cell[1].bold)):
        group = list(group)
        text = "".join(cell.data for _, cell in group)
        if text.strip():
            yield group[0][0], text.rstrip(), colour, bold


def head(columns, lines, title):
    width, height = columns * CELL_WIDTH + 2 * MARGIN, lines * LINE_HEIGHT + 2 * MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="{FONT_SIZE}">'
    yield f"<title>{escape(title)}</title>"
    yield '<rect width="100%" height="100%" rx="8" fill="#171717"/>'


def svg(screen, title):
    filled = [number for number, line in enumerate(screen.display) if line.strip()]
    count = filled[-1] + 1 if filled else 1
    yield from head(COLUMNS, count + 1, title)
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


def still(rows):
    """Without what only moves: a spinner, and the numbers beside it."""
    return [re.sub(r"[\u2801-\u28ff]|(?<=>)[^<]*\d(\.\d)? ?(s|[kM]B)(?=\s*<)", "", row) for row in rows]


class Film:
    """The screens of a command, each with the time at which it came."""

    def __init__(self):
        self.screens = []

    def watch(self, screen):
        now = time.monotonic()
        rows = tuple("".join(text(column, 0, words, shade(colour), bold) for column, words, colour, bold in runs(screen.buffer[number])) for number in range(screen.lines))
        if self.screens and (now - self.screens[-1][0] < SHORTEST or still(self.screens[-1][1]) == still(rows)):
            self.screens[-1] = (self.screens[-1][0], rows)
        else:
            self.screens.append((now, rows))

    def svg(self, title):
        """Each row is drawn once, and each screen names its rows."""
        times = [when for when, _ in self.screens]
        stays = [min(max(after - before, SHORTEST), LONGEST) for before, after in zip(times, times[1:])] + [4 * LONGEST]
        names = {row: f"r{number}" for number, row in enumerate(dict.fromkeys(row for _, rows in self.screens for row in rows if row))}
        yield from head(FILM_COLUMNS, FILM_LINES, title)
        yield "<defs>" + "".join(f'<g id="{name}">{row}</g>' for row, name in names.items()) + "</defs>"
        begin, whole = 0, sum(stays)
        for stay, (_, rows) in zip(stays, self.screens):
            shown = f"{begin / whole:.5f};{(begin + stay) / whole:.5f}" if begin else f"0;{stay / whole:.5f}"
            values = "hidden;visible;hidden" if begin else "visible;hidden"
            yield f'<g visibility="hidden"><animate attributeName="visibility" calcMode="discrete" dur="{whole:.1f}s" repeatCount="indefinite" values="{values}" keyTimes="{"0;" * bool(begin)}{shown}"/>'
            yield "".join(f'<use href="#{names[row]}" y="{number * LINE_HEIGHT}"/>' for number, row in enumerate(rows) if row) + "</g>"
            begin += stay
        yield "</svg>"


def film(file, title, *command):
    shown = Film()
    _, code = terminal_of(command, FILM_COLUMNS, FILM_LINES, shown.watch)
    Path(file).write_text("\n".join(shown.svg(title)) + "\n")
    sys.exit(code)


def main(file, *command):
    screen, code = terminal_of(command)
    # As somebody would type it: names without the folders of this machine.
    title = " ".join(Path(word).name if "/" in word else word for word in command)
    Path(file).write_text("\n".join(svg(screen, title)) + "\n")
    sys.exit(code)


if sys.argv[1] == "--film":
    film(*sys.argv[2:])
main(*sys.argv[1:])
