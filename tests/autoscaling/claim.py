"""The usual tutorial's claim, calculated: its chart's values (stacks/tutorial) under a load from 50 to 120 requests/s, with
a pod that is made up from its words (docs/autoscaling/claim/profile.json), as Kubernetes' controller would scale it.

    claim.py [UNINLU]     → docs/autoscaling/claim/*.csv, docs/autoscaling/claim.svg, docs/figures/tutorial-claim.json
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

import record  # noqa: E402  (beside the other measurements)

FOLDER = "docs/autoscaling/claim"
LOAD = "constant:50/5m+ramp:50..120/10m+constant:120/10m"
ARGUMENTS = ["stacks/tutorial/uninlu.toml", "--profile", f"{FOLDER}/profile.json", "--load", LOAD, "--interval", "1m", "--json"]
# When the load begins to rise.
RISES = 300
# What the tutorial's pods get and their autoscaler is asked for (stacks/tutorial).
PODS, LIMIT, TARGET, TOLERANCE = (2, 8), 2, 20, 1.1


def write_table(name, variant, report):
    with open(record.ROOT / FOLDER / f"{name}.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["seconds", "offered_rate", "replicas", "p95_ms", "refused_percent"])
        for interval in variant["intervals"]:
            seconds, offered = interval["at"] + report["interval"], interval["offered"]
            refused = 100 * interval["refused"] / offered
            p95 = interval["latency"][1] * 1e3
            table.writerow([round(seconds), round(offered / report["interval"], 1), interval["replicas"], round(p95, 1), round(refused, 1)])


def worst(variant):
    return max(interval["latency"][1] for interval in variant["intervals"]) * 1e3


def simulated(report):
    both, cpu = (next(one for one in report["variants"] if one["kind"] == kind) for kind in ("stack", "cpu-alone"))
    write_table("requests", both, report)
    write_table("cpu", cpu, report)
    before = next(one["replicas"] for one in both["intervals"] if one["at"] + report["interval"] == RISES)
    hours = report["load"]["seconds"] / 3600
    mean = both["replica_hours"] / hours
    return {
        "CPU alone: pods at most": str(cpu["replicas"][2]),
        "CPU alone: CPU at most": f"{cpu['highest_cpu']:.0f} % of the request",
        "CPU alone: P95 of the worst minute": f"{worst(cpu):.0f} ms",
        "CPU alone: refused": f"{cpu['refused_percent']:.1f} %",
        "both metrics: pods before the load rises": str(before),
        "both metrics: pods at most": str(both["replicas"][2]),
        "both metrics: P95 of the worst minute": f"{worst(both):.0f} ms",
        "both metrics: refused": f"{both['refused_percent']:.1f} %",
        "both metrics: mean number of pods": f"{mean:.1f}",
        "both metrics: fewer replica-hours than 8 pods": f"{100 * (1 - mean / PODS[1]):.0f} %",
    }


def arithmetic():
    """What follows from the chart's values alone, and from the CPU time that a request was measured to cost."""
    measured = json.loads((record.FIGURES / "cpu.json").read_text())["figures"]
    seconds = lambda name: float(measured[name].split()[0]) / 1e3
    ours, theirs = seconds("ours, CPU a request"), seconds("Python service, CPU a request")
    return {
        "a third pod comes above": f"{PODS[0] * TARGET * TOLERANCE:.0f} requests/s",
        "cores that 8 pods may use": str(PODS[1] * LIMIT),
        "Python service: cores for 50 requests/s": f"{50 * theirs:.1f}",
        "Python service: cores for 120 requests/s": f"{120 * theirs:.1f}",
        "ours: cores for 50 requests/s": f"{50 * ours:.1f}",
        "ours: cores for 120 requests/s": f"{120 * ours:.1f}",
    }


def main(uninlu):
    done = subprocess.run([uninlu, "simulate", *ARGUMENTS], cwd=record.ROOT, check=True, stdout=subprocess.PIPE)
    figures = simulated(json.loads(done.stdout)) | arithmetic()
    chart = [sys.executable, "-B", "tests/autoscaling/chart.py", "20", f"{FOLDER}/cpu.csv", f"{FOLDER}/requests.csv"]
    with open(record.ROOT / "docs/autoscaling/claim.svg", "w") as file:
        subprocess.run(chart, cwd=record.ROOT, check=True, stdout=file)
    header = record.header(" ".join(["uninlu simulate", *ARGUMENTS])) | {"machine": "calculated: the same on any"}
    written = {"scenario": "claim", **header, "note": "Written by tests/autoscaling/claim.py.", "facts": [], "figures": figures}
    record.write(written, record.FIGURES / "tutorial-claim.json")


main(*sys.argv[1:] or ["target/debug/uninlu"])
