"""Engine `tflite`: the runner on the board times whatever TFLite runtime is there, one process a start."""

from __future__ import annotations

import platform
import re
from dataclasses import replace
from typing import Final

from benchrunner import metrics
from benchrunner.deadline import Deadline
from benchrunner.errors import OutputMismatchError
from benchrunner.record import CounterUnit, Latency, NotMeasured, OutputCheck, ProcessMemory, Shares, Start
from benchrunner.run.linux.draft import LinuxDraft
from benchrunner.run.linux.prepare import PreparedLinux, runtime_here
from benchrunner.run.request import Observer, RunRequest, Step, StepTimer
from benchrunner.runtime import KernelSet
from benchrunner.session.linux.answers import check_answer
from benchrunner.session.linux.conditions import Conditions
from benchrunner.session.linux.events import Event, Hello, LoadedModel, SampleTaken
from benchrunner.session.linux.native import native_loop
from benchrunner.session.linux.stall import StallDeadline
from benchrunner.session.linux.start import (
    EMPTY_MODEL,
    PROGRAM,
    StartRequest,
    StartResult,
    fetch_outputs,
    run_start,
)
from benchrunner.transport.shell import Shell
from benchrunner.transport.staging import Staging

ENGINE: Final = "tflite"
_NS: Final = 1_000_000_000
_CALL_SHARE_LIMIT: Final = 0.01
# A larger model takes milliseconds on every board: the loop is not even compiled for it.
_NATIVE_MACS: Final = 100_000_000
_TITLES: Final = {
    "tflite_runtime": "tflite-runtime",
    "ai_edge_litert": "LiteRT",
    "tensorflow": "TensorFlow",
}


def copy(
    request: RunRequest, prepared: PreparedLinux, before: Conditions, staging: Staging, draft: LinuxDraft
) -> StartRequest:
    """Bring runner, model and inputs to the board's folder."""
    deadline, options = Deadline(request.limits.copy_s), request.linux
    inputs = tuple(
        staging.put(data, f"input-{index}.bin", deadline) for index, data in enumerate(prepared.inputs)
    )
    native = None
    small = prepared.macs <= _NATIVE_MACS
    if options.timing == "native" or (options.timing == "auto" and small):
        loop = native_loop(before.machine)
        draft.conditions["native_loop"] = loop.remark
        if loop.library is not None:
            native = staging.put(loop.library, "native_loop.so", deadline)
    return replace(
        plain_start(request, prepared, staging, deadline),
        inputs=inputs,
        runs=request.runs,
        warmups=request.warmups,
        timing=options.timing,
        calibration=staging.put(EMPTY_MODEL.read_bytes(), "empty.tflite", deadline),
        native_library=native,
    )


def plain_start(
    request: RunRequest, prepared: PreparedLinux, staging: Staging, deadline: Deadline
) -> StartRequest:
    """Bring runner and model to the board's folder: a start without inputs, that times nothing."""
    options = request.linux
    return StartRequest(
        python=options.python,
        runner=staging.put(PROGRAM.read_bytes(), "board_runner.py", deadline),
        model=staging.put(prepared.model_bytes, _file_name(prepared.model.name), deadline),
        inputs=(),
        outputs=staging.path_of("outputs"),
        runs=0,
        runtime=options.runtime,
        kernels=options.kernels,
        threads=options.threads,
        affinity=options.affinity,
        delegate=options.delegate,
    )


def measure(
    request: RunRequest,
    prepared: PreparedLinux,
    start: StartRequest,
    shell: Shell,
    before: Conditions,
    draft: LinuxDraft,
    timer: StepTimer,
    observer: Observer,
    *,
    counts_instructions: bool,
) -> None:
    """All starts, one after the other; the first one's outputs are checked before the next begins."""
    total = request.linux.starts
    results: list[StartResult] = []
    for number in range(total):
        with timer(Step.START, f"{number + 1} of {total}" if total > 1 else ""):
            watch = _Watch(request, number, total, observer)
            result = run_start(shell, start, watch.deadline, watch)
        with timer(Step.OUTPUT):
            if not results:
                _describe(draft, result)
                draft.output = _check(request, prepared, result, shell, before.machine)
            elif result.output_sha256 != results[0].output_sha256:
                raise OutputMismatchError(
                    f"start {number + 1} gave another output for the same input than the first one",
                    hint="the runtime does not repeat itself, or memory is overwritten",
                )
        results.append(result)
        draft.own_cpu_s += (result.done.cpu_ns or 0) / _NS
        draft.frequencies.append(dict(result.done.frequency_khz))
        draft.latency = _latency(results, counts_instructions=counts_instructions)
    draft.process_memory = _memory(results)
    draft.warnings += _remarks(results)


class _Watch:
    """Shows how far a start is, and gives it time as long as it says something."""

    def __init__(self, request: RunRequest, number: int, total: int, observer: Observer) -> None:
        self._request, self._number, self._total, self._observer = request, number, total, observer
        self._timed = 0
        self.deadline = StallDeadline(request.limits.runtime_s)

    def __call__(self, event: Event) -> None:
        limits = self._request.limits
        match event:
            case SampleTaken():
                # Warm-ups and groups of samples are told at least every tenth second, or one by one.
                self.deadline.renew(limits.runtime_s + 10 * event.ns / _NS)
                if event.phase == "timed":
                    self._timed += 1
                    runs = self._request.runs
                    done = self._number * runs + self._timed
                    self._observer.progress(done, self._total * runs, "inferences")
            case Hello():
                self.deadline.renew(limits.runtime_s)
            case _:
                self.deadline.renew(limits.first_inference_s + limits.runtime_s)


