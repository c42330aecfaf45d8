"""A measurement becomes a record: `docs/figures/NAME.json`, from which the documentation takes its figures."""

import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FIGURES = ROOT / "docs" / "figures"
# What brings the documentation up to date with the records.
FOLLOW = "INSTA_UPDATE=always cargo test --test offline figures"


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores"


def command(options):
    """How a scenario was called, without where its results go."""
    program = os.path.relpath(Path(sys.argv[0]).resolve(), ROOT)
    variables = [f"{name}={os.environ[name]}" for name in ("UNINLU_PRECISION",) if name in os.environ]
    return " ".join([*variables, shlex.join([program, *options])])


def commit():
    """The commit that is measured; `-dirty` where files differ from it."""
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def header(called):
    """What each record begins with: the command, when, of which sources, on which machine."""
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return {"command": called, "date": today, "commit": commit(), "machine": machine()}


def write(record, file):
    file.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
