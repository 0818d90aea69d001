"""Is the latency that `benchrunner run` stores for a Linux board true? Held against native C, in turns.

Two comparisons for each model, both with tflite-runtime on one CPU of this machine:

* whole runs over SSH to an OpenSSH server on loopback, while `latency_truth.c`, a program that calls the
  runtime's C++ classes and knows nothing of Python or of this project, infers on the same CPU. Both have the
  same real-time priority, round robin: the kernel gives each a tenth of a second in turn, so that both meet
  the same machine; on a virtual one its neighbours change the speed by half from one second to the next.
  What either measured between two progress messages of the runner is one comparison of medians; a run's
  ratio is the median of its comparisons; the figure is the median of the runs' ratios, with its 95 %
  interval: how memory happens to be laid out differs between processes by some per cent;
* the runner's own way of timing in Python and a C loop on the same interpreter of one process, in turns of a
  few inferences: what Python adds to the samples.

Needs the right to real-time priorities (root).

    BENCHRUNNER_TFLITE_RUNTIME_PYTHON=/path/to/python python benchmarks/latency_truth.py
"""

from __future__ import annotations

import bisect
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from openssh_server import openssh_server
from tflite_builder import small_cnn

from benchrunner import metrics
from benchrunner.board import board_file_sha256, load_board
from benchrunner.record import Latency, Measurement
from benchrunner.run import RunRequest, run_case
from benchrunner.run.request import LinuxOptions
from benchrunner.session.linux.native import native_loop
from benchrunner.session.linux.start import PROGRAM
from benchrunner.transport.ssh_target import SshTarget
from benchrunner.zoo import resolve_model

WARMUPS, CPU, LIMIT = 20, 1, 0.01
MODELS = ("fdmobilenet_0.25_224_int8", "fdmobilenet_0.25_128_int8")
SMALL = 100_000  # bytes of a file from which on a network takes milliseconds
LEAST = 5  # inferences on either side of a comparison
APART_NS = 20_000_000  # between two messages of the runner, which come five times a second
VARIABLE = "BENCHRUNNER_TFLITE_RUNTIME_PYTHON"

FIND = """
import glob, json, os, sysconfig, tflite_runtime
folder = os.path.dirname(tflite_runtime.__file__)
names = [os.path.join(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var(key) or "")
         for key in ("INSTSONAME", "LDLIBRARY")]
print(json.dumps([[name for name in names if name.endswith(".so") or ".so." in name],
                  glob.glob(folder + "/*interpreter_wrapper*.so")]))
"""

# The runner's two timers on one interpreter, in turns of a few milliseconds: drift hits both alike.
IN_TURNS = """
import json, os, statistics, sys
os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, sys.argv[1])
os.sched_setaffinity(0, [int(sys.argv[4])])
import board_runner
fields = dict(version=1, model=sys.argv[2], inputs=[], outputs="-", runtime="tflite_runtime",
              kernels="default", threads=1, runs=0, timing="auto", native_library=sys.argv[3])
request = board_runner.Request(fields)
runtime = board_runner.Runtime("tflite_runtime")
loaded = board_runner.Loaded(runtime, request, request.model, None)
loaded.set_inputs([bytes(board_runner.bytes_of(details)) for details in loaded.inputs])
python = board_runner.PythonTimer(loaded)
native = board_runner.NativeTimer(loaded, runtime, request.native_library)
each = max(2, min(200, int(20e6 // python.measure(20)[-1])))
pairs = []
for turn in range(100):
    timers = (python, native) if turn % 2 else (native, python)
    found = {timer.method: statistics.quantiles(timer.measure(each), n=10)[0] for timer in timers}
    pairs.append((found["python"], found["native"]))
print(json.dumps(pairs))
"""


