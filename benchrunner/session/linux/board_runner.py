"""The program that runs on a Linux board: one model in one process, timed, or given many inputs.

One file of standard-library Python 3.8 that uses the TFLite runtime it finds: it is copied to the board and
imports nothing of the project. A JSON request on standard input, a JSON event per line on standard output:
docs/board-runner.md.
"""

from __future__ import annotations

import binascii
import collections
import ctypes
import errno
import gc
import hashlib
import importlib
import itertools
import json
import os
import re
import select
import statistics
import sys
import time
import zlib
from pathlib import Path

TYPE_CHECKING = False  # typing's own costs milliseconds of every start
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

VERSION = 1
MAX_REQUEST_BYTES = 1 << 20
RUNTIMES = ("tflite_runtime", "ai_edge_litert", "tensorflow")
METHODS = ("auto", "python", "native", "batched")

CLOCK = time.CLOCK_MONOTONIC_RAW
NS = 1_000_000_000
GROUP_NS = NS // 5  # so long at most is measured between two looks at the output, and two lines of progress
# A look at the output costs the next inference its warm caches, 1 to 4 % of one of 1 to 4 ms.
CHECK_EACH_NS = 100_000_000
CHEAP_NS = 1_000_000  # from here on a call from Python is taken to be below 1 %, where its cost is not known
BATCH_NS = 2_000_000  # length of a batch: a thousand times the cost of reading the clock
MAX_BATCH = 100_000
SHARE_LIMIT = 0.01  # of the call in an inference, for `auto`
STABLE = 0.01
MAX_WARMUPS, MAX_WARMUP_NS = 20, 10 * NS
CALIBRATION_CALLS = 400
IDLE_S = 900  # for the next input; whoever asked is then gone without a word
PIECE_BYTES = 1 << 16
# `tflite::impl::Interpreter::Invoke()`: exported by the extension modules of tflite_runtime and tensorflow.
INVOKE_SYMBOL = "_ZN6tflite4impl11Interpreter6InvokeEv"


class RunnerError(Exception):
    """What the host is told instead of everything that would follow."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


class Request:
    """The checked request."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields
        if self.integer("version", 0) != VERSION:
            raise RunnerError("request", f"version: expected 1, found {fields.get('version')!r}")
        self.model = self.text("model")
        self.inputs = self.texts("inputs")
        self.outputs = self.text("outputs")
        self.runtime = self.choice("runtime", ("auto", *RUNTIMES))
        self.kernels = self.choice("kernels", ("default", "reference"))
        self.threads = self.integer("threads", 1)
        self.runs = self.integer("runs", 0)
        self.warmups = None if fields.get("warmups") is None else self.integer("warmups", 0)
        self.timing = self.choice("timing", METHODS)
        self.affinity = self.cpus("affinity")
        self.delegate = self.optional_text("delegate")
        self.calibration = self.optional_text("calibration")
        self.native_library = self.optional_text("native_library")
        self.answer = fields.get("answer", False)
        if not isinstance(self.answer, bool):
            raise self._wrong("answer", "true or false")
        options = fields.get("delegate_options") or {}
        if not isinstance(options, dict) or not all(isinstance(value, str) for value in options.values()):
            raise RunnerError("request", "delegate_options: expected an object of text")
        self.delegate_options = options

    def _wrong(self, key: str, expected: str) -> RunnerError:
        found = repr(self._fields.get(key, "nothing"))[:100]
        return RunnerError("request", f"{key}: expected {expected}, found {found}")

    def text(self, key: str) -> str:
        value = self._fields.get(key)
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "text")
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self._fields.get(key) is None else self.text(key)

    def texts(self, key: str) -> list[str]:
        value = self._fields.get(key)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._wrong(key, "a list of text")
        return value

    def choice(self, key: str, known: Sequence[str]) -> str:
        value = self._fields.get(key)
        if value not in known:
            raise self._wrong(key, "one of " + ", ".join(known))
        return str(value)

    def integer(self, key: str, smallest: int) -> int:
        value = self._fields.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < smallest:
            raise self._wrong(key, f"an integer from {smallest}")
        return value

    def cpus(self, key: str) -> list[int] | None:
        value = self._fields.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(type(each) is int for each in value):
            raise self._wrong(key, "a list of integers")
        return value


