"""What the pages of RAM are used for, so that stores to those that hold only data are fast.

Unicorn watches every page that may be executed for stores that change code: such a store calls into the
engine and takes ten times as long as a plain one. All RAM of a Cortex-M may be executed; its pages are data
until code is fetched from one of them; from then on that page is watched. A hook for invalid accesses that
covers a page has the same effect on it, which is why that hook leaves RAM out.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Protocol

from unicorn import Uc
from unicorn import unicorn_const as uc

from benchrunner.emulator import native

_SMALLEST_PAGE = 1024  # of the engine, on a Cortex-M


def attach(engine: Uc, rams: Iterable[range]) -> NativePages | PythonPages:
    """Tell `engine`, which was set to `UC_TLB_VIRTUAL`, what its pages are; keep the result as long as it."""
    areas = list(rams)
    library = native.library()
    if library is not None:
        try:
            return NativePages(engine, library, areas)
        except (ImportError, AttributeError):
            pass
    return PythonPages(engine, areas)


def gaps(areas: Iterable[range]) -> list[range]:
    """What of the address space is in none of `areas`."""
    found, at = [], 0
    for area in sorted(areas, key=lambda area: area.start):
        if area.start > at:
            found.append(range(at, area.start))
        at = area.stop
    return [*found, range(at, 1 << 32)]


class _Entry(Protocol):
    """uc_tlb_entry: where a page lies and what may be done with it."""

    paddr: int
    perms: int


class PythonPages:
    def __init__(self, engine: Uc, areas: list[range]) -> None:
        self._areas = areas
        self._executed: set[int] = set()
        engine.hook_add(uc.UC_HOOK_TLB_FILL, self._on_translation)

    def _on_translation(self, _: Uc, page: int, access: int, entry: _Entry, user: object) -> bool:
        entry.paddr, entry.perms = page, uc.UC_PROT_ALL
        if access == uc.UC_MEM_FETCH:
            self._executed.add(page)
        elif page not in self._executed and any(page in area for area in self._areas):
            entry.perms = uc.UC_PROT_READ | uc.UC_PROT_WRITE
        return True


class _Area(ctypes.Structure):
    """area_t of hooks.c."""

    _fields_ = (("base", ctypes.c_uint64), ("bytes", ctypes.c_uint64), ("executed", ctypes.c_void_p))


class _Context(ctypes.Structure):
    """pages_t of hooks.c."""

    _fields_ = (("count", ctypes.c_uint64), ("areas", ctypes.c_void_p))


class NativePages:
    def __init__(self, engine: Uc, library: ctypes.CDLL, areas: list[range]) -> None:
        # all of these are used by the hook and must live as long as the engine does
        self._engine, self._library = engine, library
        self._executed = [(ctypes.c_uint8 * -(-len(area) // _SMALLEST_PAGE))() for area in areas]
        self._areas = (_Area * len(areas))(
            *(
                _Area(area.start, len(area), ctypes.addressof(executed))
                for area, executed in zip(areas, self._executed, strict=True)
            )
        )
        self._context = _Context(len(areas), ctypes.addressof(self._areas))
        native.add_hook(engine, uc.UC_HOOK_TLB_FILL, library.on_translation, self._context)
