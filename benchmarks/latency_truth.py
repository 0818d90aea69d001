"""Is the latency that `benchrunner run` stores for a Linux board true? Held against native C, in turns.

Two comparisons for each model, both with tflite-runtime on one CPU of this machine:

* whole runs over SSH to an OpenSSH server on loopback, in turns with `latency_truth.c`, a program that calls
  the runtime's C++ classes and knows nothing of Python or of this project. The ratio of each pair's medians,
  the median of those ratios and its 95 % interval; and the ratio of the tenth percentiles of all inferences,
  which other work on the machine touches less;
* the runner's own way of timing in Python and a C loop on the same interpreter of one process, in turns of a
  few inferences: what Python adds to the samples.

    BENCHRUNNER_TFLITE_RUNTIME_PYTHON=/path/to/python python benchmarks/latency_truth.py
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from openssh_server import openssh_server
from tflite_builder import small_cnn

from benchrunner import metrics
from benchrunner.board import board_file_sha256, load_board
from benchrunner.record import Latency
from benchrunner.run import RunRequest, run_case
from benchrunner.run.request import LinuxOptions
from benchrunner.session.linux.native import native_loop
from benchrunner.session.linux.start import PROGRAM
from benchrunner.transport.ssh_target import SshTarget
from benchrunner.zoo import resolve_model

PAIRS, WARMUPS, CPU, LIMIT = 31, 20, 1, 0.01
SHORT, MANY, FEW = 100_000, 4000, 40  # inferences of a run: of files below so many bytes, of others
MODELS = ("fdmobilenet_0.25_224_int8", "fdmobilenet_0.25_128_int8")
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


class Silent:
    def step(self, step: object, detail: str) -> None:
        pass

    def progress(self, done: int, total: int, unit: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def runs_of(model: Path) -> int:
    return MANY if model.stat().st_size < SHORT else FEW


def ours(model: Path, python: str, target: SshTarget, results: Path) -> tuple[list[int], str]:
    """The samples of a run as they are stored, and how they were timed."""
    request = RunRequest(
        board=load_board("linux"),
        board_file_sha256=board_file_sha256("linux"),
        model=model,
        engine="tflite",
        runs=runs_of(model),
        warmups=WARMUPS,
        results=results,
        linux=LinuxOptions(target=target, python=python, affinity=(CPU,), runtime="tflite_runtime"),
    )
    measurement = run_case(request, Silent()).measurement
    assert isinstance(measurement.latency, Latency), measurement.reason
    samples = list(measurement.latency.starts[0].timed_counts)
    return samples, str(measurement.conditions["timing_method"])


def truth(program: Path, libraries: list[str], model: Path) -> list[int]:
    words = [str(program), *libraries, str(model), str(WARMUPS), str(runs_of(model)), str(CPU)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=300)
    return [int(line) for line in done.stdout.split()]


def before_others() -> str:
    """Let what is timed run before other work on the machine, where this user may."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except OSError as error:
        return f"no real-time priority ({error.strerror})"
    return "real-time priority"


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
    worst, widest, priority = 0.0, 0.0, before_others()
    with tempfile.TemporaryDirectory() as name, openssh_server(Path(name) / "server") as server:
        folder = Path(name)
        program, loop, small = folder / "truth", folder / "loop.so", folder / "small_cnn.tflite"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O2", "-o", str(program), str(source), "-ldl"], check=True)
        loop.write_bytes(native.library)
        small.write_bytes(small_cnn())
        print(f"{PAIRS} pairs of runs on CPU {CPU}, load {os.getloadavg()[0]:.1f}, {priority}")
        for model in [small, *map(resolve_model, MODELS)]:
            pairs: list[tuple[list[int], list[int]]] = []
            method = ""
            for turn in range(PAIRS):
                # Whoever begins meets a machine that has just done something else.
                if turn % 2:
                    true_ns = truth(program, libraries, model)
                    our_ns, method = ours(model, python, server.target(), folder / "results")
                else:
                    our_ns, method = ours(model, python, server.target(), folder / "results")
                    true_ns = truth(program, libraries, model)
                pairs.append((our_ns, true_ns))
            ratios = [metrics.median(ours_ns) / metrics.median(true_ns) for ours_ns, true_ns in pairs]
            low, high = metrics.median_interval(ratios) or (0.0, 0.0)
            tenth = [
                statistics.quantiles(itertools.chain.from_iterable(samples), n=10)[0]
                for samples in zip(*pairs, strict=True)
            ]
            words = [python, "-c", IN_TURNS, str(PROGRAM.parent), str(model), str(loop), str(CPU)]
            turns = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
            added = statistics.median(our_ns / true_ns for our_ns, true_ns in turns)
            ratio = metrics.median(ratios)
            worst, widest = max(worst, abs(ratio - 1)), max(widest, high - low)
            print(
                f"{model.stem:26} {tenth[1] / 1e6:8.4f} ms in C, ours timed {method:7} ratio {ratio:.4f} "
                f"[{low:.4f} .. {high:.4f}] tenth percentiles {tenth[0] / tenth[1]:.4f}; "
                f"Python/C on one interpreter {added:.4f}"
            )
    print(f"largest deviation {worst:.2%} (limit {LIMIT:.0%}), widest interval {widest:.2%}")
    if worst > LIMIT and widest > 2 * LIMIT:
        print("inconclusive: other work on the machine is larger than what is looked for")
        return 4
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
