"""CSV files of measure.py or claim.py → one SVG chart on stdout: a panel for each figure that they have, a line for each file.

    chart.py TARGET FILE…      TARGET: requests per second that a pod should have
"""

import csv
import sys
from pathlib import Path

WIDTH, PANEL, GAP, LEFT, RIGHT, TOP = 760, 110, 34, 60, 16, 46
# Told apart by dashes too, not by the colour alone.
STYLES = {"cpu": ("#b45309", "6 4"), "requests": ("#1d4ed8", "none")}
NAMES = {"cpu": "scaled by CPU alone", "requests": "scaled by CPU and requests"}
TARGET = int(sys.argv[1])
PANELS = [
    ("replicas", "replicas", None),
    ("requests_per_second_and_pod", f"requests/s and pod (target {TARGET})", TARGET),
    ("cpu_percent", "CPU, % of the request (target 60)", 60),
    ("p95_ms", "P95, ms", None),
    ("refused_percent", "refused, % of the requests", None),
]


def points(rows, column):
    return [(float(row["seconds"]), float(row[column])) for row in rows if row[column] != ""]


def polyline(series, style, x, y, is_stepped):
    drawn, last = [], None
    for second, value in series:
        if is_stepped and last is not None:
            drawn.append(f"{x(second):.1f},{y(last):.1f}")
        drawn.append(f"{x(second):.1f},{y(value):.1f}")
        last = value
    colour, dashes = style
    return f'<polyline points="{" ".join(drawn)}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'


def panel(number, panels, tables, styles, end):
    column, title, target = panels[number]
    top = TOP + number * (PANEL + GAP)
    series = [points(rows, column) for rows in tables]
    highest = max([value for line in series for _, value in line] + [target or 0, 1]) * 1.08

    def x(second):
        return LEFT + second / end * (WIDTH - LEFT - RIGHT)

    def y(value):
        return top + PANEL - value / highest * PANEL

    yield f'<text x="{LEFT}" y="{top - 6}" font-weight="bold">{title}</text>'
    for value in (0, highest / 2.16, highest / 1.08):
        yield f'<line x1="{LEFT}" y1="{y(value):.1f}" x2="{WIDTH - RIGHT}" y2="{y(value):.1f}" stroke="#d4d4d4"/>'
        yield f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
    if target:
        yield f'<line x1="{LEFT}" y1="{y(target):.1f}" x2="{WIDTH - RIGHT}" y2="{y(target):.1f}" stroke="#dc2626" stroke-dasharray="2 3"/>'
    for line, style in zip(series, styles, strict=True):
        yield polyline(line, style, x, y, column == "replicas")


def main(files):
    tables = [list(csv.DictReader(file.read_text().splitlines())) for file in files]
    end = max(float(rows[-1]["seconds"]) for rows in tables)
    panels = [one for one in PANELS if all(one[0] in rows[0] for rows in tables)]
    height = TOP + len(panels) * (PANEL + GAP) + 20
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">')
    print(f'<rect width="{WIDTH}" height="{height}" fill="white"/>')
    styles = [STYLES[file.stem] for file in files]
    for number, (file, (colour, dashes)) in enumerate(zip(files, styles, strict=True)):
        x = LEFT + number * 200
        print(f'<line x1="{x}" y1="16" x2="{x + 28}" y2="16" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
        print(f'<text x="{x + 34}" y="20">{NAMES[file.stem]}</text>')
    for number in range(len(panels)):
        print("\n".join(panel(number, panels, tables, styles, end)))
    step = 60 if end <= 600 else 300
    for second in range(0, int(end) + 1, step):
        x = LEFT + second / end * (WIDTH - LEFT - RIGHT)
        print(f'<text x="{x:.1f}" y="{height - 12}" text-anchor="middle">{second} s</text>')
    print("</svg>")


main([Path(name) for name in sys.argv[2:]])