class Events:
    """Writes events to what was standard output; whatever else is printed goes to standard error."""

    def __init__(self) -> None:
        self._descriptor = os.dup(1)
        os.dup2(2, 1)
        self._parent = os.getppid()

    def send(self, *events: dict[str, Any]) -> None:
        """Write whole lines; ends the process where nobody reads them any more."""
        data = "".join(json.dumps(event) + "\n" for event in events).encode("ascii")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BrokenPipeError:
            os._exit(1)
        if os.getppid() != self._parent:
            os._exit(1)  # the connection is gone, and with it whoever wanted to know


class Source:
    """Standard input: the line of the request, and the inputs after it."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def line(self) -> bytes:
        """The first line, or all there is; more than MAX_REQUEST_BYTES where it is longer than that."""
        while b"\n" not in self._kept and len(self._kept) <= MAX_REQUEST_BYTES and self._more():
            pass
        line, _, rest = bytes(self._kept).partition(b"\n")
        self._kept = bytearray(rest)
        return line

    def inputs(self, size: int) -> bytes:
        """The next `size` bytes; none at the end."""
        while len(self._kept) < size:
            if not select.select([0], [], [], IDLE_S)[0]:
                raise RunnerError("idle", f"no input came for {IDLE_S} s")
            if not self._more():
                if self._kept:
                    message = f"input: {len(self._kept)} of {size} bytes came"
                    raise RunnerError("input", message)
                return b""
        found = bytes(self._kept[:size])
        del self._kept[:size]
        return found

    def _more(self) -> bool:
        piece = os.read(0, PIECE_BYTES)
        self._kept += piece
        return bool(piece)


class Runtime:
    """The TFLite runtime of this Python."""

    def __init__(self, wanted: str) -> None:
        problems = []
        for name in RUNTIMES if wanted == "auto" else (wanted,):
            try:
                self.package: Any = importlib.import_module(name)
                if name == "tensorflow":
                    self.module: Any = self.package.lite
                    self.resolvers: Any = self.package.lite.experimental.OpResolverType
                    self.load_delegate: Any = self.package.lite.experimental.load_delegate
                else:
                    self.module = importlib.import_module(name + ".interpreter")
                    self.resolvers = self.module.OpResolverType
                    self.load_delegate = self.module.load_delegate
            except ModuleNotFoundError as error:
                if (error.name or "").split(".")[0] != name:
                    problems.append(f"{name}: {error}")
                continue
            except (ImportError, AttributeError, SystemError) as error:
                problems.append(f"{name}: {error}")
                continue
            self.name = name
            self.version = str(getattr(self.package, "__version__", "unknown"))
            return
        names = " or ".join(RUNTIMES if wanted == "auto" else (wanted,))
        looked = f"no {names} for {sys.executable}"
        raise RunnerError("no_runtime", "; ".join([looked, *problems]))

    def native_invoke(self) -> int:
        """Address of `Interpreter::Invoke` in the loaded runtime; 0 where it is not exported."""
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None) or ""
            if name.startswith(self.name) and path.endswith(".so") and "interpreter_wrapper" in path:
                function = getattr(ctypes.CDLL(path), INVOKE_SYMBOL, None)
                return ctypes.cast(function, ctypes.c_void_p).value or 0 if function else 0
        return 0


class Loaded:
    """One model in the runtime, ready to be invoked."""

    def __init__(self, runtime: Runtime, request: Request, path: str, delegate: Any) -> None:
        # With a delegate the default ones are off, so that every DELEGATE node is that delegate's.
        plain = request.kernels == "reference" or delegate is not None
        kind = "BUILTIN_WITHOUT_DEFAULT_DELEGATES" if plain else "AUTO"
        try:
            self.interpreter: Any = runtime.module.Interpreter(
                model_path=path,
                num_threads=request.threads,
                experimental_delegates=[delegate] if delegate is not None else None,
                experimental_op_resolver_type=getattr(runtime.resolvers, kind),
            )
            self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise refusal(str(error), delegate is not None) from error
        except SystemError as error:  # an extension that was built against another numpy
            raise RunnerError("no_runtime", f"{runtime.name} {runtime.version}: {error}") from error
        self.inputs = self.interpreter.get_input_details()
        self.outputs = self.interpreter.get_output_details()
        self.invoke: Callable[[], Any] = self.interpreter.invoke

    def operators(self) -> tuple[int, int | None]:
        """Nodes of the graph as it will run, and how many of them are delegates (None: not told)."""
        try:
            names = [str(each["op_name"]) for each in self.interpreter._get_ops_details()]
        except (AttributeError, KeyError, ValueError, RuntimeError):
            return 0, None
        return len(names), sum("DELEGATE" in name.upper() for name in names)

    def set_inputs(self, data: Sequence[bytes]) -> None:
        numpy = importlib.import_module("numpy")
        if len(data) != len(self.inputs):
            message = f"the model takes {len(self.inputs)} inputs, {len(data)} were given"
            raise RunnerError("input", message)
        for index, (details, raw) in enumerate(zip(self.inputs, data)):  # noqa: B905 (Python 3.10)
            size = bytes_of(details)
            if len(raw) != size:
                name = f"input {index} ({details['name']})"
                message = f"{name}: expected {size} bytes, found {len(raw)}"
                raise RunnerError("input", message)
            dtype = numpy.dtype(details["dtype"])
            values = numpy.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype)
            self.interpreter.set_tensor(details["index"], values.reshape(details["shape"]))

    def output_bytes(self) -> list[bytes]:
        found = []
        for details in self.outputs:
            value = self.interpreter.get_tensor(details["index"])
            found.append(value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes())
        return found

    def crc32(self) -> int:
        crc = 0
        for data in self.output_bytes():
            crc = zlib.crc32(data, crc)
        return crc & 0xFFFFFFFF


def refusal(text: str, with_delegate: bool) -> RunnerError:
    """What the runtime's own words mean."""
    words = " ".join(text.split())[:2000]
    if re.search(r"Didn't find op for builtin opcode '\w+' version '\d+'", words):
        return RunnerError("runtime_too_old", words)
    if re.search(
        r"schema version \d+ not equal|Unsupported (data type|builtin)|op code .* out of range", words
    ):
        return RunnerError("runtime_too_old", words)
    if with_delegate and "delegate" in words.lower():
        return RunnerError("delegate", words)
    return RunnerError("model", words)