class Marks:
    """When how many inferences of a run had been reported; events of one message come at once."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def step(self, step: object, detail: str) -> None:
        pass

    def progress(self, done: int, total: int, unit: str) -> None:
        if unit == "inferences":
            self.seen.append((time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW), done))

    def note(self, text: str) -> None:
        pass

    def between(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """From the end of one message to the end of the next."""
        ends = [mark for mark, after in itertools.pairwise(self.seen) if after[0] - mark[0] > APART_NS]
        return list(itertools.pairwise([*ends, *self.seen[-1:]]))


def ours(model: Path, runs: int, python: str, target: SshTarget, results: Path, marks: Marks) -> Measurement:
    request = RunRequest(
        board=load_board("linux"),
        board_file_sha256=board_file_sha256("linux"),
        model=model,
        engine="tflite",
        runs=runs,
        warmups=WARMUPS,
        results=results,
        linux=LinuxOptions(target=target, python=python, affinity=(CPU,), runtime="tflite_runtime"),
    )
    return run_case(request, marks).measurement


def ratio_of_run(command: list[str], measure: Callable[[Marks], Measurement]) -> tuple[float, float, str]:
    """Ours / C, the C program's median in ns, and how ours were timed."""
    marks = Marks()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as truth:
        try:
            measurement = measure(marks)
        finally:
            truth.terminate()
        lines = truth.communicate()[0].splitlines()
    assert isinstance(measurement.latency, Latency), measurement.reason
    ours_ns = measurement.latency.starts[0].timed_counts
    began, true_ns = zip(*(map(int, line.split()) for line in lines), strict=True)
    ratios = []
    for (start, done), (finish, done_then) in marks.between():
        theirs = true_ns[bisect.bisect(began, start) : bisect.bisect(began, finish)]
        if len(theirs) >= LEAST and done_then - done >= LEAST:
            ratios.append(statistics.median(ours_ns[done:done_then]) / statistics.median(theirs))
    return statistics.median(ratios), statistics.median(true_ns), str(measurement.conditions["timing_method"])


def main() -> int:
    python = os.environ.get(VARIABLE)
    if not python:
        print(f"{VARIABLE} must name a Python that has tflite-runtime", file=sys.stderr)
        return 2
    found = subprocess.run([python, "-c", FIND], check=True, capture_output=True, text=True)
    pythons, extensions = json.loads(found.stdout)
    libraries = [next(name for name in pythons if Path(name).exists()), extensions[0]]
    native = native_loop(os.uname().machine)
    if native.library is None:
        print(native.remark, file=sys.stderr)
        return 2
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
    except OSError as error:
        print(f"no real-time priority: {error.strerror}; run as root", file=sys.stderr)
        return 2
    worst, widest = 0.0, 0.0
    with tempfile.TemporaryDirectory() as name, openssh_server(Path(name) / "server") as server:
        folder = Path(name)
        program, loop, small = folder / "truth", folder / "loop.so", folder / "small_cnn.tflite"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O2", "-o", str(program), str(source), "-ldl"], check=True)
        loop.write_bytes(native.library)
        small.write_bytes(small_cnn())
        print(f"in turns on CPU {CPU}, load {os.getloadavg()[0]:.1f}")
        for model in [small, *map(resolve_model, MODELS)]:
            # About a second of inferences a run. The small network's time depends more on where memory lies.
            runs, pairs = (8000, 101) if model.stat().st_size < SMALL else (250, 31)
            command = [str(program), *libraries, str(model), str(WARMUPS), str(CPU)]
            measure = partial(ours, model, runs, python, server.target(), folder / "results")
            found_ratios, medians_ns, methods = zip(
                *(ratio_of_run(command, measure) for _ in range(pairs)), strict=True
            )
            low, high = metrics.median_interval(found_ratios) or (0.0, 0.0)
            words = [python, "-c", IN_TURNS, str(PROGRAM.parent), str(model), str(loop), str(CPU)]
            turns = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
            added = statistics.median(our_ns / true_ns for our_ns, true_ns in turns)
            ratio = metrics.median(found_ratios)
            worst, widest = max(worst, abs(ratio - 1)), max(widest, high - low)
            print(
                f"{model.stem:26} {statistics.median(medians_ns) / 1e6:8.4f} ms in C, ours timed "
                f"{methods[0]:7} ratio {ratio:.4f} [{low:.4f} .. {high:.4f}] of {pairs} runs; "
                f"Python/C on one interpreter {added:.4f}",
                flush=True,
            )
    print(f"largest deviation {worst:.2%} (limit {LIMIT:.0%}), widest interval {widest:.2%}")
    if worst > LIMIT and widest > 2 * LIMIT:
        print("inconclusive: other work on the machine is larger than what is looked for")
        return 4
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
