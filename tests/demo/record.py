"""Where a demo's time went → docs/figures/demo.json.

    record.py NAME TIMES SECONDS MEGABYTES

TIMES has lines `step<TAB>seconds`. NAME is the run's, such as `from nothing`; a record has each name once.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

import record  # noqa: E402  (beside the measurements)

FILE = record.FIGURES / "demo.json"
# Steps that are named; the others are the demo itself.
LONG = 20


def minutes(seconds):
    return f"{seconds / 60:.1f} min"


def figures(name, times, seconds, megabytes):
    steps = [(title, int(spent)) for title, spent in (line.split("\t") for line in times.splitlines())]
    long = {f"{name}: {title}": minutes(spent) for title, spent in steps if spent >= LONG}
    return {**long, f"{name}: all": minutes(seconds), f"{name}: disk": f"{megabytes / 1000:.1f} GB"}


def main(name, times, seconds, megabytes):
    known = json.loads(FILE.read_text())["figures"] if FILE.exists() else {}
    others = {key: value for key, value in known.items() if not key.startswith(f"{name}: ")}
    written = {
        "scenario": "demo", **record.header("RECORD=NAME make demo"), "facts": [],
        "figures": others | figures(name, Path(times).read_text(), int(seconds), int(megabytes)),
    }
    record.write(written, FILE)


main(*sys.argv[1:])
