"""The frozen records: what one case measured, under which conditions, and where it came from.

Integers as they were counted, the unit in every name, every sample kept. A value that is not known is
`NotMeasured` with its reason, never 0 and never blank.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

SCHEMA_VERSION = 2


class Fidelity(StrEnum):
    """How a number was obtained."""

    MEASURED = "measured"  # a real board
    EMULATED = "emulated"  # the real firmware on an instruction-set emulator
    SIMULATED = "simulated"  # the pure-Python board, modelled time


class BoardClass(StrEnum):
    """What kind of board a case ran on: the two kinds have tables of their own."""

    MCU = "mcu"
    LINUX = "linux"


class Outcome(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"  # there are numbers, and the conditions moved while they were taken
    FAILED = "failed"  # the case ran and has no number: wrong output, fault on the device ...
    INVALID = "invalid"  # there are numbers, and a check says that they cannot be trusted
    ABANDONED = "abandoned"  # stopped by a person


class CounterUnit(StrEnum):
    CYCLES = "cycles"
    INSTRUCTIONS = "instructions"  # emulators count these; never converted to time
    NANOSECONDS = "nanoseconds"  # a clock of the board's system


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A value that is not known, with the reason."""

    not_measured: str

    def __str__(self) -> str:
        return f"not measured: {self.not_measured}"


@dataclass(frozen=True, slots=True)
class Case:
    """board x engine x model x options: one row of a table."""

    board: str  # id of the board file
    board_class: BoardClass
    board_name: str  # as published tables print it
    series: str
    engine: str
    engine_version: str
    model: str  # name of the model, without folder and suffix
    model_sha256: str
    graph_sha256: str  # equal for models that differ only in weights
    format: str  # "int8", "float"
    quantization: str | NotMeasured  # of the weights: "per-channel", "per-tensor", "none"
    resolution: str  # "224x224x3"
    execution_engine: str  # as published tables print it: "1 CPU", "2 CPU", "NPU/GPU"
    clock_hz: int | NotMeasured  # nominal, of the core (or accelerator) that executes the model
    starts: int  # starts of the program under test that were asked for
    timed_runs: int  # timed inferences of each start
    input_sha256: str  # of all inputs, one after the other
    options: dict[str, str | int | bool] = field(default_factory=dict)  # threads, affinity, delegate ...


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the program under test (a reset, a process): the unit of replication.

    Raw counter values of every inference, in the order they were run.
    """

    init_counts: int | NotMeasured  # loading the model
    cold_counts: int | NotMeasured  # the first inference
    warmup_counts: tuple[int, ...]
    timed_counts: tuple[int, ...]
    output_crc32: tuple[int, ...]  # of each timed inference
    input_index: int = 0  # which of the case's inputs


@dataclass(frozen=True, slots=True)
class Latency:
    """All starts of a case, in their order."""

    unit: CounterUnit
    counter_hz: int  # nominal frequency of the counter
    starts: tuple[Start, ...]
    overhead_counts: int  # cost of an empty call, per inference
    overhead_subtracted: bool  # whether the samples are already without it


@dataclass(frozen=True, slots=True)
class LayerCounts:
    index: int
    operator: str
    counts: int  # in the unit of the latency


@dataclass(frozen=True, slots=True)
class Shares:
    """Which part of the work each kind of unit did, in per cent, by the definition that is stored with it."""

    npu_percent: float | NotMeasured
    gpu_percent: float | NotMeasured
    cpu_percent: float | NotMeasured
    definition: str  # "share of the layers' time in a separate profiled run", "utilisation, sampled" ...


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Resident memory of the process that ran the model on a Linux board."""

    before_bytes: int | NotMeasured  # resident before the model was loaded
    peak_before_bytes: int | NotMeasured
    peak_bytes: int | NotMeasured  # highest of the whole process
    source: str  # "VmHWM of /proc/self/status", "ru_maxrss" ...


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes by what they are for. RAM: activations, runtime, stack, heap. Flash: weights, code."""

    activation_ram_bytes: int | NotMeasured
    runtime_ram_bytes: int | NotMeasured
    weights_flash_bytes: int | NotMeasured
    code_flash_bytes: int | NotMeasured
    stack_bytes: int | NotMeasured
    heap_bytes: int | NotMeasured


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """The device's output against the named reference on the host."""

    reference: str  # "LiteRT 2.3.0 builtin-without-default-delegates"
    tolerance_lsb: int
    max_difference_lsb: int
    differing_values: int
    values: int
    output_sha256: str
    reference_sha256: str


@dataclass(frozen=True, slots=True)
class ClockCheck:
    """The device's counter against the host's clock over a window."""

    device_cycles: int
    host_ns: int
    measured_hz: int
    nominal_hz: int
    deviation_ppm: int
    uncertainty_ppm: int
    limit_ppm: int


@dataclass(frozen=True, slots=True)
class Flashing:
    """What bringing the image to the board took."""

    route: str
    image_bytes: int
    written_bytes: int
    erased_sectors: int
    skipped_sectors: int
    retries: int
    link_errors: int
    duration_ns: int
    verified_by: str  # "read-back", "checksum", or "sample" where the announced SHA-256 is the proof


@dataclass(frozen=True, slots=True)
class TimingModel:
    """Which model of time a simulated board used, and how far it may be off."""

    version: str
    error_percent: float  # leave-one-model-out median absolute error on this core
    basis: str  # one sentence: data and core


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the record came from."""

    tool_version: str
    revision: str  # of the checkout, empty for an installed package
    started_at: str  # UTC, ISO 8601
    duration_ns: int
    host: str
    python: str
    packages: dict[str, str]
    place: str
    port: str
    image_sha256: str
    board_file_sha256: str
    command: tuple[str, ...] = ()
    suite_run: str = ""  # id of the run of a suite that this case belongs to


@dataclass(frozen=True, slots=True)
class Measurement:
    """One case, measured once."""

    case: Case
    fidelity: Fidelity
    outcome: Outcome
    reason: str  # why not ok; empty otherwise
    step: str  # the last step that was begun
    latency: Latency | NotMeasured
    layers: tuple[LayerCounts, ...] | NotMeasured
    footprint: Footprint
    process_memory: ProcessMemory | NotMeasured
    shares: Shares | NotMeasured
    output: OutputCheck | NotMeasured
    clock: ClockCheck | NotMeasured
    flashing: Flashing | NotMeasured
    timing_model: TimingModel | NotMeasured
    conditions: dict[str, str | int | bool]  # core, clock, caches, compiler, flags ... as the device said
    conditions_after: dict[str, str | int | bool]  # those that can move, read again at the end
    steps_ns: dict[str, int]  # wall time by step
    provenance: Provenance
    warnings: tuple[str, ...] = ()
    logs: dict[str, str] = field(default_factory=dict)  # raw text of the board's own tools, by name


@dataclass(frozen=True, slots=True)
class RunDocument:
    """What one run of the program measured: one JSON file under `results/`."""

    run_id: str
    measurements: tuple[Measurement, ...]
    schema_version: int = field(default=SCHEMA_VERSION)
