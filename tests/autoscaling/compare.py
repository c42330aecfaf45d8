"""A measured run (CSV of measure.py) and its simulation (`uninlu simulate --format json`) → CSV on stdout, side by side.

Ends with 1 when the replicas are more than one pod apart at some minute. Latencies are told, not judged: a simulation
knows nothing of the cluster and the load generator, which share the measured pods' two cores.
"""

import csv
import json
import sys
from pathlib import Path


def main(measured_file, simulated_file):
    measured = list(csv.DictReader(Path(measured_file).read_text().splitlines()))
    simulated = json.loads(Path(simulated_file).read_text())
    of_stack = next(variant for variant in simulated["variants"] if variant["kind"] == "stack")
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["seconds", "replicas_measured", "replicas_simulated", "p95_ms_measured", "p95_ms_simulated"])
    worst = 0
    for interval in of_stack["intervals"]:
        end = interval["at"] + simulated["interval"]
        # The last sample of the interval: its P95 is that of the window of ten seconds that ended last.
        sample = [row for row in measured if float(row["seconds"]) <= end][-1]
        replicas = int(sample["replicas"])
        latency = interval["latency"] and round(interval["latency"][1] * 1e3, 1)
        table.writerow([round(end), replicas, interval["replicas"], sample["p95_ms"], latency])
        if round(end) % 60 == 0:
            worst = max(worst, abs(replicas - interval["replicas"]))
    print(f"replicas, measured and simulated: at most {worst} apart at the full minutes", file=sys.stderr)
    return worst > 1


sys.exit(main(*sys.argv[1:]))
