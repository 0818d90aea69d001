"""The emulator's hooks in C, compiled on first use with whatever C compiler the host has."""

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
from typing import Any

from unicorn import Uc

from benchrunner.resources import user_cache_folder

COMPILER_VARIABLE = (
    "BENCHRUNNER_HOST_CC"  # "none": everything in Python, exactly as well and ten times slower
)
_COMPILE_LIMIT_S = 120.0  # the first run of the zig wheel takes seconds
_FLAGS = ("-std=c11", "-O2", "-shared", "-fPIC")
_SOURCE = "hooks.c"


@cache
def library() -> ctypes.CDLL | None:
    """None where there is no compiler, or nowhere to put what it makes."""
    compiler = _compiler()
    if compiler is None:
        return None
    source = files("benchrunner.emulator").joinpath(_SOURCE).read_bytes()
    key = hashlib.sha256(b"\0".join((source, " ".join(compiler).encode(), sys.platform.encode()))).hexdigest()
    for folder in (user_cache_folder(), Path(tempfile.gettempdir()) / f"benchrunner-{os.getuid()}"):
        path = folder / f"hooks-{key[:16]}.so"
        try:
            if not path.exists():
                _compile(compiler, source, path)
            return ctypes.CDLL(str(path))
        except (OSError, subprocess.SubprocessError):
            continue
    return None


def add_hook(engine: Uc, kind: int, function: Any, context: ctypes.Structure) -> None:
    """Have `engine` call `function` with `context` everywhere, without Python in between.

    Both must live as long as the engine does. Raises `ImportError` or `AttributeError` where this version of
    the binding has other private names.
    """
    from unicorn.unicorn_py3.unicorn import uclib  # private: unicorn is pinned

    handle = ctypes.c_size_t()
    error = uclib.uc_hook_add(
        engine._uch,
        ctypes.byref(handle),
        ctypes.c_int(kind),
        ctypes.cast(function, ctypes.c_void_p),
        ctypes.byref(context),
        ctypes.c_uint64(1),  # begin above end: everywhere
        ctypes.c_uint64(0),
    )
    if error:
        raise AttributeError(f"uc_hook_add answers {error}")


def engine_function(name: str) -> int | None:
    """The address of one of the engine's own functions, for C to call."""
    from unicorn.unicorn_py3.unicorn import uclib

    return ctypes.cast(getattr(uclib, name), ctypes.c_void_p).value


def _compile(compiler: tuple[str, ...], source: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        text, built = Path(folder) / _SOURCE, Path(folder) / "hooks.so"
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
