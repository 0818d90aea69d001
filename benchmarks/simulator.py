"""How fast bytes get to the simulated board and back, and how exact its throttled line is.

Run: python benchmarks/simulator.py
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.simulator.board import SimulatedBoard
from benchrunner.simulator.pty import serve_pty
from benchrunner.simulator.rfc2217 import serve_rfc2217
from benchrunner.transport import Parity
from benchrunner.transport.network import Rfc2217Transport

BOARD = "stm32f469i-disco"  # 2 MiB that may be written again
BASE = 0x08000000
MEBIBYTE = 1 << 20
BLOCKS = 4096  # 1 MiB
TARGET_MB_S = 1.0
THROTTLE_HZ = 115_200
THROTTLED_BLOCKS = 40

Talk = Callable[[bytes, int], bytes]  # sends, returns that many bytes


def with_xor(data: bytes) -> bytes:
    value = 0
    for byte in data:
        value ^= byte
    return data + bytes([value])


def write_command(index: int, block: bytes) -> tuple[bytes, bytes]:
    return with_xor((BASE + 256 * index).to_bytes(4, "big")), with_xor(b"\xff" + block)


def read_command(index: int) -> bytes:
    return b"\x11\xee" + with_xor((BASE + 256 * index).to_bytes(4, "big")) + b"\xff\x00"


def rfc2217_talk(port: Rfc2217Transport) -> Talk:
    def talk(data: bytes, count: int) -> bytes:
        port.write(data)
        deadline, parts = Deadline(60), []
        while count:
            part = port.read(count, deadline)
            assert part, "no answer"
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    return talk


def pty_talk(descriptor: int) -> Talk:
    def talk(data: bytes, count: int) -> bytes:
        os.write(descriptor, data)
        parts = []
        while count:
            assert select.select([descriptor], [], [], 60)[0], "no answer"
            parts.append(os.read(descriptor, count))
            count -= len(parts[-1])
        return b"".join(parts)

    return talk


def flash_rates(talk: Talk) -> tuple[float, float]:
    """MB/s of payload written and read in lock step, as every tool does it."""
    block = bytes(range(256))
    assert talk(b"\x7f", 1) == b"\x79"
    began = time.perf_counter()
    for index in range(BLOCKS):
        address, data = write_command(index, block)
        talk(b"\x31\xce", 1)
        talk(address, 1)
        assert talk(data, 1) == b"\x79"
    written = time.perf_counter()
    for index in range(BLOCKS):
        assert talk(read_command(index), 259)[3:] == block
    read = time.perf_counter()
    return MEBIBYTE / (written - began) / 1e6, MEBIBYTE / (read - written) / 1e6


def pipelined_rates(port: Rfc2217Transport) -> tuple[float, float]:
    """MB/s through the server and the ROM when the host does not wait: what the wire itself can carry."""
    talk = rfc2217_talk(port)
    block = b"\xff" * 128 + bytes(range(128))
    batch = 64
    began = time.perf_counter()
    for first in range(0, BLOCKS, batch):
        commands = [b"\x31\xce" + b"".join(write_command(i, block)) for i in range(first, first + batch)]
        talk(b"".join(commands), 3 * batch)
    written = time.perf_counter()
    for first in range(0, BLOCKS, batch):
        talk(b"".join(read_command(i) for i in range(first, first + batch)), 259 * batch)
    read = time.perf_counter()
    return MEBIBYTE / (written - began) / 1e6, MEBIBYTE / (read - written) / 1e6


def throttled_ratio() -> float:
    """Time that blocks took on a throttled pty, as a part of what their bits take."""
    with serve_pty(SimulatedBoard(load_board(BOARD)), THROTTLE_HZ) as path:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        talk = pty_talk(descriptor)
        talk(b"\x7f", 1)
        began = time.perf_counter()
        for index in range(THROTTLED_BLOCKS):
            talk(b"\x31\xce", 1)
            address, data = write_command(index, bytes(256))
            talk(address, 1)
            talk(data, 1)
        spent = time.perf_counter() - began
        os.close(descriptor)
    return spent / (THROTTLED_BLOCKS * 268 * 11 / THROTTLE_HZ)


def main() -> None:
    with serve_rfc2217(SimulatedBoard(load_board(BOARD))) as url:
        host, port = url.removeprefix("rfc2217://").split(":")
        wire = Rfc2217Transport(url, host, int(port), baud_hz=115200, parity=Parity.EVEN, lines=None)
        rfc_write, rfc_read = flash_rates(rfc2217_talk(wire))
        in_rate, out_rate = pipelined_rates(wire)
        wire.close()
    with serve_pty(SimulatedBoard(load_board(BOARD))) as path:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        pty_write, pty_read = flash_rates(pty_talk(descriptor))
        os.close(descriptor)
    ratio = throttled_ratio()
    print(f"{'payload through the bootloader, 1 MiB':44} {'MB/s':>7} {'of target':>10}")
    for name, rate in (
        ("RFC 2217, pipelined, to the board", in_rate),
        ("RFC 2217, pipelined, from the board", out_rate),
        ("RFC 2217, lock step, write", rfc_write),
        ("RFC 2217, lock step, read", rfc_read),
        ("pty, lock step, write", pty_write),
        ("pty, lock step, read", pty_read),
    ):
        print(f"{name:44} {rate:7.2f} {rate / TARGET_MB_S:10.2f}")
    print(f"pty at {THROTTLE_HZ} baud, lock-step write: {ratio:.3f} of the time that the bits take")


if __name__ == "__main__":
    print(f"{Path(sys.argv[0]).name}: Python {sys.version.split()[0]}")
    main()
