"""A measurement that is stopped, killed or cut off goes on where it was, and ends with the same figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from digits import Told, board_request, digits_request

from benchrunner.accuracy.document import load_accuracy
from benchrunner.accuracy.measure import measure_accuracy
from benchrunner.errors import PlaceLockedError


def stop_after(images: int) -> Told:
    def act(done: int) -> None:
        if done >= images:
            raise KeyboardInterrupt

    return Told(act)


def test_ctrl_c_keeps_the_answers_and_the_same_command_goes_on(results: Path) -> None:
    request = digits_request(results, limit=100, device=board_request(results=results))
    with pytest.raises(KeyboardInterrupt):
        measure_accuracy(request, stop_after(40))
    assert not list(results.glob("accuracy/*.json"))
    told = Told()
    resumed = measure_accuracy(request, told)
    assert told.counts[0] == (48, 100, 48), "three batches of 16 were kept"
    assert resumed.document.sessions == 2
    whole = measure_accuracy(request, Told())
    assert whole.document.sessions == 1
    assert resumed.document.figures == whole.document.figures
    assert resumed.document.agreements == whole.document.agreements
    assert resumed.document.dataset == whole.document.dataset


def test_a_journal_cut_off_at_any_byte_is_gone_on_with(results: Path) -> None:
    request = digits_request(results, limit=40)
    whole = measure_accuracy(request, Told())
    with pytest.raises(KeyboardInterrupt):
        measure_accuracy(request, stop_after(32))
    (journal,) = results.glob("accuracy/journal-*.jsonl")
    data = journal.read_bytes()
    kept = set()
    for length in (*range(0, len(data), 251), len(data) - 1, len(data)):
        journal.write_bytes(data[:length])
        told = Told()
        result = measure_accuracy(request, told)
        kept.add(told.counts[0][2])
        assert result.document.figures == whole.document.figures
        assert result.document.dataset == whole.document.dataset
        assert not journal.exists()
        for line in result.path.with_suffix(".jsonl").read_text().splitlines():
            json.loads(line)
    assert kept == {0, 16, 32}


def test_another_setting_is_another_measurement(results: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        measure_accuracy(digits_request(results, limit=40), stop_after(16))
    told = Told()
    measure_accuracy(digits_request(results, limit=41), told)
    assert told.counts[0] == (0, 41, 0)
    assert len(list(results.glob("accuracy/journal-*.jsonl"))) == 1, "the stopped one still waits"


def test_new_forgets_what_was_stopped(results: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        measure_accuracy(digits_request(results, limit=40), stop_after(16))
    told = Told()
    result = measure_accuracy(digits_request(results, limit=40, new=True), told)
    assert told.counts[0] == (0, 40, 0)
    assert result.document.sessions == 1


def test_two_processes_do_not_measure_the_same_into_one_journal(results: Path) -> None:
    request = digits_request(results, limit=20)

    def second(done: int) -> None:
        with pytest.raises(PlaceLockedError, match="another process measures just this"):
            measure_accuracy(request, Told())

    measure_accuracy(request, Told(second))


def test_a_result_has_its_journal_beside_it(results: Path) -> None:
    result = measure_accuracy(digits_request(results, limit=20), Told())
    assert sorted(path.suffix for path in (results / "accuracy").iterdir()) == [".json", ".jsonl"]
    assert load_accuracy(result.path).document == result.document
