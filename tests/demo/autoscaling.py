"""Load on the Service until the request metric has added a pod, then little until it is gone → CSV on stdout.

    autoscaling.py --url URL --namespace NAME [--context NAME]

What happens is read from the API server, as the autoscaler reads it, and printed to stderr every five seconds. Ends with
1 where a pod is not added or not removed in time, a request fails, or the CPU alone would have added the pod.
"""

import argparse
import csv
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "autoscaling"))
import measure  # noqa: E402

# Requests a second. The busy rate is 1.9 times the stack's target for a pod.
QUIET, BUSY = 3, 28
# Seconds: without load; how long a pod may take to come, and to go.
BEFORE, LIMIT = 10, 240
# Up to a tenth above its target (60 % of the request) the autoscaler adds no pod.
CPU_AT_MOST = 66
BODY = json.dumps({"text": "马云在杭州创立了阿里巴巴。", "schema": {"人物": None}}).encode()


class Load:
    """Requests at a rate that can be changed, each on its own connection, whether or not earlier ones are answered."""

    def __init__(self, url):
        self.url, self.rate, self.requests = f"{url}/api/predict", QUIET, []
        self.began = time.monotonic()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def run(self):
        with ThreadPoolExecutor(32) as workers:
            due = self.began
            while not self.ended.wait(max(0, due - time.monotonic())):
                workers.submit(self.ask, due)
                due += 1 / self.rate

    def ask(self, due):
        request = urllib.request.Request(self.url, BODY, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
                ended = str(answer.status)
        except urllib.error.HTTPError as refused:
            ended = str(refused.code)
        except OSError as error:
            ended = type(error).__name__
        now = time.monotonic()
        self.requests.append([now - self.began, round(1000 * (now - due), 1), ended])


def line(row):
    def value(key, unit):
        return f"{row[key]:.0f} {unit}" if row[key] is not None else "not known yet"

    return (
        f"  {row['seconds']:4} s  {row['offered_rate']:2} requests/s  pods {'■' * row['replicas']:<3} "
        f"requests per pod: {value('requests_per_second_and_pod', '/s')}, CPU: {value('cpu_percent', '%')}, "
        f"P95: {value('p95_ms', 'ms')}"
    )


def fail(what, fix):
    raise SystemExit(f"error: {what}\n  fix: {fix}")


class Run:
    """Samples of the cluster while the load goes on."""

    def __init__(self, server, namespace, load):
        self.server, self.namespace, self.load, self.rows = server, namespace, load, []
        self.request = measure.cpu_request(server, namespace)

    def sample(self):
        row = measure.sample(self.server, self.namespace, self.request)
        second = round(time.monotonic() - self.load.began)
        row |= {"seconds": second, "offered_rate": self.load.rate} | measure.fared(self.load.requests, second)
        self.rows.append(row)
        print(line(row), file=sys.stderr)
        return row

    def until(self, rate, replicas, what):
        """The load at that rate until so many pods are wanted and ready."""
        self.load.rate, began = rate, time.monotonic()
        while True:
            row = self.sample()
            if row["replicas"] == replicas == row["ready"]:
                return
            if time.monotonic() - began > LIMIT:
                fail(f"{what} after {LIMIT} s", f"kubectl -n {self.namespace} describe hpa")
            time.sleep(measure.PERIOD)

    def all_phases(self):
        self.until(QUIET, 1, "the stack does not run with one pod")
        time.sleep(BEFORE)
        self.until(BUSY, 2, "no pod was added")
        for _ in range(3):
            time.sleep(measure.PERIOD)
            self.sample()
        self.until(QUIET, 1, "the added pod was not removed")


def check(rows, requests):
    failed = [ended for _, _, ended in requests if ended != "200"]
    if failed:
        fail(f"{len(failed)} of {len(requests)} requests failed: {', '.join(sorted(set(failed)))}", "kubectl logs of the pods")
    busiest = max(row["cpu_percent"] or 0 for row in rows)
    if busiest > CPU_AT_MOST:
        fail(f"the CPU went to {busiest:.0f} % of its request: it adds a pod too on this machine", "a quieter machine shows the difference")
    print(
        f"  {len(requests)} requests, none failed; the CPU stayed at or below {busiest:.0f} % of its request (target 60 %):"
        " the second pod came from the requests alone",
        file=sys.stderr,
    )


def main(options):
    table = csv.DictWriter(sys.stdout, measure.COLUMNS, lineterminator="\n")
    table.writeheader()
    with measure.api_server(options.context) as server, Load(options.url) as load:
        run = Run(server, options.namespace, load)
        run.all_phases()
    table.writerows(run.rows)
    check(run.rows, load.requests)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--context", help="default: the kubeconfig's own")
    main(parser.parse_args())
