"""A measured run (CSV of measure.py, and its requests) and its simulation (`uninlu simulate --interval 1m --format json`)
→ CSV on stdout, minute by minute.

Ends with 1 when replicas are more than one pod apart at the end of a minute, or its P95 more than a fifth.
"""

import csv
import json
import sys
from pathlib import Path

import tables
from measure import p95

MOST_PODS, MOST_SHARE = 1, 0.20


def main(measured_file, requests_file, simulated_file):
    measured = tables.rows(Path(measured_file))
    requests = json.loads(Path(requests_file).read_text())
    simulated = json.loads(Path(simulated_file).read_text())
    of_stack = next(variant for variant in simulated["variants"] if variant["kind"] == "stack")
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["seconds", "replicas_measured", "replicas_simulated", "p95_ms_measured", "p95_ms_simulated"])
    pods = share = 0
    for interval in of_stack["intervals"]:
        begin, end = interval["at"], interval["at"] + simulated["interval"]
        replicas = int([row for row in measured if float(row["seconds"]) <= end][-1]["replicas"])
        latency = p95([latency for at, latency, ended in requests if begin <= at < end and ended == "200"])
        expected = interval["latency"][1] * 1e3
        table.writerow([round(end), replicas, interval["replicas"], round(latency, 1), round(expected, 1)])
        pods = max(pods, abs(replicas - interval["replicas"]))
        share = max(share, abs(expected / latency - 1))
    print(f"measured and simulated, minute by minute: replicas at most {pods} apart, P95 at most {share:.0%}", file=sys.stderr)
    return pods > MOST_PODS or share > MOST_SHARE


sys.exit(main(*sys.argv[1:]))
