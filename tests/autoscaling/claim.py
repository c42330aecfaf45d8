"""The usual tutorial's claim, calculated: its chart's values (stacks/tutorial) under a load from 50 to 120 requests/s, with
a pod that is made up from its words (docs/autoscaling/claim/profile.json), as Kubernetes' controller would scale it.

    claim.py [--check] [UNINLU]

Writes docs/autoscaling/claim/*.csv, docs/autoscaling/claim.svg and docs/figures/tutorial-claim.json; with --check it only
compares them, and ends with 1 where one differs.
"""

import argparse
import csv
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

import record  # noqa: E402  (beside the other measurements)

FOLDER = "docs/autoscaling/claim"
PICTURE = "docs/autoscaling/claim.svg"
RECORD = "docs/figures/tutorial-claim.json"
STACK = "stacks/tutorial/uninlu.toml"
LOAD = "constant:50/5m+ramp:50..120/10m+constant:120/10m"
ARGUMENTS = ["--profile", f"{FOLDER}/profile.json", "--load", LOAD, "--interval", "1m", "--json"]
# When the load begins to rise.
RISES = 300
# What the tutorial's pods get and their autoscaler is asked for (stacks/tutorial).
PODS, LIMIT, TARGET, TOLERANCE = (2, 8), 2, 20, 1.1
# Its own, the one with its mean number of pods, and the one that acts where it says.
TARGETS = (20, 30, 38)
# What it claims, and within what a finding counts as the same.
CLAIM = {"cpu": 52, "p95": 1800, "acts": 85, "kept": 230, "mean": 3.2, "fewer": 61}
MILLISECONDS = 1e3


def played(uninlu, *changes):
    """The report for the tutorial's stack, with some of its text replaced."""
    text = (record.ROOT / STACK).read_text()
    for old, new in changes:
        assert old in text, f"{STACK} has no {old!r}"
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        stack = Path(folder, "uninlu.toml")
        stack.write_text(text)
        done = subprocess.run([uninlu, "simulate", stack, *ARGUMENTS], cwd=record.ROOT, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def variant(report, kind):
    return next(one for one in report["variants"] if one["kind"] == kind)


def table(of, report):
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["seconds", "offered_rate", "replicas", "p95_ms", "refused_percent"])
    for interval in of["intervals"]:
        seconds, offered = interval["at"] + report["interval"], interval["offered"]
        refused = 100 * interval["refused"] / offered
        p95 = interval["latency"][1] * MILLISECONDS
        rows.writerow([round(seconds), round(offered / report["interval"], 1), interval["replicas"], round(p95, 1), round(refused, 1)])
    return text.getvalue()


def worst(of):
    return max(interval["latency"][1] for interval in of["intervals"]) * MILLISECONDS


def mean(of, report):
    return of["replica_hours"] * 3600 / report["load"]["seconds"]


def acts_above(target):
    """Two pods pass the controller's tolerance."""
    return PODS[0] * target * TOLERANCE


def of_target(target, report):
    both = variant(report, "stack")
    before = next(one["replicas"] for one in both["intervals"] if one["at"] + report["interval"] == RISES)
    name = lambda words: f"target {target}: {words}"
    return {
        name("a third pod comes above"): f"{acts_above(target):.0f} requests/s",
        name("pods before the load rises"): str(before),
        name("pods at most"): str(both["replicas"][2]),
        name("mean number of pods"): f"{mean(both, report):.1f}",
        name("fewer pod-hours than 8 pods"): f"{100 * (1 - mean(both, report) / PODS[1]):.0f} %",
        name("P95 of the worst minute"): f"{worst(both):.0f} ms",
        name("refused"): f"{both['refused_percent']:.1f} %",
    }


def of_cpu_alone(refusing, patient):
    """Scaled by CPU alone: this server, and one that lets each request wait."""
    minutes = patient["intervals"]
    passes = next(one for one in minutes if one["latency"][1] * MILLISECONDS > CLAIM["p95"])
    return {
        "CPU alone: pods at most": str(refusing["replicas"][2]),
        "CPU alone: CPU at most": f"{refusing['highest_cpu']:.0f} % of the request",
        "CPU alone: P95 of the worst minute": f"{worst(refusing):.0f} ms",
        "CPU alone: refused": f"{refusing['refused_percent']:.1f} %",
        "without refusals: P95 is above 1.8 s from minute": str(round(passes["at"] / 60) + 1),
        "without refusals: P95 of the minute before": f"{minutes[minutes.index(passes) - 1]['latency'][1] * MILLISECONDS:.0f} ms",
        "without refusals: P95 of the last minute": f"{minutes[-1]['latency'][1]:.0f} s",
    }


