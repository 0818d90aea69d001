"""Exact instruction counts: a hook on every basic block, native with a C compiler, else in Python."""

from __future__ import annotations

import ctypes
from typing import Protocol

from unicorn import Uc
from unicorn.unicorn_const import UC_HOOK_BLOCK

from benchrunner.emulator import native


class BlockCounter(Protocol):
    """Instructions executed so far, by whole blocks; the engine stops before a block at `limit`."""

    native: bool

    @property
    def count(self) -> int: ...

    def arm(self, limit: int) -> None:
        """Let the engine run up to `limit`."""
        ...

    def stop(self) -> None:
        """Stop the engine before its next block."""
        ...

    @property
    def stopped(self) -> bool:
        """Whether it was the limit that ended the run."""
        ...


def instructions_in(code: bytes) -> int:
    """Thumb instructions in `code`: a halfword that starts with 0b11101 or above is half an instruction
    (ARMv7-M ARM, A5.1)."""
    at, found = 0, 0
    while at < len(code):
        at += 4 if at + 1 < len(code) and code[at + 1] >> 3 >= 0x1D else 2
        found += 1
    return found


def attach(engine: Uc, code_base: int, code: bytes) -> BlockCounter:
    """Count in `engine`, whose memory at `code_base` holds `code` for as long as the engine lives."""
    library = native.library()
    if library is not None:
        try:
            return _NativeCounter(engine, library, code_base, code)
        except (ImportError, AttributeError):  # private names of the binding: another version of it
            pass
    return _PythonCounter(engine, code_base, code)


class _PythonCounter:
    native = False

    def __init__(self, engine: Uc, code_base: int, code: bytes) -> None:
        self.count, self.stopped = 0, False
        self._limit = 0
        self._known: dict[tuple[int, int], int] = {}
        self._fixed = range(code_base, code_base + len(code))
        engine.hook_add(UC_HOOK_BLOCK, self._on_block)

    def arm(self, limit: int) -> None:
        self._limit, self.stopped = limit, False

    def stop(self) -> None:
        self._limit = 0

    def _on_block(self, engine: Uc, address: int, size: int, _: object) -> None:
        if self.count >= self._limit:
            self.stopped = True
            engine.emu_stop()
            return
        found = self._known.get((address, size))
        if found is None:
            found = instructions_in(bytes(engine.mem_read(address, size)))
            if address in self._fixed:
                self._known[address, size] = found
        self.count += found


class _Context(ctypes.Structure):
    """counter_t of hooks.c."""

    _fields_ = (
        ("count", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("stopped", ctypes.c_uint64),
        ("code", ctypes.c_void_p),
        ("code_base", ctypes.c_uint64),
        ("code_bytes", ctypes.c_uint64),
        ("blocks", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
        ("read", ctypes.c_void_p),
    )


class _NativeCounter:
    native = True

    def __init__(self, engine: Uc, library: ctypes.CDLL, code_base: int, code: bytes) -> None:
        # all of these are used by the hook and must live as long as the engine does
        self._engine, self._library = engine, library
        self._code = ctypes.create_string_buffer(code, len(code))
        self._blocks = (ctypes.c_uint32 * (len(code) // 2))()
        self._context = _Context(
            code=ctypes.addressof(self._code),
            code_base=code_base,
            code_bytes=len(code),
            blocks=ctypes.addressof(self._blocks),
            stop=native.engine_function("uc_emu_stop"),
            read=native.engine_function("uc_mem_read"),
        )
        native.add_hook(engine, UC_HOOK_BLOCK, library.on_block, self._context)

    @property
    def count(self) -> int:
        return int(self._context.count)

    @property
    def stopped(self) -> bool:
        return bool(self._context.stopped)

    def arm(self, limit: int) -> None:
        self._context.limit, self._context.stopped = limit, 0

    def stop(self) -> None:
        self._context.limit = 0
