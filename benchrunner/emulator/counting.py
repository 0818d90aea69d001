"""Exact instruction counts: a hook on every basic block, native with a C compiler, else in Python."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from unicorn import Uc
from unicorn.unicorn_const import UC_HOOK_BLOCK

from benchrunner.resources import user_cache_folder

COMPILER_VARIABLE = "BENCHRUNNER_HOST_CC"  # "none": count in Python, exactly as well and ten times slower
_COMPILE_LIMIT_S = 120.0  # the first run of the zig wheel takes seconds
_FLAGS = ("-std=c11", "-O2", "-shared", "-fPIC")


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
    library = _native_library()
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
    """counter_t of block_hook.c."""

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
        from unicorn.unicorn_py3.unicorn import uclib  # private: unicorn is pinned

        # all of these are used by the hook and must live as long as the engine does
        self._engine, self._library = engine, library
        self._code = ctypes.create_string_buffer(code, len(code))
        self._blocks = (ctypes.c_uint32 * (len(code) // 2))()
        self._context = _Context(
            code=ctypes.addressof(self._code),
            code_base=code_base,
            code_bytes=len(code),
            blocks=ctypes.addressof(self._blocks),
            stop=_address_of(uclib.uc_emu_stop),
            read=_address_of(uclib.uc_mem_read),
        )
        handle = ctypes.c_size_t()
        error = uclib.uc_hook_add(
            engine._uch,
            ctypes.byref(handle),
            ctypes.c_int(UC_HOOK_BLOCK),
            ctypes.cast(library.on_block, ctypes.c_void_p),
            ctypes.byref(self._context),
            ctypes.c_uint64(1),  # begin above end: everywhere
            ctypes.c_uint64(0),
        )
        if error:
            raise AttributeError(f"uc_hook_add answers {error}")

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


def _address_of(function: Any) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value


@cache
def _native_library() -> ctypes.CDLL | None:
    compiler = _compiler()
    if compiler is None:
        return None
    source = files("benchrunner.emulator").joinpath("block_hook.c").read_bytes()
    key = hashlib.sha256(b"\0".join((source, " ".join(compiler).encode(), sys.platform.encode()))).hexdigest()
    for folder in (user_cache_folder(), Path(tempfile.gettempdir()) / f"benchrunner-{os.getuid()}"):
        path = folder / f"block_hook-{key[:16]}.so"
        try:
            if not path.exists():
                _compile(compiler, source, path)
            return ctypes.CDLL(str(path))
        except (OSError, subprocess.SubprocessError):
            continue
    return None


def _compile(compiler: tuple[str, ...], source: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        text, built = Path(folder) / "block_hook.c", Path(folder) / "block_hook.so"
        text.write_bytes(source)
        subprocess.run(
            (*compiler, *_FLAGS, "-o", str(built), str(text)),
            check=True,
            capture_output=True,
            timeout=_COMPILE_LIMIT_S,
        )
        built.replace(path)  # another process may be doing the same


def _compiler() -> tuple[str, ...] | None:
    chosen = os.environ.get(COMPILER_VARIABLE)
    if chosen is not None:
        return None if chosen == "none" else tuple(chosen.split())
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path is not None:
            return (path,)
    if importlib.util.find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "cc")
    return None
