"""The runner's protocol on a simulated board, through the project's own SSH client."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import pytest
from linux_boards import RunnerOnBoard, shell_on

from benchrunner.deadline import Deadline
from benchrunner.model import layer_costs, parse_model
from benchrunner.session.linux.events import (
    Done,
    Event,
    Hello,
    LoadedModel,
    MemoryUse,
    OutputsWritten,
    RunnerFailed,
    SampleTaken,
    TimingMethod,
)
from benchrunner.simulator.linux.tools.network import RUN_SD
from benchrunner.timing import predict_linux

GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
DELEGATE = "/usr/lib/libvx_delegate.so.2"


@pytest.fixture(scope="module")
def mp157() -> Iterator[RunnerOnBoard]:
    with shell_on("stm32mp157f-dk2") as shell:
        yield RunnerOnBoard(shell)


@pytest.fixture(scope="module")
def mp257() -> Iterator[RunnerOnBoard]:
    with shell_on("stm32mp257f-dk") as shell:
        yield RunnerOnBoard(shell)


def times_ms(events: list[Event], phase: str = "timed") -> list[float]:
    return [event.ns / 1e6 for event in events if isinstance(event, SampleTaken) and event.phase == phase]


def set_governor(runner: RunnerOnBoard, name: str) -> None:
    done = runner.shell.run(["sh", "-c", f"echo {name} > {GOVERNOR}"], Deadline(60))
    assert done.status == 0


def test_every_event_comes_in_its_order(mp157: RunnerOnBoard) -> None:
    events = mp157.start()
    kinds = list(dict.fromkeys(type(event) for event in events))

    assert kinds == [Hello, MemoryUse, LoadedModel, SampleTaken, OutputsWritten, TimingMethod, Done]
    assert isinstance(events[-1], Done)
    assert events[-1].samples == sum(isinstance(event, SampleTaken) for event in events)
    assert len(times_ms(events)) == 20
    assert len(times_ms(events, "cold")) == 1


def test_the_outputs_are_those_of_the_host_s_runtime(mp157: RunnerOnBoard) -> None:
    mp157.start()

    expected = mp157.interpreter.run([mp157.input])
    assert mp157.shell.get("/tmp/out/0.bin", Deadline(60), max_bytes=1000) == expected[0]


def test_times_are_those_of_the_model_of_time_with_noise(mp157: RunnerOnBoard) -> None:
    set_governor(mp157, "performance")
    layers = layer_costs(parse_model(mp157.model, "m"))
    for threads in (1, 2):
        expected = predict_linux(
            layers,
            "tflite",
            core="Cortex-A7",
            clock_hz=800_000_000,
            threads=threads,
            x_linux_ai_version="v6.1.1",
        )
        runs = [times_ms(mp157.start(threads=threads)) for _ in range(3)]

        assert statistics.median(map(statistics.median, runs)) == pytest.approx(
            expected.total_ns / 1e6, rel=0.02
        )
        assert all(len(set(run)) > 15 for run in runs)


def test_the_first_inference_is_a_cold_one(mp157: RunnerOnBoard) -> None:
    events = mp157.start()

    assert times_ms(events, "cold")[0] > 1.3 * statistics.median(times_ms(events))


def test_runs_differ_from_each_other_more_than_medians_of_one_run_would(mp157: RunnerOnBoard) -> None:
    medians = [statistics.median(times_ms(mp157.start())) for _ in range(12)]
    spread = statistics.stdev(medians) / statistics.median(medians)

    assert 0.4 * RUN_SD < spread < 2.5 * RUN_SD


def test_the_same_seed_gives_the_same_times_and_another_one_others() -> None:
    def sample(seed: int) -> list[float]:
        with shell_on("stm32mp135f-dk", seed=seed) as shell:
            runner = RunnerOnBoard(shell)
            set_governor(runner, "performance")
            return times_ms(runner.start())

    first = sample(1)
    assert sample(1) == first
    assert sample(2) != first


def test_the_governor_decides_how_fast_the_board_is(mp257: RunnerOnBoard) -> None:
    medians = {}
    for governor in ("performance", "powersave"):
        set_governor(mp257, governor)
        events = mp257.start()
        medians[governor] = statistics.median(times_ms(events))
        done = events[-1]
        assert isinstance(done, Done)
        expected = {"performance": 1_500_000, "powersave": 1_200_000}[governor]
        assert done.frequency_khz == {0: (expected, expected)}

    assert medians["powersave"] / medians["performance"] == pytest.approx(1 + 0.85 * 0.25, rel=0.03)


def test_one_cpu_gives_no_more_than_one_thread(mp157: RunnerOnBoard) -> None:
    set_governor(mp157, "performance")
    two = statistics.median(times_ms(mp157.start(threads=2)))
    pinned = statistics.median(times_ms(mp157.start(threads=2, affinity=[1])))
    by_taskset = statistics.median(times_ms(mp157.start(("taskset", "-c", "0"), threads=2)))

    assert pinned > 1.7 * two
    assert by_taskset > 1.7 * two


def test_the_npu_takes_the_model_and_is_faster(mp257: RunnerOnBoard) -> None:
    set_governor(mp257, "performance")
    plain = mp257.start()
    delegated = mp257.start(delegate=DELEGATE)
    loaded = next(event for event in delegated if isinstance(event, LoadedModel))

    assert loaded.delegated == 1
    assert statistics.median(times_ms(delegated)) < statistics.median(times_ms(plain))
    assert times_ms(delegated, "cold")[0] > 100  # it compiles the graph


def test_a_delegate_is_an_error_on_a_board_without_npu(mp157: RunnerOnBoard) -> None:
    failed = mp157.start(delegate=DELEGATE)[-1]

    assert isinstance(failed, RunnerFailed)
    assert failed.kind == "delegate"


def test_short_inferences_are_timed_in_batches(mp257: RunnerOnBoard) -> None:
    events = mp257.start(timing="batched", runs=3)
    timing = next(event for event in events if isinstance(event, TimingMethod))

    assert (timing.method, timing.invokes_per_sample >= 1) == ("batched", True)
    assert len(times_ms(events)) == 3


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"version": 2}, "request"),
        ({"threads": 0}, "request"),
        ({"timing": "guessed"}, "request"),
        ({"runtime": "ai_edge_litert"}, "no_runtime"),
        ({"model": "/tmp/nothing.tflite"}, "model"),
        ({"model": "/tmp/in.bin"}, "model"),
        ({"inputs": []}, "input"),
        ({"inputs": ["/tmp/m.tflite"]}, "input"),
        ({"inputs": ["/tmp/nothing"]}, "input"),
        ({"affinity": [9]}, "affinity"),
        ({"timing": "native"}, "timing"),
        ({"outputs": "/proc/out"}, "request"),
    ],
)
def test_what_cannot_be_done_is_an_error_of_its_kind(
    mp257: RunnerOnBoard, changes: dict[str, object], kind: str
) -> None:
    failed = mp257.start(**changes)[-1]

    assert isinstance(failed, RunnerFailed)
    assert failed.kind == kind


def test_other_python_than_the_runner_is_refused_honestly(mp257: RunnerOnBoard) -> None:
    def python(*words: str) -> tuple[int, bytes]:
        done = mp257.shell.run(["python3", *words], Deadline(60))
        return done.status, done.stdout + done.stderr

    mp257.shell.put(b"print('hello')\n", "/tmp/other.py", Deadline(60))
    assert python("/tmp/other.py")[0] == 1
    assert b"simulated board runs no Python but benchrunner's own runner" in python("/tmp/other.py")[1]
    assert python("-c", "print(1)")[0] == 1
    assert python("--version") == (0, b"Python 3.12.9\n")
    assert python("-c", "import tflite_runtime; print(tflite_runtime.__version__)") == (0, b"2.18.0\n")


def test_the_memory_of_the_process_grows_with_the_model(mp257: RunnerOnBoard) -> None:
    before, after = (event for event in mp257.start() if isinstance(event, MemoryUse))

    assert before.peak_bytes is not None
    assert after.peak_bytes is not None
    assert after.peak_bytes - before.peak_bytes > len(mp257.model) // 2
