"""The project's runner on a simulated board: it answers its protocol, in modelled time."""

from __future__ import annotations

import base64
import errno
import hashlib
import itertools
import json
import random
import re
import zlib
from typing import Any

from benchrunner.errors import BenchrunnerError, NoTimingModelError, UnsupportedOperatorError
from benchrunner.model.cost import ModelCost
from benchrunner.runtime import KernelSet
from benchrunner.simulator.linux.process import Process
from benchrunner.simulator.linux.tools.network import BASE_BYTES, Execution, Network, load_network
from benchrunner.simulator.linux.tools.runner_request import RUNTIMES, RunnerError, checked_request

_VERSION = re.compile(rb"^VERSION = (\d{1,6})$", re.MULTILINE)
_MAX_REQUEST_BYTES = 1 << 20
# A call from Python takes 4700 instructions more than one from C on 64-bit Arm, 5200 on 32-bit; batched calls
# skip the wrapper's Python part. At 1.5 cycles for an instruction, which is an assumption.
_CALL_CYCLES = {"aarch64": 7_000, "armv7l": 7_800}
_BATCHED_SHARE = 0.15
_SHARE_LIMIT, _STABLE, _MAX_WARMUPS = 0.01, 0.01, 20
_BATCH_NS, _MAX_BATCH, _MAX_WARMUP_NS = 2_000_000, 100_000, 10_000_000_000
_LINES_AT_ONCE = 16
_PYTHON_START_NS = 300_000_000
_HUGE_BYTES = 8 << 20


