"""The networks of MLPerf Tiny as firmware on emulated cores: 0 LSB from the oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from measured import on_qemu, on_stm32
from tflite_builder import anomaly_detection, image_classification, keyword_spotting, visual_wake_words

from benchrunner.deadline import Deadline
from benchrunner.protocol.exchange import data_bytes_per_message
from benchrunner.runtime import ORACLE, Interpreter, natural_input
from benchrunner.session import mcu
from benchrunner.session.link import Link
from benchrunner.transport import Transport

INPUTS = 2
NETWORKS: dict[str, Callable[[], bytes]] = {
    "vww": visual_wake_words,
    "kws": keyword_spotting,
    "ic": image_classification,
    "ad": anomaly_detection,
}
BOARDS = {"M7": "stm32h747i-disco", "M4": "mps2-an386", "M33": "mps2-an505", "M55": "mps3-an547"}


@pytest.fixture(scope="module", autouse=True)
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is compiled once serves all networks of a core."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHRUNNER_CACHE", str(tmp_path_factory.mktemp("objects")))
        yield


@contextmanager
def running(board: str, model: Path, folder: Path) -> Iterator[Transport]:
    if board.startswith("stm32"):
        with on_stm32(board, model, folder) as (transport, _):
            yield transport
    else:
        with on_qemu(board, model, folder) as transport:
            yield transport


@pytest.mark.parametrize("core", BOARDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_answers_are_those_of_the_oracle(name: str, core: str, tmp_path: Path) -> None:
    data = NETWORKS[name]()
    model = tmp_path / f"{name}.tflite"
    model.write_bytes(data)
    oracle = Interpreter(data, ORACLE)
    (tensor,) = oracle.inputs
    inputs = [natural_input(tensor, 100 + seed) for seed in range(INPUTS)]
    found = []
    with running(BOARDS[core], model, tmp_path / "project") as transport:
        link = Link(transport, baud_hz=115_200)
        manifest = link.wait_for_manifest(Deadline(60))
        chunk_bytes = data_bytes_per_message(manifest.max_payload_bytes)
        for one in inputs:
            mcu.load_inputs(link, (one,), chunk_bytes=chunk_bytes, deadline=Deadline(90))
            mcu.run_batch(link, 1, Deadline(60))
            found.append(mcu.read_outputs(link, manifest, chunk_bytes=chunk_bytes, deadline=Deadline(60)))
    assert found == [tuple(oracle.run([one])) for one in inputs]
