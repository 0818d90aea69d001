"""stm32flash and stm32loader, unmodified, take the simulated board for an STM32."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchrunner.board import load_board
from benchrunner.simulator.board import Boot, Mode, SimulatedBoard
from benchrunner.simulator.pty import serve_pty
from benchrunner.simulator.rfc2217 import serve_rfc2217
from benchrunner.transport import Lines

PEERS = Path(__file__).parents[1] / "peers"
ENTRY_AND_EXIT = "rts&-dtr,dtr:-rts&-dtr,dtr"


def firmware(count: int) -> bytes:
    """Something with plausible vectors; random behind them, with runs of 0xFF."""
    noise = random.Random(5)
    body = noise.randbytes(count - 264) + b"\xff" * 256
    return (0x20018000).to_bytes(4, "little") + (0x08000201).to_bytes(4, "little") + body


def run(
    *arguments: str, shim: Path | None = None, log: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    if shim is not None:
        environment |= {"LD_PRELOAD": str(shim), "TTY_SHIM_LOG": str(log)}
    return subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=60, check=False)


@pytest.fixture(scope="module")
def stm32flash() -> str:
    found = shutil.which("stm32flash")
    assert found is not None, "stm32flash is missing: apt-get install stm32flash (make test does it)"
    return found


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("shim") / "tty_shim.so"
    warnings = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
    source = str(PEERS / "tty_shim.c")
    built = run("gcc", "-std=c11", "-O1", *warnings, "-shared", "-fPIC", "-o", str(library), source, "-ldl")
    assert built.returncode == 0, built.stderr
    return library


@pytest.fixture
def sim() -> SimulatedBoard:
    return SimulatedBoard(load_board("nucleo-f401re"), boot=Boot.ROM)


def test_stm32flash_identifies_writes_reads_and_starts_on_a_bare_pty(
    sim: SimulatedBoard, stm32flash: str, tmp_path: Path
) -> None:
    image, copy = tmp_path / "fw.bin", tmp_path / "copy.bin"
    image.write_bytes(firmware(20_000))
    with serve_pty(sim) as port:
        identity = run(stm32flash, "-m", "8n1", port)
        assert identity.returncode == 0, identity.stderr
        assert "Version      : 0x31" in identity.stdout
        assert "Device ID    : 0x0433 (STM32F401xD(E))" in identity.stdout
        write = run(stm32flash, "-m", "8n1", "-b", "115200", "-w", str(image), "-v", port)
        assert write.returncode == 0, write.stderr
        assert "(100.00%) Done." in write.stdout
        read = run(stm32flash, "-m", "8n1", "-r", str(copy), "-S", "0x08000000:20000", port)
        assert read.returncode == 0, read.stderr
        crc = run(stm32flash, "-C", "-m", "8n1", "-S", "0x08000000:1024", port)
        assert "CRC(0x08000000-0x08000400) = 0x" in crc.stdout
        erased = run(stm32flash, "-m", "8n1", "-o", "-S", "0x08004000:16384", port)
        assert erased.returncode == 0, erased.stderr
        started = run(stm32flash, "-m", "8n1", "-g", "0x08000000", port)
        assert started.returncode == 0, started.stderr
    assert copy.read_bytes() == image.read_bytes()
    assert sim.flash.content[:0x4000] == image.read_bytes()[:0x4000]
    assert sim.flash.content[0x4000:] == b"\xff" * (512 * 1024 - 0x4000), "the second sector was erased"
    assert sim.mode is not Mode.ROM


def test_stm32flash_lifts_the_readout_protection(sim: SimulatedBoard, stm32flash: str) -> None:
    with serve_pty(sim) as port:
        assert run(stm32flash, "-m", "8n1", "-j", port).returncode == 0
        refused = run(stm32flash, "-m", "8n1", "-r", "/dev/null", port)
        assert refused.returncode == 1
        assert run(stm32flash, "-m", "8n1", "-c", "-k", port).returncode == 0
    assert sim.flash.erase_counts == [1] * 8


def test_stm32flash_drives_lines_and_even_parity(
    sim: SimulatedBoard, stm32flash: str, shim: Path, tmp_path: Path
) -> None:
    image, log = tmp_path / "fw.bin", tmp_path / "lines.log"
    image.write_bytes(firmware(4096))
    with serve_pty(sim) as port:
        done = run(
            *(stm32flash, "-b", "115200", "-i", ENTRY_AND_EXIT, "-w", str(image), "-v", port),
            shim=shim,
            log=log,
        )
    assert done.returncode == 0, done.stderr
    assert sim.flash.content[:4096] == image.read_bytes()
    changes = [line for line in log.read_text().splitlines() if not line.startswith("parity")]
    # RTS, which is BOOT0, is set already; NRST falls and rises, and the same with BOOT0 low
    assert changes == ["dtr off", "dtr on", "rts off", "dtr off", "dtr on"]
    assert "parity E" in log.read_text().splitlines()


def test_stm32loader_writes_and_verifies_at_even_parity(
    sim: SimulatedBoard, shim: Path, tmp_path: Path
) -> None:
    image, log = tmp_path / "fw.bin", tmp_path / "lines.log"
    image.write_bytes(firmware(4096))
    loader = (sys.executable, "-m", "stm32loader")
    with serve_pty(sim) as port:
        done = run(*loader, "-p", port, "-e", "-w", "-v", "-n", str(image), shim=shim, log=log)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("Verification OK\n")
    assert sim.flash.content[:4096] == image.read_bytes()
    changes = [line for line in log.read_text().splitlines() if not line.startswith("parity")]
    # stm32loader means levels of a TTL adapter: RTS cleared is BOOT0 high, DTR set holds NRST
    assert changes == ["rts off", "dtr off", "rts on", "dtr on", "dtr off"]


# Gives stm32loader a port by URL: pyserial's own function in place of the class that takes only devices.
_BY_URL = """
import sys
import serial
serial.Serial = lambda port, **settings: serial.serial_for_url(port, **settings)
from stm32loader.main import main
main(*sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("options", "wiring"),
    [((), Lines(boot0_inverted=True, reset_inverted=True)), (("-R", "-B"), Lines())],
    ids=["stm32loader's levels", "inverted"],
)
def test_stm32loader_resets_the_board_through_real_lines(
    sim: SimulatedBoard, tmp_path: Path, options: tuple[str, ...], wiring: Lines
) -> None:
    image = tmp_path / "fw.bin"
    image.write_bytes(firmware(1024))
    with serve_rfc2217(sim, wiring=wiring) as url:
        loader = (sys.executable, "-W", "ignore", "-c", _BY_URL, "-p", url, *options)
        done = run(*loader, "-e", "-w", "-v", "-n", str(image))
    assert done.returncode == 0, done.stderr
    assert "Verification OK" in done.stderr
    assert sim.flash.content[:1024] == image.read_bytes()
    assert sim.mode is Mode.DEAD, "it left with BOOT0 low: this firmware is no image that answers"
