"""What the scenarios share: servers under measurement, the load generator, and facts that pass or fail.

Only Python's standard library: a scenario that does not need the Python service runs without installing anything.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import record

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SMALL_MODEL = ROOT / "tests" / "demo-model"
TICKS = os.sysconf("SC_CLK_TCK")
# Far above what anything here takes; what waits so long has failed.
PATIENCE = 120.0

# A shell that forces OpenBLAS onto another processor's kernels would measure that shell.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)


# What the server computes with; it takes this from the environment as its other settings.
PRECISION = os.environ.get("UNINLU_PRECISION", "fp32")


def say(text):
    """stderr is talk."""
    print(text, file=sys.stderr, flush=True)


def prepared(*parts):
    """Paths of what was asked for, made where missing."""
    lines = subprocess.run([HERE / "prepare", *parts], check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(line.split("=", 1) for line in lines.splitlines())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """A server process, its children counted in. Ends with the `with` block."""

    def __init__(self, command, environment, folder=None, log=None):
        self.port = None
        self.log = open(log, "a+b") if log else tempfile.TemporaryFile("a+b")
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=folder, stdout=self.log, stderr=self.log
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(patience=5)
        self.log.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def await_ready(self):
        """Seconds from the start to the first 200 of /ready."""
        while time.monotonic() - self.began < PATIENCE:
            if self.process.poll() is not None:
                raise SystemExit(f"error: {self.process.args[0]} ended with {self.process.returncode}: {self.last_words()}")
            if status(f"{self.url}/ready") == 200:
                return time.monotonic() - self.began
            time.sleep(0.005)
        raise SystemExit(f"error: {self.url} is not ready after {PATIENCE} s; fix: read its log")

    def last_words(self):
        """The last line of its log."""
        self.log.seek(0)
        return (self.log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]

    def processes(self):
        """Its own process and all that descend from it."""
        found = [self.process.pid]
        for process in found:
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                found.extend(int(child) for child in children.read_text().split())
        return found

    def cpu_seconds(self):
        """User and system time so far."""
        return sum(ticks(process) for process in self.processes()) / TICKS

    def resident_mib(self):
        """Resident memory now."""
        return sum(resident_kib(process) for process in self.processes()) / 1024

    def terminate(self):
        """Asks it to stop, as a kubelet does."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self, patience=PATIENCE):
        """Ends it; its exit code."""
        if self.process.poll() is None:
            self.terminate()
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def ticks(process):
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resident_kib(process):
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


class Server(Service):
    """Ours."""

    def __init__(self, paths, model, threads=None, port=None, log=None, settings="/nowhere/settings.toml"):
        port = port or free_port()
        environment = {
            "LD_LIBRARY_PATH": paths["libtorch"],
            "UNINLU_MODEL": str(model),
            "UNINLU_LISTEN": f"127.0.0.1:{port}",
            "UNINLU_SETTINGS": str(settings),
            "UNINLU_WARMUP": "预热用的一句话",
            **({"UNINLU_THREADS": str(threads)} if threads else {}),
        }
        super().__init__([paths["server"]], environment, log=log)
        self.port = port


class Peer(Service):
    """The Python service."""

    def __init__(self, paths, model, workers=1, threads=1, log=None):
        port = free_port()
        command = [paths["python"], "-m", "uvicorn", "service:app", "--log-level", "warning"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
        environment = {"MODEL": str(model), "THREADS": str(threads), "MODELSCOPE_LOG_LEVEL": "40", "OMP_NUM_THREADS": str(threads)}
        super().__init__(command, environment, folder=HERE / "peer", log=log)
        self.port = port
        self.workers = workers

    def await_ready(self):
        """Every worker loads the model for itself; the first few answers come from whichever is there."""
        seconds = super().await_ready()
        while len(self.loaded_workers()) < self.workers:
            time.sleep(0.2)
        return seconds

    def loaded_workers(self):
        # One that holds 390 MB of weights is far above an interpreter that has only started.
        return [process for process in self.processes() if resident_kib(process) > 600 * 1024]


def status(url, patience=5.0):
    """The status code of a GET; None when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=patience) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def fetch(url, body=None, patience=PATIENCE):
    """The text of an answer."""
    headers = {"content-type": "application/json"} if body else {}
    with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=patience) as answer:
        return answer.read().decode()


def load(paths, action, *urls, **options):
    """Runs the load generator and reads its figures."""
    command = [paths["load"], action]
    for url in urls:
        command += ["--url", url]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        command += [flag] if value is True else [flag, str(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"error: the load generator failed: {' '.join(map(str, command))}; fix: its words are above")
    return json.loads(done.stdout)


def questions(paths, workload, many, seed=1):
    """Request bodies of a workload."""
    command = [paths["load"], "bodies", "--workload", workload, "--requests", str(many), "--seed", str(seed)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


class Scenario:
    """Facts and figures of one scenario; stdout is theirs."""

    def __init__(self, name, description):
        parser = argparse.ArgumentParser(prog=name, description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--quick", action="store_true", help="fewer requests: rougher figures, the same facts")
        parser.add_argument("--only", default="", metavar="WORDS", help="where a scenario has kinds: only those whose name has these words")
        parser.add_argument("--results", type=Path, help="folder that gets NAME.json and the servers' logs")
        parser.add_argument("--record", action="store_true", help="replaces the record of the documentation's figures too")
        parser.add_argument("--record-as", metavar="RECORD", help="the same, as docs/figures/RECORD.json")
        self.options = parser.parse_args()
        if self.options.record and self.options.only:
            parser.error("some kinds alone do not replace the record of all; fix: give it a name of its own with --record-as")
        self.name = name
        self.results = self.options.results
        if self.results:
            self.results.mkdir(parents=True, exist_ok=True)
        self.facts, self.figures = [], {}

    @property
    def quick(self):
        return self.options.quick

    def chosen(self, kinds):
        """The kinds that were asked for, by name."""
        return {name: kind for name, kind in kinds.items() if self.options.only in name}

    def log(self, service):
        """Where a service's output goes."""
        return self.results / f"{self.name}-{service}.log" if self.results else None

    def figure(self, name, value, unit=""):
        """Something measured."""
        value = round(value, 3) if isinstance(value, float) else value
        self.figures[name] = f"{value} {unit}".strip()
        print(f"      {name}: {self.figures[name]}", flush=True)

    def fact(self, name, holds, seen):
        """Something that must hold; `seen` is what was seen."""
        self.facts.append({"fact": name, "holds": bool(holds), "seen": str(seen)})
        print(f"{'PASS' if holds else 'FAIL'}  {name}: {seen}", flush=True)

    def record(self):
        """All of it, with where it comes from."""
        options = [*(["--quick"] if self.quick else []), *(["--only", self.options.only] if self.options.only else [])]
        return {"scenario": self.name, **record.header(record.command(options)), "quick": self.quick, "facts": self.facts, "figures": self.figures}

    def finish(self):
        """Writes the results; the exit code tells whether all facts held."""
        failed = sum(not fact["holds"] for fact in self.facts)
        if self.results:
            record.write(self.record(), self.results / f"{self.name}.json")
        if name := self.options.record_as or (self.options.record and self.name):
            record.write(self.record(), record.FIGURES / f"{name}.json")
            say(f"recorded as docs/figures/{name}.json; the documentation follows: {record.FOLLOW}")
        print(f"{self.name}: {len(self.facts) - failed} passed, {failed} failed")
        sys.exit(1 if failed else 0)
