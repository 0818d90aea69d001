"""The STM32 families as data: clock trees, power, addresses. Sources: the reference manuals named."""

from benchrunner.emulator.families.f4_f7 import F7, F401, F469
from benchrunner.emulator.families.family import Family
from benchrunner.emulator.families.h7 import H7A3, H74
from benchrunner.emulator.families.l4 import L4_PLUS, L4X5
from benchrunner.emulator.families.u5 import U5

__all__ = ["BY_CHIP_ID", "Family"]

# By DBGMCU_IDCODE (reference manuals; AN2606).
BY_CHIP_ID = {
    0x433: F401,
    0x434: F469,
    0x449: F7,
    0x451: F7,
    0x415: L4X5,
    0x470: L4_PLUS,
    0x482: U5,
    0x450: H74,
    0x480: H7A3,
}
