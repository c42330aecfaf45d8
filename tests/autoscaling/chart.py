"""CSV files of measure.py or claim.py → one SVG chart on stdout: a panel for each figure that they have, a line for each file.

    chart.py [--requests N] [--cpu N] [--p95 N] FILE…      N: what is to be held, as a dashed line
"""

import argparse
import csv
import math
from pathlib import Path

WIDTH, PANEL, GAP, LEFT, RIGHT, TOP = 760, 104, 44, 56, 20, 76
# Told apart by dashes and width too, not by the colour alone: those with both metrics are on top.
NAMES = {"cpu": "scaled by CPU alone", "requests": "scaled by CPU and requests"}
STYLE = """
svg { background: #fff; } text { fill: #57534e; font: 12px system-ui, "Noto Sans CJK SC", sans-serif; }
.title { fill: #1c1917; font-weight: 600; } .end { text-anchor: end; } .middle { text-anchor: middle; }
.line { fill: none; stroke-linejoin: round; } .grid { stroke: #e7e5e4; } .bound { stroke: #78716c; stroke-dasharray: 3 3; }
.load { stroke: #44403c; stroke-width: 2; } .cpu { stroke: #c2410c; stroke-width: 2; stroke-dasharray: 7 4; }
.requests { stroke: #1d4ed8; stroke-width: 3; }
@media (prefers-color-scheme: dark) {
  svg { background: #171614; } text { fill: #b5b0aa; } .title { fill: #f2efec; } .grid { stroke: #34312e; }
  .bound { stroke: #a8a29e; } .load { stroke: #d6d3d1; } .cpu { stroke: #fb923c; } .requests { stroke: #6cb0ff; }
}
"""


def panels(options):
    """Column, title, what is to be held and its words, whether a value holds until the next one."""
    held = lambda value, words: (value, words.format(value)) if value else None
    return [
        ("offered_rate", "Load, requests per second", None, False),
        ("replicas", "Pods", None, True),
        ("requests_per_second_and_pod", "Requests per second and pod", held(options.requests, "target {}"), False),
        ("cpu_percent", "CPU, percent of the request", held(options.cpu, "target {} %"), False),
        ("p95_ms", "P95 of the answered requests, milliseconds", held(options.p95, "objective {} ms"), False),
        ("refused_percent", "Refused, percent of the requests", None, False),
    ]


def ticks(highest, is_whole):
    """From 0 to above the highest value, by 1, 2 or 5 times a power of ten."""
    rough = max(highest, 1e-9) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough * 0.999)
    step = max(step, 1) if is_whole else step
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def points(rows, column):
    return [(float(row["seconds"]), float(row[column])) for row in rows if row[column] != ""]


def polyline(name, series, x, y, is_stepped):
    drawn, last = [], None
    for second, value in series:
        if is_stepped and last is not None:
            drawn.append(f"{x(second):.1f},{y(last):.1f}")
        drawn.append(f"{x(second):.1f},{y(value):.1f}")
        last = value
    return f'<polyline class="line {name}" points="{" ".join(drawn)}"/>'


def panel(top, of, tables, x):
    column, title, held, is_stepped = of
    lines = [(name, points(rows, column)) for name, rows in tables]
    if column == "offered_rate":
        lines = [("load", lines[0][1])]
    values = [value for _, series in lines for _, value in series] + ([held[0]] if held else [])
    marks = ticks(max(values), column == "replicas")
    y = lambda value: top + PANEL - value / (marks[-1] or 1) * PANEL

    yield f'<text class="title" x="{LEFT}" y="{top - 10}">{title}</text>'
    for value in marks:
        yield f'<path class="grid" d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text class="end" x="{LEFT - 8}" y="{y(value) + 4:.1f}">{value:.10g}</text>'
    for name, series in lines:
        yield polyline(name, series, x, y, is_stepped)
    if held:
        yield f'<path class="bound" d="M{LEFT} {y(held[0]):.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT + 4}" y="{y(held[0]) - 5:.1f}">{held[1]}</text>'


def legend(names):
    for number, name in enumerate(names):
        x = LEFT + number * 220
        yield f'<path class="line {name}" d="M{x} 24H{x + 32}"/><text x="{x + 40}" y="28">{NAMES[name]}</text>'


def main(options):
    tables = [(file.stem, list(csv.DictReader(file.read_text().splitlines()))) for file in options.files]
    end = max(float(rows[-1]["seconds"]) for _, rows in tables)
    x = lambda second: LEFT + second / end * (WIDTH - LEFT - RIGHT)
    shown = [one for one in panels(options) if all(one[0] in rows[0] for _, rows in tables)]
    height = TOP + len(shown) * (PANEL + GAP) + 12
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">\n<style>{STYLE}</style>')
    print("\n".join(legend([name for name, _ in tables])))
    for number, of in enumerate(shown):
        print("\n".join(panel(TOP + number * (PANEL + GAP), of, tables, x)))
    minutes = 1 if end <= 600 else 5
    bottom = TOP + len(shown) * (PANEL + GAP) - GAP
    for minute in range(0, int(end / 60) + 1, minutes):
        print(f'<text class="middle" x="{x(minute * 60):.1f}" y="{bottom + 18}">{minute}</text>')
    print(f'<text class="middle" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{bottom + 38}">minutes</text>\n</svg>')


parser = argparse.ArgumentParser(description=__doc__)
for name in ("requests", "cpu", "p95"):
    parser.add_argument(f"--{name}", type=int)
parser.add_argument("files", type=Path, nargs="+")
main(parser.parse_args())
