"""Boards behind a port, bad lines, full disks, killed processes: no answer is lost, none is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from digits import DATA, Told, board_request, digits_request
from run_boards import served_board

from benchrunner.accuracy import journal as journal_module
from benchrunner.accuracy.document import Source
from benchrunner.accuracy.measure import measure_accuracy
from benchrunner.accuracy.preprocessing import Preprocessing
from benchrunner.errors import StoreError
from benchrunner.record import Fidelity
from benchrunner.run import Step
from benchrunner.run.request import Limits
from benchrunner.runtime.inputs import natural_image
from benchrunner.zoo import resolve_model


def test_a_board_behind_a_port_is_flashed_once_and_goes_on_after_a_stop(results: Path) -> None:
    def stop(done: int) -> None:
        if done >= 20:
            raise KeyboardInterrupt

    with served_board() as (_, url):
        request = digits_request(
            results, limit=60, device=board_request(results=results, port=url, simulate=False)
        )
        with pytest.raises(KeyboardInterrupt):
            measure_accuracy(request, Told(stop))
        told = Told()
        document = measure_accuracy(request, told).document
    assert told.steps.count(Step.FLASH) == 1
    assert told.counts[0] == (32, 60, 32)
    assert document.board is not None
    assert (document.board.port, document.board.fidelity) == (url, Fidelity.SIMULATED)
    assert document.agreements[0].same_bytes == 60


def test_a_bad_line_costs_time_and_no_answer(results: Path) -> None:
    with served_board("flip_bit_every=7001") as (_, url):
        # A lost answer to a run is waited for a quarter of its limit.
        limits = Limits(first_inference_s=8)
        device = board_request(results=results, port=url, simulate=False, limits=limits)
        document = measure_accuracy(digits_request(results, limit=120, device=device), Told()).document
    assert document.agreements[0].same_bytes == 120


def test_a_network_that_takes_uint8_and_gives_floats_is_compared_bit_for_bit_too(
    results: Path, tmp_path: Path
) -> None:
    x = np.stack([natural_image(140, 150, 3, seed) for seed in range(5)])
    np.savez(tmp_path / "pictures.npz", x=x, y=np.arange(5))
    model = resolve_model("fdmobilenet_0.25_128_uint8")
    request = digits_request(
        results,
        model=model,
        dataset=tmp_path / "pictures.npz",
        preprocessing=Preprocessing(),
        device=board_request(results=results, model=model),
    )
    document = measure_accuracy(request, Told()).document
    assert (document.preprocessing["input_type"], document.preprocessing["size"]) == ("uint8", "128x128x3")
    assert document.agreements[0].same_bytes == 5
    assert document.clipped_input_values == 0


def test_a_full_disk_ends_it_with_what_to_do_and_the_answers_before_are_kept(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, write, lines = digits_request(results, limit=64), os.write, [0]

    def full(descriptor: int, data: bytes) -> int:
        lines[0] += 1
        return write(descriptor, data if lines[0] <= 4 else data[: len(data) // 2])

    with monkeypatch.context() as patched:
        patched.setattr(journal_module.os, "write", full)
        with pytest.raises(StoreError, match="cannot keep the answers") as caught:
            measure_accuracy(request, Told())
    assert "free space" in caught.value.hint
    told = Told()
    assert measure_accuracy(request, told).document.figures[0].images == 64
    assert told.counts[0] == (32, 64, 32)


def test_a_killed_process_loses_at_most_one_batch(results: Path) -> None:
    command = [
        *(sys.executable, "-m", "benchrunner", "accuracy", "--model", "digits_cnn_int8"),
        *("--dataset", str(DATA), "--scale", "1/16", "--board", "stm32h747i-disco", "--emulate"),
        *("--limit", "160", "--out", str(results), "--quiet"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    # Two kills: once in the middle, and once in what goes on after it.
    for least in (2, 5):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        end_s = time.monotonic() + 120
        while _batches(results) < least and process.poll() is None and time.monotonic() < end_s:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"
        assert _batches(results) >= least
    kept = _batches(results)
    done = subprocess.run([*command, "--json"], env=environment, capture_output=True, timeout=300, check=True)
    document = json.loads(done.stdout)
    assert document["sessions"] == 3
    assert kept >= 5
    by_source = {figure["source"]: figure for figure in document["figures"]}
    assert by_source[Source.HOST]["images"] == 160
    assert by_source[Source.HOST]["confusion"] == by_source[Source.DEVICE]["confusion"]
    (journal,) = (results / "accuracy").glob("accuracy-*.jsonl")
    batches = [json.loads(line).get("answers", ()) for line in journal.read_text().splitlines()]
    answered = [answer["index"] for batch in batches for answer in batch]
    assert len(answered) == len(set(answered)) == 160, "no image twice"


def _batches(results: Path) -> int:
    """Whole lines with answers in the journal so far."""
    found = list((results / "accuracy").glob("journal-*.jsonl"))
    if not found:
        return 0
    return sum(b'"event":"answers"' in line for line in found[0].read_bytes().split(b"\n")[:-1])
