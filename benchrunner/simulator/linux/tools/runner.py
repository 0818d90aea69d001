"""Python on a simulated board: it runs the project's runner, whose protocol it answers, and nothing else."""

from __future__ import annotations

import hashlib
import json
import random
import re
import zlib
from typing import Any

from benchrunner.errors import BenchrunnerError, NoTimingModelError, UnsupportedOperatorError
from benchrunner.model.cost import ModelCost
from benchrunner.runtime import KernelSet
from benchrunner.simulator.linux.process import Process, encode
from benchrunner.simulator.linux.tools.network import BASE_BYTES, Execution, Network, load_network

_MARKS = (b"MAX_REQUEST_BYTES", b'"hello"', b"invokes_per_sample")
_VERSION = re.compile(rb"^VERSION = (\d{1,6})$", re.MULTILINE)
_MAX_REQUEST_BYTES = 1 << 20
_RUNTIMES = ("tflite_runtime", "ai_edge_litert", "tensorflow")
_METHODS = ("auto", "python", "native", "batched")
# A call from Python takes 4700 instructions more than one from C on 64-bit Arm, 5200 on 32-bit; batched calls
# skip the wrapper's Python part. At 1.5 cycles for an instruction, which is an assumption.
_CALL_CYCLES = {"aarch64": 7_000, "armv7l": 7_800}
_BATCHED_SHARE = 0.15
_SHARE_LIMIT, _STABLE, _MAX_WARMUPS = 0.01, 0.01, 20
_BATCH_NS, _MAX_BATCH, _MAX_WARMUP_NS = 2_000_000, 100_000, 10_000_000_000
_LINES_AT_ONCE = 16
_HUGE_BYTES = 8 << 20