class Runner:
    """One start, event by event (docs/board-runner.md)."""

    def __init__(self, process: Process, script: bytes) -> None:
        self._process, self._machine = process, process.machine
        found = _VERSION.search(script)
        self._version = int(found[1]) if found else 0
        self._input = bytearray()
        self._pending: list[str] = []
        self._samples = 0
        self._frequencies: list[int] = []

    def run(self) -> int:
        """The exit status of the process."""
        faults = self._machine.faults
        try:
            raw = self._read_request()
            if faults.hostile_answer is not None:
                return self._hostile(faults.hostile_answer)
            try:
                fields = json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise RunnerError("request", f"not JSON: {error}") from None
            if not isinstance(fields, dict):
                raise RunnerError("request", "expected one JSON object")
            self._case(checked_request(fields, self._version))
        except RunnerError as problem:
            self._send({"event": "error", "kind": problem.kind, "message": problem.message})
            self._flush()
            return 1
        return 0

    def _read_request(self) -> bytes:
        """The first line."""
        while b"\n" not in self._input and len(self._input) <= _MAX_REQUEST_BYTES and self._more():
            pass
        line, _, rest = bytes(self._input).partition(b"\n")
        self._input = bytearray(rest)
        return line

    def _read_inputs(self, size: int) -> bytes:
        while len(self._input) < size:
            if not self._more():
                if self._input:
                    raise RunnerError("input", f"input: {len(self._input)} of {size} bytes came")
                return b""
        found = bytes(self._input[:size])
        del self._input[:size]
        return found

    def _more(self) -> bool:
        piece = self._process.stdin.read(32768)
        self._input += piece
        return bool(piece)

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
        self._pin(request["affinity"])
        self._greet(request["runtime"])
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
        if request["answer"]:
            self._answer(network, execution, kernels, base)
            return
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
                "cpu_ns": execution.cpu_ns + _PYTHON_START_NS,
                "frequency_khz": {str((process.cpus or (0,))[0]): [khz[0], khz[-1]]},
            }
        )
        self._flush()

    def _pin(self, wanted: list[int] | None) -> None:
        if wanted is None:
            return
        cpus = tuple(sorted({cpu for cpu in wanted if 0 <= cpu < self._machine.profile.linux.cpus}))
        if not cpus:
            raise RunnerError("affinity", f"CPUs {wanted}: [Errno 22] Invalid argument")
        self._process.cpus = cpus

    def _greet(self, runtime: str) -> None:
        profile = self._machine.profile
        if self._machine.faults.no_runtime or runtime not in ("auto", "tflite_runtime"):
            names = " or ".join(RUNTIMES if runtime == "auto" else (runtime,))
            raise RunnerError("no_runtime", f"no {names} for /usr/bin/python3")
        self._send(
            {
                "event": "hello",
                "version": self._version,
                "python": profile.python,
                "runtime": "tflite_runtime",
                "runtime_version": profile.tflite,
                "pid": self._process.pid,
            }
        )

    def _file(self, kind: str, path: str) -> bytes:
        try:
            return self._machine.files.read(self._process.path(path))
        except OSError as error:
            reason = "no such file" if kind == "model" else error.strerror
            raise RunnerError(kind, f"{path}: {reason}") from None

    def _load(self, request: dict[str, Any]) -> tuple[Network, Execution, KernelSet]:
        machine, profile = self._machine, self._machine.profile
        delegate = request["delegate"]
        accelerated = False
        if delegate is not None:
            self._file("delegate", delegate)
            accelerated = profile.has_npu and delegate.rpartition("/")[2].startswith("libvx_delegate.so")
            if not accelerated:
                raise RunnerError(
                    "delegate", f"{delegate}: could not load: no delegate that this board knows"
                )
        data = self._file("model", request["model"])
        if machine.faults.runtime_too_old:
            message = (
                "Didn't find op for builtin opcode 'CONV_2D' version '9'. An older runtime than the model's."
            )
            raise RunnerError("runtime_too_old", message)
        # With a delegate, and for the reference, default delegates are off; since v6.1.1 they are off anyhow.
        plain = request["kernels"] == "reference" or delegate is not None or not profile.xnnpack
        kernels = KernelSet.BUILTIN if plain else KernelSet.XNNPACK
        try:
            network = load_network(machine, data)
            execution = Execution(self._process, network, threads=request["threads"], accelerated=accelerated)
            interpreter = network.interpreter(kernels)
        except (UnsupportedOperatorError, NoTimingModelError, BenchrunnerError) as error:
            raise RunnerError("model", error.message) from None
        if execution.fell_back:
            raise RunnerError("delegate", f"{delegate} took no part of the model")
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
            raise RunnerError("memory", "the board has not enough memory")

    def _check_inputs(self, network: Network, kernels: KernelSet, inputs: list[bytes]) -> None:
        wanted = network.interpreter(kernels).inputs
        if len(wanted) != len(inputs):
            raise RunnerError("input", f"the model takes {len(wanted)} inputs, {len(inputs)} were given")
        for index, (tensor, data) in enumerate(zip(wanted, inputs, strict=True)):
            if tensor.size_bytes != len(data):
                raise RunnerError(
                    "input",
                    f"input {index} ({tensor.name}): expected {tensor.size_bytes} bytes, found {len(data)}",
                )

    def _outputs(self, network: Network, kernels: KernelSet, inputs: list[bytes]) -> tuple[bytes, ...]:
        try:
            outputs = network.outputs(inputs, kernels)
        except BenchrunnerError as error:
            raise RunnerError("model", error.message) from None
        if self._machine.faults.wrong_output and outputs and outputs[0]:
            outputs = (bytes(byte ^ 0x5A for byte in outputs[0]), *outputs[1:])
        return outputs

    def _answer(self, network: Network, execution: Execution, kernels: KernelSet, base: int) -> None:
        """The outputs of whatever comes on standard input."""
        sizes = [tensor.size_bytes for tensor in network.interpreter(kernels).inputs]
        self._flush()
        while raw := self._read_inputs(sum(sizes)):
            ends = list(itertools.accumulate(sizes))
            inputs = [raw[end - size : end] for end, size in zip(ends, sizes, strict=True)]
            execution.infer_ns(compiling=execution.accelerated and not self._samples)
            self._samples += 1
            outputs = self._outputs(network, kernels, inputs)
            self._send({"event": "answer", "outputs": [base64.b64encode(data).decode() for data in outputs]})
            self._flush()
        self._memory("after", base + network.resident_bytes)
        self._send({"event": "done", "samples": self._samples, "cpu_ns": execution.cpu_ns + _PYTHON_START_NS})
        self._flush()

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
            raise RunnerError("timing", "native library: the simulated board runs no machine code")
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
            kind = "no_space" if error.errno == errno.ENOSPC else "request"
            raise RunnerError(kind, f"{folder}: {error.strerror}") from None
        digests = [hashlib.sha256(data).hexdigest() for data in outputs]
        self._send({"event": "outputs", "files": paths, "sha256": digests})


def _described(tensor: Any) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "bytes": tensor.size_bytes,
    }