def arithmetic():
    """What follows from the chart's values alone, and from the CPU time that a request was measured to cost."""
    measured = json.loads((record.FIGURES / "cpu.json").read_text())["figures"]
    seconds = lambda name: float(measured[name].split()[0]) / MILLISECONDS
    ours, theirs = seconds("ours, CPU a request"), seconds("Python service, CPU a request")
    return {
        "cores that 8 pods may use": str(PODS[1] * LIMIT),
        "Python service: cores for 50 requests/s": f"{50 * theirs:.1f}",
        "Python service: cores for 120 requests/s": f"{120 * theirs:.1f}",
        "ours: cores for 50 requests/s": f"{50 * ours:.1f}",
        "ours: cores for 120 requests/s": f"{120 * ours:.1f}",
    }


def facts(cpu, both, report):
    """Each part of the claim: whether the simulation of its own values shows it."""
    busy, slow = cpu["highest_cpu"], worst(cpu)
    average = mean(both, report)
    fewer = 100 * (1 - average / PODS[1])
    near = lambda seen, claimed: abs(seen / claimed - 1) < 0.1
    fact = lambda words, holds, seen: {"fact": words, "holds": bool(holds), "seen": seen}
    return [
        fact("CPU alone stays at 52 %", near(busy, CLAIM["cpu"]) and cpu["replicas"][2] == PODS[0], f"{busy:.0f} %, {cpu['replicas'][2]} pods"),
        fact("P95 goes to 1.8 s", near(slow, CLAIM["p95"]), f"{slow:.0f} ms"),
        fact("both metrics act at 85 requests/s", near(acts_above(TARGET), CLAIM["acts"]), f"{acts_above(TARGET):.0f} requests/s"),
        fact("P95 keeps 230 ms", worst(both) <= CLAIM["kept"], f"{worst(both):.0f} ms"),
        fact("3.2 of 8 pods on average", near(average, CLAIM["mean"]), f"{average:.1f} pods"),
        fact("61 % fewer", near(fewer, CLAIM["fewer"]), f"{fewer:.0f} %"),
    ]


def picture(tables):
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{name}.csv") for name in tables]
        for file, text in zip(files, tables.values(), strict=True):
            file.write_text(text)
        chart = [sys.executable, "-B", "tests/autoscaling/chart.py", "--p95", str(CLAIM["kept"]), *files]
        return subprocess.run(chart, cwd=record.ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def calculated(uninlu):
    """The files' texts, and what the record says."""
    reports = {target: played(uninlu, (f"requests-per-second = {TARGET}", f"requests-per-second = {target}")) for target in TARGETS}
    # An hour is longer than the load: no request is refused, as by a service that has no such rule.
    patient = played(uninlu, ("max-length = 512", 'max-length = 512\nmax-wait = "1h"'))
    report = reports[TARGET]
    both, cpu = variant(report, "stack"), variant(report, "cpu-alone")
    tables = {"cpu": table(cpu, report), "requests": table(both, report)}
    figures = of_cpu_alone(cpu, variant(patient, "cpu-alone"))
    for target, of in reports.items():
        figures |= of_target(target, of)
    files = {f"{FOLDER}/{name}.csv": text for name, text in tables.items()} | {PICTURE: picture(tables)}
    return files, {"facts": facts(cpu, both, report), "figures": figures | arithmetic()}


def written(seen):
    header = record.header(" ".join(["uninlu simulate", STACK, *ARGUMENTS])) | {"machine": "calculated: the same on any"}
    return {"scenario": "claim", **header, "note": "Written by tests/autoscaling/claim.py, which also plays other targets.", **seen}


def differing(files, seen):
    """Names of the files that would be written otherwise."""
    known = json.loads((record.ROOT / RECORD).read_text())
    others = [name for name, text in files.items() if (record.ROOT / name).read_text() != text]
    return others + [RECORD for _ in range(1) if {name: known[name] for name in seen} != seen]


def main(options):
    files, seen = calculated(options.uninlu)
    if options.check:
        if names := differing(files, seen):
            raise SystemExit(f"error: not as it is calculated: {', '.join(names)}; fix: tests/autoscaling/claim.py")
        return
    for name, text in files.items():
        (record.ROOT / name).write_text(text)
    record.write(written(seen), record.ROOT / RECORD)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--check", action="store_true")
parser.add_argument("uninlu", nargs="?", default="target/debug/uninlu")
main(parser.parse_args())
