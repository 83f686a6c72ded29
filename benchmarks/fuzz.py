"""Reads 10,000 damaged files of every format, and counts what comes of them.

    make fuzz

writes `benchmarks/results/fuzz.json`. `tests/data/fuzz_mutations.py` says what is done to a file and what may come of
it. The files are read by two worker processes, which may take 2 GB more than they have when they begin
(RLIMIT_AS) and 10 s of processor time (120 s by the clock, if others keep the processors busy); a worker that dies,
hangs or grows too large is counted and replaced. To see one file again, and to read those of some formats again
after a change, with the counts of the other formats kept:

    python benchmarks/fuzz.py --seed 0 --only 4711
    python benchmarks/fuzz.py --formats nifti session
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter, defaultdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "data"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz_check import BAD, GOOD, Fuzzer

from monai_fusion.atomic import write_beside
from monai_fusion.evaluation.machine import describe_machine, describe_versions

ROOT = Path(__file__).resolve().parents[1]
SECONDS, CLOCK_SECONDS, BYTES = 10, 120, 2 << 30
RESULT = ROOT / "benchmarks" / "results" / "fuzz.json"


def case(fuzzer: Fuzzer, seed: int, number: int) -> tuple[str, str, np.random.Generator]:
    """What is done to which file: all kinds in turn, each with numbers of its own."""
    cases = fuzzer.cases()
    name, kind = cases[number % len(cases)]
    return name, kind, np.random.default_rng([seed, number])


def memory(field: str) -> int:
    """Of this process in bytes: VmSize, VmRSS, or VmHWM, its peak since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def work(pipe: Connection, folder: str, seed: int) -> None:
    """A worker: is told numbers, tells what came of each."""
    warnings.simplefilter("ignore")
    fuzzer = Fuzzer(Path(folder))
    for name, _ in dict.fromkeys(fuzzer.cases()):
        fuzzer.sound_files(name)  # all libraries are loaded
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what the codecs print
    limit = memory("VmSize") + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    pipe.send("ready")
    while True:
        number = pipe.recv()
        if number is None:
            return
        name, kind, rng = case(fuzzer, seed, number)
        files = fuzzer.damage(name, kind, rng)
        before = memory("VmRSS")
        forget_peak()
        start = time.process_time()
        outcome, detail = fuzzer.read(name, kind, files)
        pipe.send((outcome, detail, time.process_time() - start, max(0, memory("VmHWM") - before)))