class _RunnerError(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


def python(process: Process) -> int:
    """The program python3."""
    words = process.arguments[1:]
    while words and words[0] in ("-u", "-I", "-S", "-B", "-E", "-s"):
        words = words[1:]
    version = process.machine.profile.python
    if words[:1] in (["-V"], ["--version"]):
        process.out(f"Python {version}\n")
        return 0
    if words[:1] == ["-c"] and len(words) > 1:
        return _one_liner(process, words[1], words[2:])
    if not words:
        return _refused(process, "an interactive Python")
    try:
        script = process.machine.files.read(process.path(words[0]))
    except OSError as error:
        process.stderr.write(
            encode(
                f"python3: can't open '{process.path(words[0])}': [Errno {error.errno}] {error.strerror}\n"
            )
        )
        return 2
    if not all(mark in script for mark in _MARKS):
        return _refused(process, words[0])
    return _Runner(process, script).run()


def _refused(process: Process, what: str) -> int:
    process.stderr.write(
        encode(f"python3: {what}: this simulated board runs no Python but benchrunner's own runner\n")
    )
    return 1


def _one_liner(process: Process, code: str, words: list[str]) -> int:
    """The two that a harness needs: a hash, and the version of the runtime."""
    profile = process.machine.profile
    if "hashlib.sha256" in code and "sys.argv[1]" in code and words:
        try:
            data = process.machine.files.read(process.path(words[0]))
        except OSError as error:
            process.stderr.write(encode(f"[Errno {error.errno}] {error.strerror}: '{words[0]}'\n"))
            return 1
        process.out(hashlib.sha256(data).hexdigest() + "\n")
        return 0
    match = re.fullmatch(r"import (\w+); ?print\((\w+)\.__version__\)", code.strip())
    known = {"tflite_runtime": profile.tflite, "onnxruntime": profile.onnxruntime, "numpy": "1.26.4"}
    if match and match[1] == match[2]:
        missing = process.machine.faults.no_runtime and match[1] == "tflite_runtime"
        if match[1] in known and not missing:
            process.out(known[match[1]] + "\n")
            return 0
        process.stderr.write(encode(f"ModuleNotFoundError: No module named '{match[1]}'\n"))
        return 1
    return _refused(process, "-c")


class _Runner:
    """One start, event by event (docs/board-runner.md)."""

    def __init__(self, process: Process, script: bytes) -> None:
        self._process, self._machine = process, process.machine
        found = _VERSION.search(script)
        self._version = int(found[1]) if found else 0
        self._pending: list[str] = []
        self._samples = 0
        self._frequencies: list[int] = []
        self._clean_crc: int | None = None

    def run(self) -> int:
        faults = self._machine.faults
        try:
            raw = self._read_request()
            if faults.hostile_answer is not None:
                return self._hostile(faults.hostile_answer)
            try:
                fields = json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise _RunnerError("request", f"not JSON: {error}") from None
            if not isinstance(fields, dict):
                raise _RunnerError("request", "expected one JSON object")
            self._case(_checked(fields, self._version))
        except _RunnerError as problem:
            self._send({"event": "error", "kind": problem.kind, "message": problem.message})
            self._flush()
            return 1
        return 0

    def _read_request(self) -> bytes:
        data = bytearray()
        while len(data) <= _MAX_REQUEST_BYTES and (piece := self._process.stdin.read(32768)):
            data += piece
        return bytes(data)

    def _hostile(self, kind: str) -> int:
        match kind:
            case "huge":
                for _ in range(_HUGE_BYTES >> 16):
                    self._process.stdout.write(b"x" * (1 << 16))
            case "binary":
                self._process.stdout.write(random.Random(self._machine.seed).randbytes(5000) + b"\n")
            case _:
                self._process.stdout.write(b'{"event": "sample", "phase": "timed", "ns": "many"}\n')
        return 0

    def _send(self, *events: dict[str, Any]) -> None:
        self._pending += [json.dumps(event) + "\n" for event in events]
        if len(self._pending) >= _LINES_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        text, self._pending = "".join(self._pending), []
        if text:
            self._process.stdout.write(text.encode())

    def _memory(self, when: str, size: int) -> None:
        self._process.rss_bytes = size
        self._send({"event": "memory", "when": when, "rss_bytes": size, "peak_bytes": size})

    def _case(self, request: dict[str, Any]) -> None:
        process, profile = self._process, self._machine.profile
        if request["affinity"] is not None:
            cpus = tuple(sorted({cpu for cpu in request["affinity"] if 0 <= cpu < profile.linux.cpus}))
            if not cpus:
                raise _RunnerError("affinity", f"CPUs {request['affinity']}: [Errno 22] Invalid argument")
            process.cpus = cpus
        wanted = request["runtime"]
        if self._machine.faults.no_runtime or wanted not in ("auto", "tflite_runtime"):
            names = " or ".join(_RUNTIMES if wanted == "auto" else (wanted,))
            raise _RunnerError("no_runtime", f"no {names} for /usr/bin/python3")
        self._send(
            {
                "event": "hello",
                "version": self._version,
                "python": profile.python,
                "runtime": "tflite_runtime",
                "runtime_version": profile.tflite,
                "pid": process.pid,
            }
        )
        base = BASE_BYTES[profile.architecture]
        self._memory("before", base)
        self._flush()
        if self._machine.faults.runner_hang:
            process.pause()
        call_ns = round(_CALL_CYCLES[profile.architecture] * 1e9 / profile.linux.clock_hz)
        if request["calibration"] is not None:
            self._file("model", request["calibration"])
            self._send(
                {
                    "event": "calibrated",
                    "call_overhead_ns": call_ns,
                    "method": "modelled: instructions of a call",
                }
            )
        network, execution, kernels = self._load(request)
        inputs = [self._file("input", path) for path in request["inputs"]]
        self._check_inputs(network, kernels, inputs)
        outputs = self._outputs(network, kernels, inputs)
        self._measure(request, execution, outputs, call_ns)
        self._memory("after", base + network.resident_bytes)
        khz = sorted(self._frequencies) or [self._machine.processor.current_khz()]
        self._send(
            {
                "event": "done",
                "samples": self._samples,
                "cpu_ns": execution.cpu_ns + 300_000_000,  # Python's own start
                "frequency_khz": {str((process.cpus or (0,))[0]): [khz[0], khz[-1]]},
            }
        )
        self._flush()

    def _file(self, kind: str, path: str) -> bytes:
        try:
            return self._machine.files.read(self._process.path(path))
        except OSError as error:
            reason = "no such file" if kind == "model" else error.strerror
            raise _RunnerError(kind, f"{path}: {reason}") from None

    def _load(self, request: dict[str, Any]) -> tuple[Network, Execution, KernelSet]:
        machine, profile = self._machine, self._machine.profile
        delegate = request["delegate"]
        accelerated = False
        if delegate is not None:
            self._file("delegate", delegate)
            accelerated = profile.has_npu and delegate.rpartition("/")[2].startswith("libvx_delegate.so")
            if not accelerated:
                raise _RunnerError(
                    "delegate", f"{delegate}: could not load: no delegate that this board knows"
                )
        data = self._file("model", request["model"])
        if machine.faults.runtime_too_old:
            message = (
                "Didn't find op for builtin opcode 'CONV_2D' version '9'. An older runtime than the model's."
            )
            raise _RunnerError("runtime_too_old", message)
        # With a delegate, and for the reference, default delegates are off; since v6.1.1 they are off anyhow.
        plain = request["kernels"] == "reference" or delegate is not None or not profile.xnnpack
        kernels = KernelSet.BUILTIN if plain else KernelSet.XNNPACK
        try:
            network = load_network(machine, data)
            execution = Execution(self._process, network, threads=request["threads"], accelerated=accelerated)
            interpreter = network.interpreter(kernels)
        except (UnsupportedOperatorError, NoTimingModelError, BenchrunnerError) as error:
            raise _RunnerError("model", error.message) from None
        if execution.fell_back:
            raise _RunnerError("delegate", f"{delegate} took no part of the model")
        self._check_memory(network.cost)
        layers = len(network.layers)
        self._send(
            {
                "event": "loaded",
                "init_ns": execution.load_ns(),
                "inputs": [_described(tensor) for tensor in interpreter.inputs],
                "outputs": [_described(tensor) for tensor in interpreter.outputs],
                "operators": layers + 1 if accelerated else layers,
                "delegated": 1 if accelerated else 0,
                "delegate": delegate,
            }
        )
        return network, execution, kernels

    def _check_memory(self, cost: ModelCost) -> None:
        from benchrunner.simulator.linux.procfs import memory_bytes

        if cost.constant_bytes + cost.live.peak_bytes > memory_bytes(self._machine)[1]:
            raise _RunnerError("memory", "the board has not enough memory")

    def _check_inputs(self, network: Network, kernels: KernelSet, inputs: list[bytes]) -> None:
        wanted = network.interpreter(kernels).inputs
        if len(wanted) != len(inputs):
            raise _RunnerError("input", f"the model takes {len(wanted)} inputs, {len(inputs)} were given")
        for index, (tensor, data) in enumerate(zip(wanted, inputs, strict=True)):
            if tensor.size_bytes != len(data):
                raise _RunnerError(
                    "input",
                    f"input {index} ({tensor.name}): expected {tensor.size_bytes} bytes, found {len(data)}",
                )

    def _outputs(self, network: Network, kernels: KernelSet, inputs: list[bytes]) -> tuple[bytes, ...]:
        try:
            outputs = network.outputs(inputs, kernels)
        except BenchrunnerError as error:
            raise _RunnerError("model", error.message) from None
        if self._machine.faults.wrong_output and outputs and outputs[0]:
            outputs = (bytes(byte ^ 0x5A for byte in outputs[0]), *outputs[1:])
        return outputs

    def _measure(
        self, request: dict[str, Any], execution: Execution, outputs: tuple[bytes, ...], call_ns: int
    ) -> None:
        crc = 0
        for data in outputs:
            crc = zlib.crc32(data, crc)
        found = [self._sample(execution, "cold", crc, call_ns, 1)]
        self._write(request["outputs"], outputs)
        wanted = _MAX_WARMUPS if request["warmups"] is None else request["warmups"]
        spent_ns = 0
        while len(found) <= wanted:
            found.append(self._sample(execution, "warmup", crc, call_ns, 1))
            spent_ns += found[-1]
            stable = abs(found[-1] - found[-2]) <= _STABLE * max(found[-2:])
            if request["warmups"] is None and (stable or spent_ns > _MAX_WARMUP_NS):
                break
        warm_ns = max(1, sorted(found[-3:])[len(found[-3:]) // 2])
        method, cost_ns = self._method(request, warm_ns, call_ns)
        batch = max(1, min(_MAX_BATCH, _BATCH_NS // warm_ns)) if method == "batched" else 1
        self._send(
            {
                "event": "timing",
                "method": method,
                "invokes_per_sample": batch,
                "call_overhead_ns": cost_ns if request["calibration"] is not None else None,
                "clock": "CLOCK_MONOTONIC_RAW",
            }
        )
        if method == "batched" and request["runs"]:
            self._sample(execution, "warmup", crc, cost_ns, batch)
        for number in range(request["runs"]):
            if number == request["runs"] // 2:
                execution.midway()
            self._sample(execution, "timed", crc, cost_ns, batch)

    def _method(self, request: dict[str, Any], warm_ns: int, call_ns: int) -> tuple[str, int]:
        if request["timing"] == "native":
            raise _RunnerError("timing", "native library: the simulated board runs no machine code")
        cheap = call_ns <= _SHARE_LIMIT * warm_ns
        if request["timing"] == "python" or (request["timing"] == "auto" and cheap):
            return "python", call_ns
        return "batched", round(call_ns * _BATCHED_SHARE)

    def _sample(self, execution: Execution, phase: str, crc: int, call_ns: int, batch: int) -> int:
        self._flush_before_faults()
        cpu_before = execution.cpu_ns
        total = sum(
            execution.infer_ns(compiling=phase == "cold" and execution.accelerated) + call_ns
            for _ in range(batch)
        )
        self._frequencies.append(self._machine.processor.current_khz())
        self._samples += 1
        ns = max(1, total // batch)
        cpu_ns = (execution.cpu_ns - cpu_before) // batch
        self._send({"event": "sample", "phase": phase, "ns": ns, "crc32": crc, "cpu_ns": cpu_ns})
        return ns

    def _flush_before_faults(self) -> None:
        """Where the connection may break at an inference, what was measured before has been told."""
        faults = self._machine.faults
        if faults.drop_in or faults.hang_in or faults.reboot_in:
            self._flush()

    def _write(self, folder: str, outputs: tuple[bytes, ...]) -> None:
        files = self._machine.files
        paths = [f"{folder}/{index}.bin" for index in range(len(outputs))]
        try:
            files.make_folders(self._process.path(folder))
            for path, data in zip(paths, outputs, strict=True):
                files.write(self._process.path(path), data, mode=0o600)
        except OSError as error:
            kind = "no_space" if error.errno == 28 else "request"
            raise _RunnerError(kind, f"{folder}: {error.strerror}") from None
        digests = [hashlib.sha256(data).hexdigest() for data in outputs]
        self._send({"event": "outputs", "files": paths, "sha256": digests})


def _described(tensor: Any) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "bytes": tensor.size_bytes,
    }


def _checked(fields: dict[str, Any], version: int) -> dict[str, Any]:
    """The request; raises `_RunnerError` as the runner itself does."""

    def wrong(key: str, expected: str) -> _RunnerError:
        return _RunnerError("request", f"{key}: expected {expected}, found {str(fields.get(key))[:100]!r}")

    def whole(value: object, smallest: int) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= smallest

    def texts(value: object) -> bool:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)

    if fields.get("version") != version:
        raise wrong("version", str(version))
    for key in ("model", "outputs"):
        if not isinstance(fields.get(key), str) or not fields[key]:
            raise wrong(key, "text")
    if not texts(fields.get("inputs")):
        raise wrong("inputs", "a list of text")
    choices = {"runtime": ("auto", *_RUNTIMES), "kernels": ("default", "reference"), "timing": _METHODS}
    for key, known in choices.items():
        if fields.get(key) not in known:
            raise wrong(key, "one of " + ", ".join(known))
    for key, smallest in (("threads", 1), ("runs", 0)):
        if not whole(fields.get(key), smallest):
            raise wrong(key, f"an integer from {smallest}")
    if fields.get("warmups") is not None and not whole(fields["warmups"], 0):
        raise wrong("warmups", "an integer from 0")
    affinity = fields.get("affinity")
    if affinity is not None and not (
        isinstance(affinity, list) and affinity and all(type(each) is int for each in affinity)
    ):
        raise wrong("affinity", "a list of integers")
    for key in ("delegate", "calibration", "native_library"):
        if fields.get(key) is not None and (not isinstance(fields[key], str) or not fields[key]):
            raise wrong(key, "text")
    optional = ("warmups", "affinity", "delegate", "calibration")
    return {**fields, **{key: fields.get(key) for key in optional}}