def _check(
    request: RunRequest, prepared: PreparedLinux, result: StartResult, shell: Shell, machine: str
) -> OutputCheck:
    outputs = fetch_outputs(shell, result, Deadline(request.limits.copy_s))
    here = runtime_to_the_bit(request, result.hello, machine)
    exact = prepared.reference(KernelSet.BUILTIN, here) if here is not None else None
    return check_answer(
        outputs,
        prepared.references(),
        prepared.output_dtypes,
        exact=exact,
        tolerance=request.tolerance_lsb if request.tolerance_stated else None,
    )


def runtime_to_the_bit(request: RunRequest, hello: Hello, machine: str) -> str | None:
    """The runtime here whose plain kernels are the very ones that the board was asked to use; None: none."""
    if request.linux.kernels != "reference" or request.linux.delegate is not None:
        return None
    return runtime_here(hello.runtime, hello.runtime_version) if machine == platform.machine() else None


def _describe(draft: LinuxDraft, result: StartResult) -> None:
    """What the first start has shown of the runtime."""
    hello, loaded, timing = result.hello, result.loaded, result.timing
    describe_runtime(draft, hello, loaded)
    draft.conditions |= {
        "clock": timing.clock,
        "timing_method": timing.method,
        "invokes_per_sample": timing.invokes_per_sample,
    }
    if result.calibrated is not None:
        draft.conditions["call_overhead_basis"] = result.calibrated.method
    if loaded.delegate is None:
        unused = NotMeasured("no accelerator was used")
        draft.shares = Shares(unused, unused, 100.0, "no accelerator was used")
    else:
        draft.shares = NotMeasured("the runtime does not tell how long its delegate takes")


def describe_runtime(draft: LinuxDraft, hello: Hello, loaded: LoadedModel) -> None:
    """What executes the model."""
    title = _TITLES.get(hello.runtime, hello.runtime)
    draft.case = replace(draft.case, engine_version=f"{title} {hello.runtime_version}")
    draft.conditions |= {
        "runtime": hello.runtime,
        "runtime_version": hello.runtime_version,
        "python": hello.python,
        "operators": loaded.operators,
        "openblas_threads": 1,
    }
    if loaded.delegated is not None:
        draft.conditions["delegated_nodes"] = loaded.delegated
        if loaded.delegate is None:
            draft.conditions["xnnpack"] = loaded.delegated > 0


def _latency(results: list[StartResult], *, counts_instructions: bool) -> Latency:
    known = [each.timing.call_overhead_ns for each in results if each.timing.call_overhead_ns is not None]
    return Latency(
        unit=CounterUnit.INSTRUCTIONS if counts_instructions else CounterUnit.NANOSECONDS,
        counter_hz=_NS,
        starts=tuple(
            Start(
                init_counts=each.loaded.init_ns,
                cold_counts=each.cold.ns,
                warmup_counts=tuple(sample.ns for sample in each.of("warmup")),
                timed_counts=tuple(sample.ns for sample in each.of("timed")),
                output_crc32=tuple(sample.crc32 for sample in each.of("timed")),
            )
            for each in results
        ),
        overhead_counts=round(metrics.median(known)) if known else 0,
        overhead_subtracted=False,
    )


def _memory(results: list[StartResult]) -> ProcessMemory:
    unknown = NotMeasured("the board's kernel does not tell")
    before = [use for each in results for use in each.memory if use.when == "before"]
    peaks = [use.peak_bytes for each in results for use in each.memory if use.peak_bytes is not None]
    rss = [use.rss_bytes for use in before if use.rss_bytes is not None]
    early = [use.peak_bytes for use in before if use.peak_bytes is not None]
    return ProcessMemory(
        before_bytes=max(rss, default=unknown),
        peak_before_bytes=max(early, default=unknown),
        peak_bytes=max(peaks, default=unknown),
        source="VmRSS and VmHWM of /proc/self/status: with Python, before and after the model",
    )


def _remarks(results: list[StartResult]) -> list[str]:
    """What the calls cost, where that is more than a hundredth of what is timed."""
    found = []
    timing = results[0].timing
    if any(each.timing.method != timing.method for each in results):
        methods = " and ".join(dict.fromkeys(each.timing.method for each in results))
        found.append(f"the starts were timed in different ways: {methods}")
    samples = [sample.ns for each in results for sample in each.of("timed")]
    if not samples:
        return found
    cost_ns = max(each.timing.call_overhead_ns or 0 for each in results)
    share = cost_ns / metrics.median(samples)
    if share > _CALL_SHARE_LIMIT:
        found.append(
            f"the call costs up to {cost_ns} ns of an inference, {share:.1%} (timed {timing.method}; "
            "not taken off)"
        )
    return found


def _file_name(name: str) -> str:
    """The model's name as a file of the board: whatever it is called here, it is harmless and short there."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:100] + ".tflite"
