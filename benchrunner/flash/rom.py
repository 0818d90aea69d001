"""The ROM bootloader behind a transport: runs AN3155's state machines against a port and a clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchrunner.deadline import Deadline
from benchrunner.errors import LinkError
from benchrunner.protocol import an3155, an3155_blocks
from benchrunner.protocol.an3155 import Capabilities, Exchange, Patience
from benchrunner.protocol.an3155_blocks import FRAMES_PER_BLOCK, Frame
from benchrunner.protocol.an3155_frames import ACK, BUSY, Bank, Command
from benchrunner.transport import Parity, Transport

BLOCK_WIRE_BYTES = 268  # of a 256-byte block, both directions together, read or written
BITS_PER_BYTE = 11  # start, 8 data, even parity, stop
_ACKNOWLEDGED, _BUSY = bytes((ACK,)), bytes((BUSY,))
_READ_BYTES = 320  # an answer with a whole block and some more
_CHECKSUM_S = 5.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Timings:
    """How patient the host is. Defaults: AN3155, the peers' values, and USB adapters' latency timers.

    The time that the bytes need on the wire is added to every one of them.
    """

    reset_pulse_s: float = 0.1
    settle_s: float = 0.1  # after NRST; doubled with each attempt: some parts need 50 ms, some 500 ms
    entry_attempts: int = 4
    reply_s: float = 0.5
    program_s: float = 1.5
    brief_s: float = 0.03
    drain_blocks: int = 2  # how long the line is left to run out, in blocks on the wire
    erase_base_s: float = 1.0
    erase_unit_s: float = 0.2  # least time for one page
    mass_erase_s: float = 80.0
    unprotect_s: float = 80.0  # erases the whole flash


# A simulated board acts on a line at once; it is only as slow as its process.
SIMULATED = Timings(reset_pulse_s=0.0, settle_s=0.0, drain_blocks=0)


class RomBootloader:
    """A conversation with the ROM. Every method raises `LinkError` when the device does not play along,
    `DeadlineExceededError` when the time of the whole job is up, and `PortError` when the port is lost."""

    def __init__(
        self,
        transport: Transport,
        *,
        baud_hz: int = 115200,
        timings: Timings | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.transport = transport
        self.baud_hz = baud_hz
        self.timings = timings if timings is not None else Timings()
        self._sleep = sleep
        self._input = b""
        t = self.timings
        self._patience_s = {
            Patience.REPLY: t.reply_s,
            Patience.BRIEF: t.brief_s,
            Patience.PROGRAM: t.program_s,
        }
        self._byte_s = BITS_PER_BYTE / baud_hz

    def run(self, steps: an3155.Steps[_T], deadline: Deadline, *, slow_s: float = 0.0) -> _T:
        """Drive one command; `slow_s` is its time for `Patience.SLOW`."""
        try:
            exchange = next(steps)
            until = deadline
            while True:
                if exchange.patience is not Patience.SAME:
                    until = self._until(exchange, deadline, slow_s)
                if exchange.send:
                    self.transport.write(exchange.send)
                reply = self._receive(exchange.receive_bytes, until)
                if len(reply) < exchange.receive_bytes:
                    deadline.check("flash")
                exchange = steps.send(reply)
        except StopIteration as done:
            result: _T = done.value
            return result

    def _until(self, exchange: Exchange, deadline: Deadline, slow_s: float) -> Deadline:
        budget_s = self._patience_s.get(exchange.patience, slow_s)
        wire_s = (len(exchange.send) + exchange.receive_bytes) * self._byte_s
        return deadline.at_most(budget_s + wire_s)

    def run_blocks(
        self,
        name: str,
        frames: Iterator[Frame],
        deadline: Deadline,
        each: Callable[[bytes], None],
        block_s: float,
        *,
        per_block: int = FRAMES_PER_BLOCK,
        acks: int = 1,
    ) -> None:
        """Send `frames`, each after the ACK to the one before; `each` gets the data of every whole block.

        A block is `per_block` frames, each of whose answers begins with `acks` ACKs.

        Between an answer and the next frame next to nothing happens: that frame is made while the device
        works. `block_s` is the time for the answers of a block together. Raises `LinkError` at the first
        answer that is not an ACK; `each` was called for all blocks before, and may stop the run, between two
        blocks, with an exception of its own.
        """
        write, read, parts = self.transport.write, self.transport.read, 0
        good = _ACKNOWLEDGED * acks
        block_s += BLOCK_WIRE_BYTES * self._byte_s
        until = deadline
        frame = next(frames, None)
        while frame is not None:
            send, count, _ = frame
            write(send)
            following = next(frames, None)
            if not parts:
                until = deadline.at_most(block_s)
            answer = self._input or read(_READ_BYTES, until)
            if len(answer) == count and answer[:acks] == good:
                self._input = b""
            else:
                self._input = answer
                answer = self._receive_answer(count, until)
                if len(answer) != count or answer[:acks] != good:
                    deadline.check("flash")
                    raise an3155_blocks.answer_error(name, frame, answer)
            parts += 1
            if parts == per_block:
                parts = 0
                each(answer[acks:])
            frame = following

    def _receive_answer(self, count: int, until: Deadline) -> bytes:
        """ACK and data; a refusal is one byte, for which nothing else is waited; BUSY is waited out."""
        answer = self._receive(1, until)
        while answer == _BUSY:
            answer = self._receive(1, until)
        if count > 1 and answer == _ACKNOWLEDGED:
            answer += self._receive(count - 1, until)
        return answer

    def _receive(self, count: int, until: Deadline) -> bytes:
        data, self._input = self._input, b""
        while len(data) < count:
            piece = self.transport.read(_READ_BYTES, until)
            if not piece:
                return data
            data = data + piece if data else piece
        if len(data) > count:
            data, self._input = data[:count], data[count:]
        return data

    # --- commands ---------------------------------------------------------------------------------------

    def identify(self, deadline: Deadline) -> int:
        """The product id."""
        return self.run(an3155.get_id(), deadline)

    def capabilities(self, deadline: Deadline) -> Capabilities:
        """What Get answers; the version comes first, because one part shifts the first reply."""
        self.run(an3155.get_version(), deadline)
        return self.run(an3155.get(), deadline)

    def read(self, address: int, count: int, deadline: Deadline) -> bytes:
        return self.run(an3155.read_memory(address, count), deadline)

    def write(self, address: int, data: bytes, deadline: Deadline) -> None:
        self.run(an3155.write_memory(address, data), deadline)

    def read_blocks(
        self, blocks: Iterable[tuple[int, int]], deadline: Deadline, each: Callable[[bytes], None]
    ) -> None:
        """Read blocks of `(address, count)`; `each` gets them one by one, also those before an error."""
        block_s = FRAMES_PER_BLOCK * self.timings.reply_s
        self.run_blocks("Read Memory", an3155_blocks.read_blocks(blocks), deadline, each, block_s)

    def read_blocks_at_once(
        self, addresses: Iterable[int], deadline: Deadline, each: Callable[[bytes], None]
    ) -> None:
        """As `read_blocks` for whole blocks, each asked for in one piece."""
        block_s = FRAMES_PER_BLOCK * self.timings.reply_s
        frames = an3155_blocks.read_blocks_at_once(addresses)
        acks = an3155_blocks.ACKS_AT_ONCE
        self.run_blocks("Read Memory", frames, deadline, each, block_s, per_block=1, acks=acks)

    def write_blocks(
        self, blocks: Iterable[tuple[int, bytes]], deadline: Deadline, each: Callable[[bytes], None]
    ) -> None:
        """Write blocks of `(address, data)`; `each` is called for every one that is acknowledged."""
        block_s = (FRAMES_PER_BLOCK - 1) * self.timings.reply_s + self.timings.program_s
        self.run_blocks("Write Memory", an3155_blocks.write_blocks(blocks), deadline, each, block_s)

    def erase(self, sectors: Sequence[int], deadline: Deadline, *, sector_s: float, extended: bool) -> None:
        """Erase `sectors`. `sector_s` is the typical time for one: the data sheets' maxima are about 4 times
        as long."""
        t = self.timings
        slow_s = t.erase_base_s + len(sectors) * max(t.erase_unit_s, 4 * sector_s)
        steps = an3155.extended_erase(sectors) if extended else an3155.erase(sectors)
        self.run(steps, deadline, slow_s=slow_s)

    def erase_everything(self, deadline: Deadline, *, mass_s: float, extended: bool) -> None:
        """Mass erase. `mass_s` is its typical time; F4 and F7 with 2 MB may take 64 s."""
        steps = an3155.extended_erase_bank(Bank.ALL) if extended else an3155.erase_all()
        self.run(steps, deadline, slow_s=max(self.timings.mass_erase_s, 4 * mass_s))

    def checksum(self, address: int, count: int, deadline: Deadline) -> int:
        return self.run(an3155.get_checksum(address, count), deadline, slow_s=_CHECKSUM_S)

    def readout_unprotect(self, deadline: Deadline) -> None:
        """Erase everything and lift readout protection; the device resets."""
        self.run(an3155.readout_unprotect(), deadline, slow_s=self.timings.unprotect_s)

    def go(self, address: int, deadline: Deadline) -> None:
        self.run(an3155.go(address), deadline)

    # --- entry, resynchronisation, exit -----------------------------------------------------------------

    def set_format(self) -> None:
        self.transport.set_format(self.baud_hz, Parity.EVEN)

    def discard(self) -> int:
        """Drop all input; the number of bytes."""
        dropped = len(self._input) + self.transport.discard_input()
        self._input = b""
        return dropped

    def drain(self) -> None:
        """Let what is on the wire run out, then drop it."""
        self._sleep(self.timings.drain_blocks * BLOCK_WIRE_BYTES * self._byte_s)
        self.discard()

    def synchronise(self, deadline: Deadline) -> None:
        self.run(an3155.synchronise(), deadline)

    def push_out(self, deadline: Deadline) -> None:
        """Back to the command loop without a reset. What was being written must be erased afterwards."""
        self.run(an3155.flush_command_loop(), deadline)
        self.drain()
        self.synchronise(deadline)

    def reset_into_rom(self, deadline: Deadline) -> None:
        """BOOT0 high, a pulse on NRST, and the synchronisation, with longer settling at each attempt."""
        settle_s = self.timings.settle_s
        for attempt in range(1, self.timings.entry_attempts + 1):
            self._pulse(boot0=True)
            self._sleep(settle_s)
            self.discard()
            try:
                self.synchronise(deadline)
                return
            except LinkError:
                if attempt == self.timings.entry_attempts:
                    raise
            settle_s = min(0.5, settle_s * 2)

    def reset_into_application(self) -> None:
        """BOOT0 low and a pulse on NRST."""
        self._pulse(boot0=False)

    def _pulse(self, *, boot0: bool) -> None:
        self.transport.set_lines(boot0=boot0, reset=True)
        self._sleep(self.timings.reset_pulse_s)
        self.transport.set_lines(boot0=boot0, reset=False)


def erases_extended(capabilities: Capabilities) -> bool:
    """A device has the one-byte erase or the extended one, never both."""
    return Command.EXTENDED_ERASE in capabilities.commands
