"""The tables of a run with CLAIM=1 (`cpu.csv`, `requests.csv`, `simulated.csv` of FOLDER) → docs/figures/claim-measured.json.

    claim_record.py FOLDER
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

import record  # noqa: E402  (beside the other measurements)
import tables  # noqa: E402

# The autoscaler's maximum, which the claim compares with.
MAXIMUM = 8
# When the load begins to rise.
RISES = 120


def most(table, column):
    return max(float(row[column] or 0) for row in table)


def settled(table):
    """Without what a pod uses while it starts: the first value of the metrics is of that time."""
    return [row for row in table if float(row["seconds"]) >= 45]


def before_the_rise(table):
    return [row for row in table if float(row["seconds"]) < RISES][-1]


def next_pod(table):
    """The load at which the first pod is added."""
    pods = int(before_the_rise(table)["replicas"])
    more = next((row for row in table if int(row["replicas"]) > pods), None)
    return f"{float(more['offered_rate']):.0f} requests/s" if more else "none"


def figures(cpu, requests, simulated):
    pods = [int(row["replicas"]) for row in requests]
    mean = sum(pods) / len(pods)
    return {
        "CPU alone: pods at most": f"{most(cpu, 'replicas'):.0f}",
        "CPU alone: CPU at most": f"{most(settled(cpu), 'cpu_percent'):.0f} % of the request",
        "CPU alone: the next pod comes at": next_pod(cpu),
        "CPU alone: P95 of the worst ten seconds": f"{most(cpu, 'p95_ms'):.0f} ms",
        "CPU alone: requests that failed": cpu[-1]["failed"],
        "both: pods before the load rises": before_the_rise(requests)["replicas"],
        "both: the next pod comes at": next_pod(requests),
        "both: pods at most": f"{max(pods)}",
        "both: mean number of pods": f"{mean:.1f}",
        "both: fewer pod-hours than 8 pods": f"{100 - 100 * mean / MAXIMUM:.0f} %",
        "both: P95 of the worst ten seconds": f"{most(requests, 'p95_ms'):.0f} ms",
        "both: requests that failed": requests[-1]["failed"],
        "pods, simulated and measured: apart at most": str(
            max(abs(int(row["replicas_measured"]) - int(row["replicas_simulated"])) for row in simulated)
        ),
    }


def main(folder):
    cpu, requests, simulated = tables.of_run(folder)
    written = {
        "scenario": "claim-measured", **record.header("CLAIM=1 make autoscaling"), "facts": [],
        "figures": figures(cpu, requests, simulated),
    }
    record.write(written, record.FIGURES / "claim-measured.json")


main(Path(sys.argv[1]))
