"""Pages of RAM are data until code runs from them, told the same by the hook in C and the one in Python."""

from __future__ import annotations

import pytest
from unicorn import Uc
from unicorn import arm_const as arm
from unicorn import unicorn_const as uc

from benchrunner.emulator import native, pages

RAM = range(0x2000_0000, 0x2000_4000)
FLASH = range(0x0800_0000, 0x0800_1000)


def test_gaps_are_everything_that_is_in_no_area() -> None:
    found = pages.gaps([range(0x2400_0000, 0x2408_0000), range(0x1000), range(0x2000_0000, 0x2400_0000)])
    assert found == [range(0x1000, 0x2000_0000), range(0x2408_0000, 1 << 32)]
    assert pages.gaps([]) == [range(1 << 32)]


@pytest.mark.parametrize("in_c", [True, False])
def test_an_engine_executes_code_that_was_stored_over_code_in_the_same_page(
    in_c: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_c:
        monkeypatch.setattr(native, "library", lambda: None)
    engine = Uc(uc.UC_ARCH_ARM, uc.UC_MODE_THUMB | uc.UC_MODE_MCLASS)
    engine.ctl_set_tlb_mode(uc.UC_TLB_VIRTUAL)
    engine.mem_map(RAM.start, len(RAM))
    engine.mem_map(FLASH.start, len(FLASH), uc.UC_PROT_READ | uc.UC_PROT_EXEC)
    attached = pages.attach(engine, [RAM])
    assert isinstance(attached, pages.NativePages) is in_c
    # flash: strh r1, [r2]; bx r3, where r3 is the code in RAM: movs r0, #1; then it is movs r0, #2
    engine.mem_write(FLASH.start, bytes.fromhex("1180 1847"))
    end = RAM.start + 0x400
    engine.mem_write(end - 2, bytes.fromhex("0120"))
    for value in (1, 2, 3, 2):
        engine.reg_write(arm.UC_ARM_REG_R1, 0x2000 | value)
        engine.reg_write(arm.UC_ARM_REG_R2, end - 2)
        engine.reg_write(arm.UC_ARM_REG_R3, (end - 2) | 1)
        engine.emu_start(FLASH.start | 1, end)
        assert engine.reg_read(arm.UC_ARM_REG_R0) == value
