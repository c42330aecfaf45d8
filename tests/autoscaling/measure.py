"""Load in phases, and every five seconds what the autoscaler sees → CSV on stdout.

Replicas and both metrics are read from the API server, as the autoscaler reads them; latencies are the load generator's
(from the scheduled arrival). Only Python's standard library.
"""

import argparse
import csv
import json
import math
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

# Requests a second over time, as `uninlu simulate --load` reads it.
SHAPE = "constant:4/1m+constant:41/2m+constant:4/2m"
# A ramp is driven in steps of so many seconds.
STEP = 30
PERIOD = 5
# Seconds whose requests a sample's P95 is of.
WINDOW = 10
STACK = "siamese-uninlu"
COLUMNS = ["seconds", "offered_rate", "replicas", "ready", "requests_per_second_and_pod", "cpu_percent", "p95_ms", "failed"]


def phases(shape):
    """`constant:R/T` and `ramp:A..B/T`, joined by `+` → requests a second, and for how many seconds."""
    number, found = r"(\d+(?:\.\d+)?)", []
    for part in shape.split("+"):
        parts = re.fullmatch(rf"(constant|ramp):{number}(?:\.\.{number})?/(\d+)([smh])", part)
        if not parts or (parts[1] == "ramp") != bool(parts[3]):
            raise SystemExit(f"error: the load {part!r} cannot be driven; fix: constant:R/T or ramp:A..B/T, joined by +")
        first, last = float(parts[2]), float(parts[3] or parts[2])
        seconds = int(parts[4]) * {"s": 1, "m": 60, "h": 3600}[parts[5]]
        steps = 1 if first == last else max(1, seconds // STEP)
        rate = lambda step: round(first + (last - first) * (step + 0.5) / steps, 1)
        # The last step lasts until the end.
        lengths = [STEP] * (steps - 1) + [seconds - STEP * (steps - 1)]
        found += [(rate(step), length) for step, length in enumerate(lengths)]
    return found


@contextmanager
def api_server(context=None):
    """kubectl's own proxy: it knows the kubeconfig's credentials."""
    chosen = ["--context", context] if context else []
    proxy = subprocess.Popen(["kubectl", *chosen, "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
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
    """Phase after phase, on a thread of its own. `requests` are, at the end, `[second, milliseconds, how it ended]`."""

    def __init__(self, program, url, shape):
        self.command = [program, "run", "--url", url, "--workload", "tiny", "--new-connections", "--samples"]
        self.phases = phases(shape)
        self.rate, self.requests, self.fault = self.phases[0][0], [], None
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            for number, (self.rate, seconds) in enumerate(self.phases):
                self.phase(number, seconds)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            self.fault = error

    def phase(self, seed, seconds):
        began = time.monotonic() - self.began
        done = subprocess.run(
            [*self.command, "--rate", f"{self.rate:g}", "--seconds", str(seconds), "--seed", str(seed)],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        samples = json.loads(done.stdout)["samples"]
        self.requests += [[began + second, latency, ended] for second, latency, ended in samples]


def p95(latencies):
    """Nearest rank; `None` of none."""
    return sorted(latencies)[math.ceil(0.95 * len(latencies)) - 1] if latencies else None


def fared(requests, second):
    """What a sample at that second says of the requests."""
    recent = [latency for at, latency, ended in requests if second - WINDOW < at <= second and ended == "200"]
    failed = sum(at <= second and ended != "200" for at, _, ended in requests)
    return {"p95_ms": p95(recent), "failed": failed}


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
        load = Load(options.load, options.url, options.shape)
        rows = []
        load.thread.start()
        while load.thread.is_alive():
            row = sample(server, options.namespace, request)
            rows.append(row | {"seconds": round(time.monotonic() - load.began), "offered_rate": f"{load.rate:g}"})
            time.sleep(PERIOD)
    if load.fault:
        raise SystemExit(f"error: the load ended early: {load.fault}; fix: run its command by hand")
    for row in rows:
        table.writerow(row | fared(load.requests, row["seconds"]))
    options.requests.write_text(json.dumps(load.requests))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "load", "namespace"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--shape", default=SHAPE, help="requests a second over time (default: %(default)s)")
    parser.add_argument("--requests", type=Path, required=True, help="file for all requests, JSON")
    main(parser.parse_args())