def bytes_of(details: dict[str, Any]) -> int:
    numpy = importlib.import_module("numpy")
    count = 1
    for size in details["shape"]:
        count *= int(size)
    return count * int(numpy.dtype(details["dtype"]).itemsize)


def described(details: dict[str, Any]) -> dict[str, Any]:
    numpy = importlib.import_module("numpy")
    return {
        "name": str(details["name"]),
        "dtype": numpy.dtype(details["dtype"]).name,
        "shape": [int(size) for size in details["shape"]],
        "bytes": bytes_of(details),
    }


class PythonTimer:
    """Each inference between two readings of the clock, in Python."""

    method = "python"
    per_sample = 1

    def __init__(self, loaded: Loaded) -> None:
        self._invoke = loaded.invoke

    def measure(self, count: int) -> list[int]:
        invoke, clock, raw = self._invoke, time.clock_gettime_ns, CLOCK
        samples = []
        for _ in range(count):
            began = clock(raw)
            invoke()
            ended = clock(raw)
            samples.append(ended - began)
        return samples


class BatchedTimer:
    """Many inferences between two readings of the clock; the loop over them is Python's own, in C."""

    method = "batched"

    def __init__(self, loaded: Loaded, per_sample: int) -> None:
        self.per_sample = per_sample
        self._loaded = loaded

    def measure(self, count: int) -> list[int]:
        clock, raw, per_sample = time.clock_gettime_ns, CLOCK, self.per_sample
        # `invoke` first looks, in Python, who else holds the wrapper: only we do, and not for long.
        wrapper = getattr(self._loaded.interpreter, "_interpreter", None)
        invoke = getattr(wrapper, "Invoke", self._loaded.invoke)
        samples = []
        for _ in range(count):
            calls = itertools.starmap(invoke, itertools.repeat((), per_sample))
            began = clock(raw)
            collections.deque(calls, maxlen=0)
            ended = clock(raw)
            samples.append((ended - began + per_sample // 2) // per_sample)
        return samples


class NativeTimer:
    """The loop of the native library around the runtime's own function, on the same interpreter."""

    method = "native"
    per_sample = 1

    def __init__(self, loaded: Loaded, runtime: Runtime, library: str | None) -> None:
        if library is None:
            raise RunnerError("timing", "no native library was given")
        handle = getattr(loaded.interpreter, "_native_handle", None)
        self._function = runtime.native_invoke()
        if not self._function or handle is None:
            message = f"{runtime.name} {runtime.version} does not export its Invoke"
            raise RunnerError("timing", message)
        try:
            shared = ctypes.CDLL(library)
            self._loop = shared.benchrunner_time
            self._nothing = ctypes.cast(shared.benchrunner_nothing, ctypes.c_void_p).value
        except (OSError, AttributeError) as error:
            raise RunnerError("timing", f"native library: {error}") from error
        self._loop.restype = ctypes.c_int
        self._loop.argtypes = [
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_uint32,
            ctypes.POINTER(ctypes.c_int64),
        ]
        self._interpreter = int(handle())

    def measure(self, count: int) -> list[int]:
        return self._run(self._function, count)

    def bracket_ns(self) -> int:
        """What the loop itself costs for each inference: two readings of the clock around nothing."""
        return int(statistics.median(self._run(self._nothing, CALIBRATION_CALLS)))

    def _run(self, function: int | None, count: int) -> list[int]:
        samples = (ctypes.c_int64 * count)()
        status = self._loop(function, self._interpreter, count, samples)
        if status != 0:
            raise RunnerError("model", f"the runtime's Invoke returned {status}")
        return list(samples)


class Costs:
    """What a call costs beside the inference itself, by method, measured with a near-empty model."""

    def __init__(self) -> None:
        self.by_method: dict[str, int] = {}
        self.text = ""


def calibrate(runtime: Runtime, request: Request, path: str) -> Costs:
    """Time a model that computes next to nothing, each way there is."""
    plain = Request(dict(request._fields, delegate=None))
    loaded = Loaded(runtime, plain, path, None)
    loaded.set_inputs([bytes(bytes_of(details)) for details in loaded.inputs])
    timers: list[Any] = [PythonTimer(loaded), BatchedTimer(loaded, CALIBRATION_CALLS)]
    native: NativeTimer | None = None
    try:
        native = NativeTimer(loaded, runtime, request.native_library)
        timers.append(native)
    except RunnerError:
        pass
    found = {}
    for timer in timers:
        timer.measure(20)
        found[timer.method] = int(statistics.median(timer.measure(CALIBRATION_CALLS // timer.per_sample + 4)))
    costs = Costs()
    if native is not None:
        bracket = native.bracket_ns()
        own = max(0, found.pop("native") - bracket)
        costs.by_method = {method: max(0, ns - own) for method, ns in found.items()}
        costs.by_method["native"] = bracket
        costs.text = "near-empty model, less its own time by the native loop"
    else:
        costs.by_method = found
        costs.text = "near-empty model, with the little it computes: an upper bound"
    return costs


class Case:
    """One start: the events in their order."""

    def __init__(self, request: Request, events: Events, source: Source) -> None:
        self.request, self.events, self.source = request, events, source
        self.samples_sent = 0
        self.crc32: int | None = None
        self.frequencies: dict[int, list[int]] = {}

    def run(self) -> None:
        request, send = self.request, self.events.send
        if request.affinity is not None:
            try:
                os.sched_setaffinity(0, request.affinity)
            except (OSError, ValueError, OverflowError) as error:
                raise RunnerError("affinity", f"CPUs {request.affinity}: {error}") from error
        runtime = Runtime(request.runtime)
        send(
            {
                "event": "hello",
                "version": VERSION,
                "python": sys.version.split()[0],
                "runtime": runtime.name,
                "runtime_version": runtime.version,
                "pid": os.getpid(),
            },
            memory("before"),
        )
        if request.answer:
            self._answer_inputs(self._load(runtime))
            return
        costs = None
        if request.calibration is not None:
            costs = calibrate(runtime, request, request.calibration)
            overhead = costs.by_method["python"]
            send({"event": "calibrated", "call_overhead_ns": overhead, "method": costs.text})
        loaded = self._load(runtime)
        timer: Any = PythonTimer(loaded)
        warm_ns = self._cold_and_warm(loaded, timer)
        timer = self._choose(loaded, runtime, costs, warm_ns)
        cost_ns = costs.by_method.get(timer.method) if costs is not None else None
        send(
            {
                "event": "timing",
                "method": timer.method,
                "invokes_per_sample": timer.per_sample,
                "call_overhead_ns": cost_ns,
                "clock": "CLOCK_MONOTONIC_RAW",
            }
        )
        if timer.method != "python" and request.runs:
            # The other way of calling is warmed up, too.
            self._series(loaded, timer, "warmup", 10 if timer.method == "native" else 1, warm_ns)
        self._series(loaded, timer, "timed", request.runs, warm_ns)
        frequency = {str(cpu): limits for cpu, limits in sorted(self.frequencies.items())}
        send(
            memory("after"),
            {
                "event": "done",
                "samples": self.samples_sent,
                "cpu_ns": time.process_time_ns(),
                "frequency_khz": frequency,
            },
        )

    def _load(self, runtime: Runtime) -> Loaded:
        request = self.request
        inputs = [read(path) for path in request.inputs]
        began = time.clock_gettime_ns(CLOCK)
        delegate = None
        if request.delegate is not None:
            try:
                delegate = runtime.load_delegate(request.delegate, request.delegate_options)
            except (ValueError, OSError, AttributeError, RuntimeError) as error:
                raise RunnerError("delegate", f"{request.delegate}: {error}") from error
        if not os.access(request.model, os.R_OK):
            raise RunnerError("model", f"{request.model}: no such file")
        loaded = Loaded(runtime, request, request.model, delegate)
        init_ns = time.clock_gettime_ns(CLOCK) - began
        operators, delegated = loaded.operators()
        if delegate is not None and delegated == 0:
            raise RunnerError("delegate", f"{request.delegate} took no part of the model")
        self.events.send(
            {
                "event": "loaded",
                "init_ns": init_ns,
                "inputs": [described(details) for details in loaded.inputs],
                "outputs": [described(details) for details in loaded.outputs],
                "operators": operators,
                "delegated": delegated,
                "delegate": request.delegate,
            }
        )
        if not request.answer:
            loaded.set_inputs(inputs)
        return loaded

    def _answer_inputs(self, loaded: Loaded) -> None:
        """The outputs of each set of inputs on standard input, until that ends. Nothing is timed."""
        sizes = [bytes_of(details) for details in loaded.inputs]
        answered = 0
        while True:
            raw = self.source.inputs(sum(sizes))
            if not raw:
                break
            at, data = 0, []
            for size in sizes:
                data.append(raw[at : at + size])
                at += size
            loaded.set_inputs(data)
            try:
                loaded.invoke()
            except (ValueError, RuntimeError) as error:
                raise RunnerError("model", " ".join(str(error).split())[:2000]) from error
            answered += 1
            outputs = [
                binascii.b2a_base64(each, newline=False).decode("ascii") for each in loaded.output_bytes()
            ]
            self.events.send({"event": "answer", "outputs": outputs})
        done = {"event": "done", "samples": answered, "cpu_ns": time.process_time_ns()}
        self.events.send(memory("after"), done)

    def _cold_and_warm(self, loaded: Loaded, timer: PythonTimer) -> int:
        """The first inference, its outputs, and warm-ups; what an inference takes then."""
        request = self.request
        cold_ns = self._group(loaded, timer, "cold", 1)[0]
        self._write_outputs(loaded.output_bytes())
        began = time.clock_gettime_ns(CLOCK)
        found = [cold_ns]
        wanted = MAX_WARMUPS if request.warmups is None else request.warmups
        while len(found) <= wanted:
            found += self._group(loaded, timer, "warmup", 1)
            if request.warmups is None and (
                abs(found[-1] - found[-2]) <= STABLE * max(found[-2:])
                or time.clock_gettime_ns(CLOCK) - began > MAX_WARMUP_NS
            ):
                break
        return max(1, int(statistics.median(found[-3:])))

    def _choose(self, loaded: Loaded, runtime: Runtime, costs: Costs | None, warm_ns: int) -> Any:
        request = self.request
        batch = max(1, min(MAX_BATCH, BATCH_NS // warm_ns))
        if request.timing == "python":
            return PythonTimer(loaded)
        if request.timing == "batched":
            return BatchedTimer(loaded, batch)
        if request.timing == "native":
            return NativeTimer(loaded, runtime, request.native_library)
        if costs is None:
            cheap = warm_ns >= CHEAP_NS
        else:
            cheap = costs.by_method["python"] <= SHARE_LIMIT * warm_ns
        if cheap:
            return PythonTimer(loaded)
        try:
            return NativeTimer(loaded, runtime, request.native_library)
        except RunnerError:
            return BatchedTimer(loaded, batch)

    def _series(self, loaded: Loaded, timer: Any, phase: str, count: int, warm_ns: int) -> None:
        """`count` samples, in groups between which the output is looked at and the events are written."""
        sample_ns = warm_ns * timer.per_sample
        largest = 1 if sample_ns >= CHECK_EACH_NS else GROUP_NS // sample_ns
        pending: list[dict[str, Any]] = []
        gc.collect()
        gc.disable()
        try:
            told = time.clock_gettime_ns(CLOCK)
            while count > 0:
                group = min(count, largest)
                self._group(loaded, timer, phase, group, pending)
                self._read_frequency()
                count -= group
                if time.clock_gettime_ns(CLOCK) - told > GROUP_NS:
                    self.events.send(*pending)
                    pending.clear()
                    told = time.clock_gettime_ns(CLOCK)
        finally:
            gc.enable()
            self.events.send(*pending)

    def _group(
        self, loaded: Loaded, timer: Any, phase: str, count: int, pending: list[dict[str, Any]] | None = None
    ) -> list[int]:
        """Measure `count` samples and look at the output after the last; events go to `pending` if given."""
        cpu_began = time.process_time_ns()
        try:
            found: list[int] = timer.measure(count)
        except (ValueError, RuntimeError) as error:
            raise RunnerError("model", " ".join(str(error).split())[:2000]) from error
        cpu_ns = (time.process_time_ns() - cpu_began) // (count * timer.per_sample)
        crc = loaded.crc32()
        self.samples_sent += count
        events = [
            {"event": "sample", "phase": phase, "ns": ns, "crc32": crc, "cpu_ns": cpu_ns} for ns in found
        ]
        if pending is None:
            self.events.send(*events)
        else:
            pending += events
        if self.crc32 is None:
            self.crc32 = crc
        if crc != self.crc32:
            message = f"the outputs of one input changed: CRC-32 {self.crc32:08x}, then {crc:08x}"
            raise RunnerError("output_changed", message)
        return found

    def _write_outputs(self, outputs: Sequence[bytes]) -> None:
        folder = Path(self.request.outputs)
        files = []
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for index, data in enumerate(outputs):
                path = folder / (f"{index}.bin")
                path.write_bytes(data)
                files.append(str(path))
        except OSError as error:
            kind = "no_space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "request"
            raise RunnerError(kind, f"{folder}: {error.strerror}") from error
        digests = [hashlib.sha256(data).hexdigest() for data in outputs]
        self.events.send({"event": "outputs", "files": files, "sha256": digests})

    def _read_frequency(self) -> None:
        """The frequency of the CPU that has just worked, where the kernel tells it."""
        try:
            words = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
            cpu = int(words[36])  # `processor`, proc(5)
            path = f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq"
            khz = int(Path(path).read_bytes())
        except (OSError, ValueError, IndexError):
            return
        low, high = self.frequencies.get(cpu, [khz, khz])
        self.frequencies[cpu] = [min(low, khz), max(high, khz)]


def memory(when: str) -> dict[str, Any]:
    """Resident memory of this process, in bytes."""
    found: dict[str, int] = {}
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key in ("VmRSS", "VmHWM"):
                found[key] = int(value.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return {
        "event": "memory",
        "when": when,
        "rss_bytes": found.get("VmRSS"),
        "peak_bytes": found.get("VmHWM"),
    }


def read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise RunnerError("input", f"{path}: {error.strerror}") from error


def main() -> int:
    # One spinning thread per CPU of numpy's would be measured, too; read when numpy is loaded.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    events = Events()
    try:
        source = Source()
        raw = source.line()
        try:
            fields = json.loads(raw.decode("utf-8")) if len(raw) <= MAX_REQUEST_BYTES else None
        except (ValueError, RecursionError) as error:
            raise RunnerError("request", f"not JSON: {error}") from error
        if not isinstance(fields, dict):
            raise RunnerError("request", "expected one JSON object")
        Case(Request(fields), events, source).run()
    except RunnerError as error:
        events.send({"event": "error", "kind": error.kind, "message": error.message})
        return 1
    except MemoryError:
        events.send({"event": "error", "kind": "memory", "message": "the board has not enough memory"})
        return 1
    return 0


if __name__ == "__main__":
    sys.stdout.flush()
    STATUS = main()
    # Runtimes may crash while they are torn down, after everything has been said.
    os._exit(STATUS)