class Worker:
    """A process, and its replacement when it is gone."""

    def __init__(self, folder: str, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.start()

    def start(self) -> None:
        self.pipe, theirs = multiprocessing.get_context("spawn").Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=work, args=(theirs, self.folder, self.seed), daemon=True
        )
        self.process.start()
        theirs.close()
        assert self.pipe.recv() == "ready"

    def ask(self, number: int) -> tuple[str, str, float, int]:
        self.pipe.send(number)
        begin, used = time.perf_counter(), self._used()
        try:
            while self._used() - used < SECONDS and time.perf_counter() - begin < CLOCK_SECONDS:
                if self.pipe.poll(0.5):
                    return self.pipe.recv()
            seconds = self._used() - used
            answer = "hang", f"not done after {seconds:.1f} s of processor time", seconds, 0
        except EOFError:
            self.process.join(10)
            answer = "crash", f"the process ended with {self.process.exitcode}", 0.0, 0
        self.process.kill()
        self.process.join()
        self.start()
        return answer

    def _used(self) -> float:
        """Processor seconds of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.pipe.send(None)
        self.process.join(10)


def run(seed: int, numbers: list[int], workers: int) -> list[tuple[int, tuple[str, str, float, int]]]:
    found: list[tuple[int, tuple[str, str, float, int]]] = []
    todo = iter(numbers)
    lock = threading.Lock()
    with tempfile.TemporaryDirectory() as folder:

        def serve() -> None:
            worker = Worker(folder, seed)
            while True:
                with lock:
                    number = next(todo, None)
                if number is None:
                    break
                answer = worker.ask(number)
                with lock:
                    found.append((number, answer))
                    if answer[0] not in GOOD:
                        print(number, *answer, flush=True)
                    if len(found) % 1000 == 0:
                        print(f"{len(found)} of {len(numbers)}", flush=True)
            worker.stop()

        threads = [threading.Thread(target=serve) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return sorted(found)


def summary(seed: int, found: list[tuple[int, tuple[str, str, float, int]]], seconds: float) -> dict[str, Any]:
    fuzzer = Fuzzer(Path())
    outcomes: Counter[str] = Counter()
    by_format: dict[str, Counter[str]] = defaultdict(Counter)
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    offending = []
    for number, (outcome, detail, _, peak) in found:
        name, kind, _ = case(fuzzer, seed, number)
        if peak > BYTES:
            outcome, detail = "memory", f"{peak >> 20} MB"
        outcomes[outcome] += 1
        by_format[name][outcome] += 1
        by_kind[f"{name}: {kind}"][outcome] += 1
        if outcome not in GOOD:
            offending.append({"only": number, "format": name, "kind": kind, "outcome": outcome, "detail": detail[:300]})

    def worst(which: int) -> dict[str, Any]:
        number, answer = max(found, key=lambda one: one[1][which])
        name, kind, _ = case(fuzzer, seed, number)
        return {"only": number, "format": name, "kind": kind, "value": answer[which]}

    return {
        "command": "make fuzz",
        "machine": describe_machine(),
        "versions": describe_versions(),
        "seed": seed,
        "files": len(found),
        "seconds": round(seconds, 1),
        "outcomes": {name: outcomes[name] for name in (*GOOD, *BAD, "hang", "memory")},
        "slowest": {**worst(2), "value": round(worst(2)["value"], 2)},
        "most_memory": {**worst(3), "value": f"{worst(3)['value'] >> 20} MB"},
        "formats": {name: dict(counts) for name, counts in by_format.items()},
        "kinds": {name: dict(counts) for name, counts in by_kind.items()},
        "offending": offending,
    }


def merged(earlier: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """An earlier result with the formats of a later one in place of its own."""
    again = result["formats"]
    offending = [one for one in earlier["offending"] if one["format"] not in again] + result["offending"]
    formats = {**earlier["formats"], **again}
    outcomes = {name: sum(counts.get(name, 0) for counts in formats.values()) for name in earlier["outcomes"]}
    kept = {"seconds": round(earlier["seconds"] + result["seconds"], 1), "files": sum(outcomes.values())}
    for which, unit in (("slowest", ""), ("most_memory", " MB")):
        kept[which] = max(
            (one[which] for one in (earlier, result)), key=lambda worst: float(str(worst["value"]).removesuffix(unit))
        )
    kinds = {**earlier["kinds"], **result["kinds"]}
    return {**result, **kept, "outcomes": outcomes, "formats": formats, "kinds": kinds, "offending": offending}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="K", help="this file alone, in this process, with its traceback")
    parser.add_argument("--formats", nargs="+", metavar="NAME", help="these alone, in place of those in the output")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()
    if args.only is not None:
        with tempfile.TemporaryDirectory() as folder:
            fuzzer = Fuzzer(Path(folder))
            name, kind, rng = case(fuzzer, args.seed, args.only)
            print(f"{name}: {kind}")
            print(*fuzzer.read(name, kind, fuzzer.damage(name, kind, rng)), sep="\n")
        return 0
    start = time.perf_counter()
    numbers = list(range(args.files))
    if args.formats:
        cases = Fuzzer(Path()).cases()
        numbers = [number for number in numbers if cases[number % len(cases)][0] in args.formats]
    found = run(args.seed, numbers, args.workers)
    result = summary(args.seed, found, time.perf_counter() - start)
    if args.formats:
        result = merged(json.loads(args.output.read_text()), result)
    with write_beside(args.output) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in ("outcomes", "seconds", "slowest", "most_memory")}, indent=1))
    for one in result["offending"][:40]:
        print(one)
    return 1 if result["offending"] else 0


if __name__ == "__main__":
    sys.exit(main())
