"""Compares the engine with golden answers, and with LiteRT on fresh inputs: 0 LSB or failure.

    python tools/check_golden.py MODEL.tflite [GOLDEN.npz] [--fresh 100] [--board mps2-an500 ...]

GOLDEN.npz holds inputs `x` and answers `y_ref`, one row each. Without --board the generated code is compiled
for this computer, with sanitizers; a board is an emulated one: a machine of QEMU, or an STM32 (by Unicorn).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / name) for name in ("", "firmware", "emulator"))]

import numpy as np  # noqa: E402
from measured import on_qemu, on_stm32  # noqa: E402
from model_host import build_model  # noqa: E402

from benchrunner.deadline import Deadline  # noqa: E402
from benchrunner.emulator.machines import MACHINES  # noqa: E402
from benchrunner.firmware.compiled import compile_model  # noqa: E402
from benchrunner.model import load_model  # noqa: E402
from benchrunner.protocol.exchange import data_bytes_per_message  # noqa: E402
from benchrunner.runtime import ORACLE, Interpreter, natural_input, reference_name  # noqa: E402
from benchrunner.session import mcu  # noqa: E402
from benchrunner.session.link import Link  # noqa: E402
from benchrunner.transport import Transport  # noqa: E402

FIRST_SEED = 1_000_000  # far from those of tests and runs


def on_host(model: Path, inputs: list[bytes], folder: Path) -> list[bytes]:
    return build_model(compile_model(load_model(model)), folder).run(inputs, "run")


def asked(transport: Transport, inputs: list[bytes]) -> list[bytes]:
    link = Link(transport, baud_hz=115_200)
    manifest = link.wait_for_manifest(Deadline(60))
    chunk_bytes = data_bytes_per_message(manifest.max_payload_bytes)
    found = []
    for one in inputs:
        mcu.load_inputs(link, (one,), chunk_bytes=chunk_bytes, deadline=Deadline(120))
        mcu.run_batch(link, 1, Deadline(120))
        outputs = mcu.read_outputs(link, manifest, chunk_bytes=chunk_bytes, deadline=Deadline(60))
        found.append(b"".join(outputs))
    return found


def on_board(board: str, model: Path, inputs: list[bytes], folder: Path) -> list[bytes]:
    if board in MACHINES:
        with on_qemu(board, model, folder, deadline_s=3600.0) as transport:
            return asked(transport, inputs)
    with on_stm32(board, model, folder) as (transport, _):
        return asked(transport, inputs)


def difference(found: list[bytes], expected: list[bytes]) -> str:
    """As a sentence, which says "0 LSB" where all is equal."""
    ours, theirs = (np.frombuffer(b"".join(each), np.int8).astype(int) for each in (found, expected))
    apart = np.abs(ours - theirs)
    distinct = len(set(expected))
    return (
        f"{apart.max()} LSB, {np.count_nonzero(apart)} of {apart.size} values differ; "
        f"{len(expected)} inputs, {distinct} different answers"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("golden", type=Path, nargs="?")
    parser.add_argument(
        "--fresh", type=int, default=100, help="inputs beside the golden ones, half of them noise"
    )
    parser.add_argument("--board", action="append", default=[], help="may be given several times")
    arguments = parser.parse_args()
    oracle = Interpreter(arguments.model.read_bytes(), ORACLE)
    (tensor,) = oracle.inputs
    inputs = [
        natural_input(tensor, FIRST_SEED + seed)
        if seed % 2
        else np.random.default_rng(FIRST_SEED + seed).bytes(tensor.size_bytes)
        for seed in range(arguments.fresh)
    ]
    sets = {f"fresh, against {reference_name(ORACLE)}": (inputs, [oracle.run([one])[0] for one in inputs])}
    if arguments.golden is not None:
        arrays = np.load(arguments.golden)
        rows = [[row.tobytes() for row in arrays[name]] for name in ("x", "y_ref")]
        sets[f"golden, {arguments.golden.name}"] = (rows[0], rows[1])
    wrong = False
    for place in arguments.board or ["host"]:
        for name, (given, expected) in sets.items():
            began_s = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                if place == "host":
                    found = on_host(arguments.model, given, Path(folder))
                else:
                    found = on_board(place, arguments.model, given, Path(folder))
            wrong = wrong or found != expected
            took = f"{time.monotonic() - began_s:.0f} s"
            print(f"{arguments.model.stem:30} {place:18} {name}: {difference(found, expected)}; {took}")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
