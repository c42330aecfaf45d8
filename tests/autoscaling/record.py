"""The tables of a run (`cpu.csv`, `requests.csv`, `simulated.csv` of FOLDER) → docs/figures/autoscaling.json.

    record.py FOLDER
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

import record  # noqa: E402  (beside the other measurements)
import tables  # noqa: E402

# Where the load rises and falls, and what follows (SHAPE in measure.py).
SECONDS = (45, 75, 90, 105, 120, 135, 165, 180, 210, 240, 285)
LOAD_RISES = 60


def at(table, second):
    return min(table, key=lambda row: abs(float(row["seconds"]) - second))


def samples(cpu, requests):
    """What the documentation shows of both runs."""

    def line(second):
        one, two = at(cpu, second), at(requests, second)
        both = lambda column: f"{float(one[column]):.0f} / {float(two[column]):.0f}"
        rate = f"{float(two['requests_per_second_and_pod']):.1f}"
        pods = [one["replicas"], two["replicas"]]
        return [str(second), one["offered_rate"], *pods, rate, both("cpu_percent"), both("p95_ms")]

    columns = [
        "seconds", "offered, requests/s", "pods by CPU alone", "pods by CPU and requests",
        "requests/s and pod (second run)", "CPU, % of the request (first / second run)", "P95, ms (first / second run)",
    ]
    return {"columns": columns, "rows": [line(second) for second in SECONDS]}


def minutes(simulated):
    line = lambda row: [
        str(round(float(row["seconds"]) / 60)), row["replicas_measured"], row["replicas_simulated"],
        f"{row['p95_ms_measured']} ms", f"{row['p95_ms_simulated']} ms",
    ]
    columns = ["minute", "replicas, measured", "simulated", "P95, measured", "simulated"]
    return {"columns": columns, "rows": [line(row) for row in simulated]}


def figures(cpu, requests, simulated):
    most = lambda table: max(int(row["replicas"]) for row in table)
    busiest = max(float(row["cpu_percent"] or 0) for row in cpu + requests)
    grown = next(float(row["seconds"]) for row in requests if int(row["replicas"]) > int(requests[0]["replicas"]))
    failed = sum(int(table[-1]["failed"]) for table in (cpu, requests))
    apart = [abs(float(row["p95_ms_simulated"]) / float(row["p95_ms_measured"]) - 1) for row in simulated]
    return {
        "pods at most, by CPU alone": str(most(cpu)),
        "pods at most, by CPU and requests": str(most(requests)),
        "CPU at most": f"{busiest:.0f} % of the request",
        "the load rises until the second pod": f"{grown - LOAD_RISES:.0f} s",
        "requests that failed": str(failed),
        "P95, simulated and measured: apart at least": f"{min(apart):.0%}",
        "P95, simulated and measured: apart at most": f"{max(apart):.0%}",
    }


def main(folder):
    cpu, requests, simulated = tables.of_run(folder)
    written = {
        "scenario": "autoscaling", **record.header("make autoscaling"), "facts": [],
        "figures": figures(cpu, requests, simulated),
        "tables": {"runs": samples(cpu, requests), "simulated": minutes(simulated)},
    }
    record.write(written, record.FIGURES / "autoscaling.json")


main(Path(sys.argv[1]))
