"""Load in three phases, and every five seconds what the autoscaler sees → CSV on stdout.

Replicas and both metrics are read from the API server, as the autoscaler reads them; latencies are the load generator's,
of the window that ended last (from the scheduled arrival). Only Python's standard library.
"""

import argparse
import csv
import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

# Requests a second, and for how many windows of ten seconds.
PHASES = [(4, 2), (41, 12), (4, 9)]
WINDOW = 10
PERIOD = 5
STACK = "siamese-uninlu"
COLUMNS = ["seconds", "offered_rate", "replicas", "ready", "requests_per_second_and_pod", "cpu_percent", "p95_ms", "failed"]


def shape():
    """The phases as `uninlu simulate --load` reads them."""
    return "+".join(f"constant:{rate}/{windows * WINDOW}s" for rate, windows in PHASES)


@contextmanager
def api_server():
    """kubectl's own proxy: it knows the kubeconfig's credentials."""
    proxy = subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        port = re.search(r":(\d+)\s*$", proxy.stdout.readline()).group(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        proxy.terminate()
        proxy.wait()


def get(url):
    """`None` where there is nothing (yet)."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (urllib.error.URLError, TimeoutError):
        return None


def quantity(text):
    """Kubernetes' notation for amounts of CPU and rates."""
    scale = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3}
    return float(text[:-1]) * scale[text[-1]] if text[-1] in scale else float(text)


def mean(values):
    return round(sum(values) / len(values), 2) if values else None


class Load:
    """Window after window, on a thread of its own."""

    def __init__(self, program, url):
        self.program, self.url = program, url
        self.rate, self.p95, self.failed = PHASES[0][0], None, 0
        self.fault = None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            for rate, windows in PHASES:
                self.rate = rate
                for _ in range(windows):
                    self.window(rate)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            self.fault = error

    def window(self, rate):
        command = [self.program, "run", "--url", self.url, "--workload", "tiny", "--new-connections"]
        done = subprocess.run(
            [*command, "--rate", str(rate), "--seconds", str(WINDOW)],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        report = json.loads(done.stdout)
        self.p95 = report["latency_ms"]["p95"]
        self.failed += sum(many for code, many in report["codes"].items() if code != "200")


def sample(server, namespace, request):
    deployment = get(f"{server}/apis/apps/v1/namespaces/{namespace}/deployments/{STACK}")
    custom = f"{server}/apis/custom.metrics.k8s.io/v1beta2/namespaces/{namespace}/pods/*/http_requests_per_second"
    requests, cpu = get(custom), get(f"{server}/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods")
    used = [sum(quantity(one["usage"]["cpu"]) for one in pod["containers"]) for pod in (cpu or {}).get("items", [])]
    return {
        "replicas": deployment["spec"]["replicas"],
        "ready": deployment["status"].get("readyReplicas", 0),
        "requests_per_second_and_pod": mean([quantity(item["value"]) for item in (requests or {}).get("items", [])]),
        "cpu_percent": mean([100 * cores / request for cores in used]),
    }


def cpu_request(server, namespace):
    deployment = get(f"{server}/apis/apps/v1/namespaces/{namespace}/deployments/{STACK}")
    return quantity(deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"])


def main(options):
    table = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    table.writeheader()
    with api_server() as server:
        request = cpu_request(server, options.namespace)
        load = Load(options.load, options.url)
        began = time.monotonic()
        load.thread.start()
        while load.thread.is_alive():
            row = sample(server, options.namespace, request)
            row |= {"seconds": round(time.monotonic() - began), "offered_rate": load.rate, "p95_ms": load.p95, "failed": load.failed}
            table.writerow(row)
            sys.stdout.flush()
            time.sleep(PERIOD)
    if load.fault:
        raise SystemExit(f"error: the load ended early: {load.fault}; mend: run its command by hand")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "load", "namespace"):
        parser.add_argument(f"--{name}", required=True)
    main(parser.parse_args())
