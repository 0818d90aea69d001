"""Accuracy on simulated Linux boards: one process answers all images, and is held to its kernels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from digits import Told, digits_request
from linux_digits import BOARDS, PATIENT, ROUNDED, linux_request, rounded_request

from benchrunner.accuracy import measure as measure_module
from benchrunner.accuracy.document import Source, load_accuracy
from benchrunner.accuracy.measure import AccuracyResult, measure_accuracy
from benchrunner.accuracy.table import accuracy_table
from benchrunner.accuracy.text import describe
from benchrunner.errors import (
    CaseFailedError,
    ConnectionLostError,
    DeadlineExceededError,
    UsageError,
    WrongImageError,
)
from benchrunner.record import Fidelity
from benchrunner.run import Step
from benchrunner.run.request import Limits

VX = "/usr/lib/libvx_delegate.so.2"


def right(result: AccuracyResult) -> dict[Source, int]:
    return {figure.source: figure.right for figure in result.document.figures}


@pytest.mark.parametrize("board", BOARDS)
def test_every_board_has_the_documented_accuracy_and_says_what_computed_it(board: str, results: Path) -> None:
    told = Told()
    request = digits_request(results, device=linux_request(results, board=board))
    result = measure_accuracy(request, told)
    document = result.document
    assert right(result) == {Source.HOST: 511, Source.DEVICE: 511}
    assert told.steps == [Step.CONNECT, Step.CONDITIONS, Step.COPY, Step.START]
    assert document.board is not None
    assert document.board.fidelity is Fidelity.SIMULATED
    assert (document.board.board, document.board.engine, document.board.image_sha256) == (board, "tflite", "")
    assert document.board.engine_version.startswith("tflite-runtime 2.")
    assert document.board.kernels == "default, which has no XNNPACK"
    assert document.board.options == {"threads": 1}
    assert document.board.conditions["runtime"] == "tflite_runtime"
    assert document.comparison is not None
    assert (document.comparison.images, document.comparison.beyond) == (540, 0)
    assert document.comparison.tolerance_lsb == 2
    assert not document.is_wrong
    assert load_accuracy(result.path).document == document
    row = accuracy_table([load_accuracy(result.path)]).rows[-1]
    assert row[-2:] == (f"{document.board.board_name}, {document.board.engine_version}", "simulated")


def test_a_board_is_held_to_its_own_kernels_where_those_are_not_the_oracles(results: Path) -> None:
    device = linux_request(results, model=ROUNDED)
    document = measure_accuracy(rounded_request(results, device), Told()).document
    (agreement,) = document.agreements
    assert agreement.same_bytes is not None
    assert agreement.same_bytes < agreement.images, "equal kernels would show nothing here"
    compared = document.comparison
    assert compared is not None
    assert compared.reference.endswith("builtin-without-default-delegates")
    assert not compared.exact
    assert (compared.same_bytes, compared.largest_difference_lsb, compared.beyond) == (12, 0, 0)
    assert any(name.endswith("builtin-ref") for name in compared.others)
    said = "\n".join(describe(document))
    assert f"the same bytes for {agreement.same_bytes} (largest difference" in said
    assert f"compared with {compared.reference} (the nearest kernels on this computer)" in said


def test_the_answer_to_one_image_that_is_far_off_is_an_error_by_name(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchrunner.simulator.linux.tools.runner import Runner

    whole, asked = Runner._outputs, [0]

    def once(self: Runner, *arguments: object) -> tuple[bytes, ...]:
        asked[0] += 1
        (output,) = whole(self, *arguments)  # type: ignore[arg-type]
        return (bytes(byte ^ 0x40 for byte in output),) if asked[0] == 7 else (output,)

    monkeypatch.setattr(Runner, "_outputs", once)
    request = digits_request(results, limit=20, device=linux_request(results))
    document = measure_accuracy(request, Told()).document
    assert document.comparison is not None
    assert (document.comparison.beyond, document.comparison.same_bytes) == (1, 19)
    assert document.comparison.largest_difference_lsb == 64
    assert document.is_wrong
    assert (document.differing[0].name, document.differing[0].difference_lsb) == ("x[162]", 64)
    assert "the device is off by 64 LSB" in "\n".join(describe(document))


def test_wrong_outputs_are_wrong_by_any_kernels_unless_that_is_allowed(results: Path) -> None:
    device = linux_request(results, "wrong_output=true")
    document = measure_accuracy(digits_request(results, limit=20, device=device), Told()).document
    assert document.comparison is not None
    assert document.comparison.beyond == 20
    assert document.is_wrong
    far = document.comparison.largest_difference_lsb
    generous = linux_request(results, "wrong_output=true", tolerance_lsb=far, tolerance_stated=True)
    document = measure_accuracy(digits_request(results, limit=20, device=generous), Told()).document
    assert document.comparison is not None
    assert (document.comparison.tolerance_lsb, document.comparison.beyond) == (far, 0)
    assert document.comparison.same_bytes == 0
    assert not document.is_wrong


def test_a_connection_lost_in_the_middle_is_made_again_and_no_answer_is_lost(results: Path) -> None:
    told = Told()
    device = linux_request(results, "drop_in=run:30")  # in every session: each begins with a new board
    result = measure_accuracy(digits_request(results, limit=80, device=device), told)
    assert sum("connecting again" in note for note in told.notes) == 2
    assert result.document.sessions == 3
    assert result.document.comparison is not None
    assert (result.document.comparison.images, result.document.comparison.beyond) == (80, 0)
    whole = measure_accuracy(
        digits_request(results, limit=80, device=linux_request(results)), Told()
    ).document
    assert result.document.figures == whole.figures


def test_ctrl_c_keeps_what_was_answered_and_another_runtime_does_not_go_on_with_it(results: Path) -> None:
    def stop(done: int) -> None:
        if done >= 30:
            raise KeyboardInterrupt

    request = digits_request(results, limit=80, device=linux_request(results))
    with pytest.raises(KeyboardInterrupt):
        measure_accuracy(request, Told(stop))
    (journal,) = results.glob("accuracy/journal-*.jsonl")
    text = journal.read_text()
    journal.write_text(text.replace("tflite-runtime 2.", "tflite-runtime 1."))
    with pytest.raises(WrongImageError, match=r"engine_version tflite-runtime 1\.\S+, now it is"):
        measure_accuracy(request, Told())
    journal.write_text(text)
    told = Told()
    document = measure_accuracy(request, told).document
    assert told.counts[0] == (32, 80, 32)
    assert document.sessions == 2
    assert document.comparison is not None
    assert document.comparison.images == 80


def test_other_kernels_are_another_measurement(results: Path) -> None:
    def stop(done: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_accuracy(digits_request(results, limit=40, device=linux_request(results)), Told(stop))
    told = Told()
    device = linux_request(results, kernels="reference", threads=2)
    result = measure_accuracy(digits_request(results, limit=40, device=device), told)
    assert told.counts[0] == (0, 40, 0)
    assert result.document.board is not None
    assert result.document.board.kernels == "without default delegates"
    assert result.document.board.options == {"threads": 2, "kernels": "reference"}
    assert "reference kernels" in accuracy_table([load_accuracy(result.path)]).rows[-1][-2]


def test_an_accelerator_that_computes_is_named_and_one_that_fell_back_has_no_figure(results: Path) -> None:
    device = linux_request(results, delegate=VX)
    result = measure_accuracy(digits_request(results, limit=20, device=device), Told())
    assert result.document.board is not None
    assert result.document.board.kernels.startswith(f"{VX}, 1 of ")
    assert "NPU/GPU" in accuracy_table([load_accuracy(result.path)]).rows[-1][-2]
    fallen = linux_request(results, "silent_cpu_fallback=true", delegate=VX)
    with pytest.raises(CaseFailedError, match="took no part of the model"):
        measure_accuracy(digits_request(results, limit=21, device=fallen), Told())
    assert len(list(results.glob("accuracy/accuracy-*.json"))) == 1


@pytest.mark.parametrize("engine", ["nbg", "onnxruntime", "benchmark-model"])
def test_tools_that_keep_their_outputs_to_themselves_are_refused(engine: str, results: Path) -> None:
    device = linux_request(results, engine=engine)
    with pytest.raises(UsageError, match="is for engine tflite") as caught:
        measure_accuracy(digits_request(results, device=device), Told())
    assert "--engine tflite" in caught.value.hint


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("no_runtime=true", CaseFailedError, "no TFLite runtime on the board"),
        ("runtime_too_old=true", CaseFailedError, "too old"),
        ("runner_hang=true", DeadlineExceededError, "not done within"),
        ("drop_in=run:1", ConnectionLostError, "connection lost"),
    ],
)
def test_a_board_that_never_answers_ends_it_and_nothing_is_stored(
    fault: str, error: type[Exception], said: str, results: Path
) -> None:
    limits = Limits(runtime_s=1, first_inference_s=1) if "hang" in fault else PATIENT
    device = linux_request(results, fault, limits=limits)
    with pytest.raises(error, match=said):
        measure_accuracy(digits_request(results, limit=20, device=device), Told())
    assert not list(results.glob("accuracy/accuracy-*.json"))


@pytest.mark.parametrize("kind", ["huge", "binary", "json"])
def test_hostile_answers_of_a_runner_are_an_error_of_the_board(kind: str, results: Path) -> None:
    from benchrunner.errors import LabError

    device = linux_request(results, f"hostile_answer={kind}")
    with pytest.raises(LabError) as caught:
        measure_accuracy(digits_request(results, limit=20, device=device), Told())
    assert caught.value.message.isprintable()


def test_a_board_that_starts_anew_is_waited_for(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchrunner.errors import HostUnreachableError

    waited: list[float] = []
    real, connections = measure_module.linux_device, [0]

    def rebooting(*arguments: object) -> object:
        connections[0] += 1
        if connections[0] in (2, 3):
            raise HostUnreachableError("root@192.168.7.1: no answer within 30 s")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(measure_module, "linux_device", rebooting)
    monkeypatch.setattr(measure_module.time, "sleep", waited.append)
    device = linux_request(results, "reboot_in=run:20")
    told = Told()
    result = measure_accuracy(digits_request(results, limit=30, device=device), told)
    assert result.document.sessions == 2
    assert [wait for wait in waited if wait >= 1] == [20.0, 30.0]
    assert any("connecting again in 20 s" in note for note in told.notes)


def test_what_the_journal_has_of_each_image_is_enough_to_judge_it_again(results: Path) -> None:
    device = linux_request(results, model=ROUNDED)
    result = measure_accuracy(rounded_request(results, device), Told())
    lines = [json.loads(line) for line in result.path.with_suffix(".jsonl").read_text().splitlines()]
    names = lines[0]["board"]["references"]
    answers = [answer for line in lines for answer in line.get("answers", ())]
    assert result.document.comparison is not None
    at = names.index(result.document.comparison.reference)
    assert len(answers) == 12
    for answer in answers:
        assert len(answer["against"]) == len(names)
        assert answer["against"][at] == [answer["device_class"], answer["device_crc32"], 0]
        assert answer["against"][0][:2] == [answer["host_class"], answer["host_crc32"]]


def test_a_fault_of_a_simulated_board_is_refused_for_an_emulated_one(results: Path) -> None:
    device = linux_request(results, "wrong_output=true", simulate=False, emulate=True)
    with pytest.raises(UsageError, match="is a real Linux, and has no declared faults"):
        measure_accuracy(digits_request(results, device=device), Told())
