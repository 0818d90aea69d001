"""The network that a tool on a simulated board executes: its outputs, its modelled times with their noise."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchrunner.errors import BenchrunnerError, NoTimingModelError
from benchrunner.model import LayerCost, parse_model
from benchrunner.model.cost import ModelCost, model_cost
from benchrunner.runtime import Interpreter, KernelSet
from benchrunner.simulator.linux.faults import Interruption
from benchrunner.simulator.linux.process import SIGKILL, Process, SignalledError
from benchrunner.timing import LinuxPrediction, predict_linux

if TYPE_CHECKING:
    from benchrunner.simulator.linux.machine import LinuxMachine

CONTAINER = b"BENCHRUNNER SIMULATED NETWORK BINARY 1\n"
"""Before the `.tflite` in what a simulated board takes for a network binary or an ONNX model."""

RUN_SD = 0.006
"""Spread of whole runs on the CPU; inferences within one run spread by half of it, or less."""
SAMPLE_SD = 0.003
SPIKE_SHARE = 0.02
SPIKE_FACTORS = (0.10, 1.00)
_ACCELERATOR_NOISE = 0.4  # of the CPU's: no scheduler between two layers
_COLD_FACTOR = 1.45  # published log of benchmark_model: first 81.9 ms, then 56.3 ms
_COLD_ACCELERATED = 1.25
_LOAD_BYTES_S = 60e6
_INIT_S = 0.0012
_INIT_LAYER_S = 40e-6
_VERIFY_S = 0.012  # building an OpenVX graph from a network binary
_COMPILE_S = 0.35  # a delegate compiles the graph for the NPU when the first inference wants it
_COMPILE_LAYER_S = 0.02
_CPU_SHARE_OF_NPU_RUN = 0.02  # the CPU starts the NPU's work and waits

BASE_BYTES = {"aarch64": 34 << 20, "armv7l": 26 << 20}
"""Resident memory of Python, numpy and the runtime before a model is loaded (32 and 24 MB were seen)."""
NATIVE_BASE_BYTES = 9 << 20


class NotANetworkError(Exception):
    """The file is nothing that this board can execute."""


def simulated_binary(tflite: bytes) -> bytes:
    """The `.nb` or `.onnx` for a simulated board that stands for this model; a real board refuses it."""
    return CONTAINER + tflite


@dataclass(slots=True)
class Network:
    """A model, analysed once for as long as the board remembers it."""

    data: bytes
    cost: ModelCost
    interpreters: dict[KernelSet, Interpreter]
    sha256: str = ""
    last: tuple[KernelSet, tuple[bytes, ...], tuple[bytes, ...]] | None = None

    @property
    def layers(self) -> tuple[LayerCost, ...]:
        return self.cost.layers

    def interpreter(self, kernels: KernelSet) -> Interpreter:
        if kernels not in self.interpreters:
            self.interpreters[kernels] = Interpreter(self.data, kernels)
        return self.interpreters[kernels]

    def outputs(self, inputs: Sequence[bytes], kernels: KernelSet) -> tuple[bytes, ...]:
        key = tuple(inputs)
        if self.last is None or self.last[:2] != (kernels, key):
            self.last = kernels, key, self.interpreter(kernels).run(key)
        return self.last[2]

    @property
    def resident_bytes(self) -> int:
        """What it adds to the memory of the process that loads it."""
        return self.cost.constant_bytes + self.cost.live.peak_bytes + (1 << 20)


def load_network(machine: LinuxMachine, data: bytes, *, container: bool = False) -> Network:
    """Raises `NotANetworkError`, `ModelError`."""
    if container:
        if not data.startswith(CONTAINER):
            raise NotANetworkError(
                "the simulated board executes binaries that were made for it, no real ones"
            )
        data = data[len(CONTAINER) :]
    key = hashlib.sha256(data).hexdigest()
    with machine.networks_lock:
        known = machine.networks.get(key)
        if known is None:
            known = Network(data, model_cost(parse_model(data, "model")), {}, key)
            while len(machine.networks) >= 8:
                machine.networks.pop(next(iter(machine.networks)))
            machine.networks[key] = known
        return known


class Execution:
    """One start of a program that executes a network: it draws the noise of this start."""

    def __init__(
        self, process: Process, network: Network, *, threads: int = 1, accelerated: bool = False
    ) -> None:
        machine = process.machine
        profile = machine.profile
        self._process, self._machine, self.network = process, machine, network
        self.fell_back = accelerated and machine.faults.silent_cpu_fallback
        self.accelerated = accelerated and not self.fell_back
        cpus = len(process.cpus) if process.cpus is not None else profile.linux.cpus
        self.threads = 1 if self.accelerated else max(1, min(threads, cpus))
        if self.accelerated:
            self.prediction = self._accelerator(profile.accelerator_hz or 0)
        else:
            self.prediction = predict_linux(
                network.layers,
                "tflite",
                core=profile.linux.core,
                clock_hz=profile.linux.clock_hz,
                threads=self.threads,
                x_linux_ai_version=profile.x_linux_ai,
            )
        start = machine.next_start()
        self._draw = random.Random(f"{machine.seed} {profile.board.id} start {start}")
        self._noise = _ACCELERATOR_NOISE if self.accelerated else 1.0
        self._run_factor = math.exp(self._draw.gauss(0.0, RUN_SD * self._noise)) * self._slowdown()
        self._count = 0
        self.cpu_ns = 0

    def _slowdown(self) -> float:
        faults, factor = self._machine.faults, 1.0
        if faults.slow_model is not None and self.network.sha256.startswith(faults.slow_model.sha256):
            factor = faults.slow_model.factor
        return factor * (faults.slow_board or 1.0)

    def _accelerator(self, clock_hz: int) -> LinuxPrediction:
        if not clock_hz:
            raise NoTimingModelError("this board has no NPU")
        return predict_linux(
            self.network.layers, "nbg", core=self._machine.profile.linux.core, clock_hz=clock_hz
        )

    @property
    def reference_s(self) -> float:
        return self.prediction.total_ns / 1e9

    def load_ns(self, *, verify: bool = False) -> int:
        """Reading the file and building the graph."""
        seconds = _INIT_S + len(self.network.layers) * _INIT_LAYER_S + len(self.network.data) / _LOAD_BYTES_S
        if verify:
            seconds += _VERIFY_S
        return self._spend(seconds * math.exp(self._draw.gauss(0.0, 0.03)), 1, 1.0)

    def infer_ns(self, *, compiling: bool = False) -> int:
        """One inference; the first of a start is a cold one, and compiles the graph where `compiling`."""
        self._process.check()
        self._step()
        self._count += 1
        factor = self._run_factor * math.exp(self._draw.gauss(0.0, SAMPLE_SD * self._noise))
        if self._draw.random() < SPIKE_SHARE * self._noise:
            factor *= 1.0 + self._draw.uniform(*SPIKE_FACTORS)
        if self._count == 1:
            factor *= _COLD_ACCELERATED if self.accelerated else _COLD_FACTOR
        on_cpu = _CPU_SHARE_OF_NPU_RUN if self.accelerated else 1.0
        elapsed = self._spend(self.reference_s * factor, self.threads, on_cpu)
        if self._count == 1 and compiling and self.accelerated:
            elapsed += self._spend(_COMPILE_S + _COMPILE_LAYER_S * len(self.network.layers), 1, 1.0)
        return elapsed

    def _spend(self, seconds: float, threads: int, on_cpu: float) -> int:
        spent = self._machine.processor.work(seconds, threads, on_cpu=on_cpu)
        self.cpu_ns += round(spent.cpu_s * 1e9)
        self._process.cpu_s += spent.cpu_s
        return max(1, round(spent.elapsed_s * 1e9))

    def _step(self) -> None:
        match self._machine.reach("run", self._process):
            case Interruption.DROP:
                self._process.group.drop()
                raise SignalledError(1)
            case Interruption.REBOOT:
                raise SignalledError(SIGKILL)

    def midway(self) -> None:
        """What goes wrong in the middle of a run."""
        faults = self._machine.faults
        if faults.governor_change is not None:
            self._machine.processor.governor = faults.governor_change
        if faults.clock_step_s is not None:
            self._machine.step_wall_clock(faults.clock_step_s)


def problem_text(error: BenchrunnerError | NotANetworkError) -> str:
    return error.message if isinstance(error, BenchrunnerError) else str(error)
