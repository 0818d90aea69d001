"""`benchrunner sim` as a process: what it prints, how it ends, what it keeps."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tflite_builder import small_cnn

from benchrunner import cli
from benchrunner.deadline import Deadline
from benchrunner.transport import Lines, Parity
from benchrunner.transport.network import Rfc2217Transport


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command and the first line it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchrunner", "sim", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield process, line.rstrip("\n")
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def stop(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_url_is_printed_and_answers_and_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    kept = tmp_path / "flash.bin"
    with running("stm32h747i-disco", "--json", "--flash", str(kept), "--fault", "busy_count=1") as (
        process,
        line,
    ):
        record = json.loads(line)
        assert (record["board"], record["kind"], record["mode"]) == ("stm32h747i-disco", "rfc2217", "rom")
        host, port = record["port"].removeprefix("rfc2217://").split(":")
        wire = Rfc2217Transport(
            record["port"], host, int(port), baud_hz=115200, parity=Parity.EVEN, lines=Lines()
        )
        wire.write(b"\x7f\x31\xce\x08\x00\x00\x00\x08\x03abcd" + bytes([3 ^ 0x61 ^ 0x62 ^ 0x63 ^ 0x64]))
        answer, deadline = b"", Deadline(60)
        while len(answer) < 5:
            part = wire.read(5 - len(answer), deadline)
            assert part
            answer += part
        assert answer == b"\x79\x79\x79\x76\x79"
        wire.close()
        status, out, err = stop(process, signal.SIGINT)
    assert (status, out) == (0, "")
    assert "Traceback" not in err
    assert kept.read_bytes() == b"abcd"


def test_a_pty_is_printed_and_preloaded_flash_is_there(tmp_path: Path) -> None:
    kept = tmp_path / "flash.bin"
    kept.write_bytes(b"wxyz")
    with running("nucleo-f401re", "--pty", "--boot", "rom", "--flash", str(kept)) as (process, path):
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        os.write(descriptor, b"\x7f\x11\xee\x08\x00\x00\x00\x08\x03\xfc")
        answer = b""
        while len(answer) < 8:
            ready, _, _ = select.select([descriptor], [], [], 60)
            assert ready
            answer += os.read(descriptor, 8 - len(answer))
        os.close(descriptor)
        assert answer == b"\x79\x79\x79\x79wxyz"
        status, _, _ = stop(process, signal.SIGTERM)
    assert status == 0
    assert kept.read_bytes() == b"wxyz"


def test_an_emulated_board_serves_a_run_like_the_real_one_and_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "BENCHRUNNER_CACHE"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    model = tmp_path / "small.tflite"
    model.write_bytes(small_cnn())
    with running("nucleo-l4r5zi", "--emulate", "--json") as (process, line):
        record = json.loads(line)
        assert record["fidelity"] == "emulated"
        command = [sys.executable, "-m", "benchrunner", "run", "--board", "nucleo-l4r5zi", "--lines"]
        command += ["--port", record["port"], "--model", str(model), "--runs", "2", "--json", "--quiet"]
        done = subprocess.run(
            [*command, "--out", str(tmp_path / "results")], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        measured = json.loads(done.stdout)
        assert (measured["fidelity"], measured["latency"]["unit"]) == ("emulated", "instructions")
        assert measured["flashing"]["written_bytes"] > 0
        status, out, err = stop(process, signal.SIGINT)
    assert (status, out) == (0, "")
    assert "emulated, in rom mode" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("stm32h747i-disco", "--fault", "nak_block=1"), "did you mean nack_block?"),
        (("stm32h747i-disco", "--time", "soon"), "expected instant, real or a number"),
        (("stm32h747i-disco", "--time", "-1"), "expected instant, real or a number"),
        (("stm32h747i-disc",), "stm32h747i-disco"),
        (("mps2-an500", "--emulate"), "mps2-an500 is a machine of QEMU"),
        (("stm32mp257f-dk", "--emulate"), "only microcontroller boards can be emulated"),
        (("nucleo-f401re", "--flash", "/dev"), "--flash"),
    ],
)
def test_a_wrong_request_is_a_usage_error_that_says_what_is_wrong(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(("sim", *arguments))
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_flash_file_larger_than_the_flash_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(512 * 1024 + 1))
    with pytest.raises(SystemExit) as ended:
        cli.main(("sim", "nucleo-f401re", "--flash", str(large)))
    assert ended.value.code == 2
    assert "524289 bytes, the flash of nucleo-f401re has 524288" in capsys.readouterr().err
