"""Runs the kernels as compiled for a Cortex-M, on an emulated one, and counts their instructions."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from layer_host import C_FLAGS, KERNELS, NUMBER, SIGNATURES, SOURCES
from unicorn import UC_ARCH_ARM, UC_HOOK_BLOCK, UC_MODE_MCLASS, UC_MODE_THUMB, UC_PROT_EXEC, UC_PROT_READ, Uc
from unicorn.arm_const import (
    UC_ARM_REG_LR,
    UC_ARM_REG_R0,
    UC_ARM_REG_R1,
    UC_ARM_REG_R2,
    UC_ARM_REG_R3,
    UC_ARM_REG_SP,
    UC_CPU_ARM_CORTEX_M4,
    UC_CPU_ARM_CORTEX_M7,
    UC_CPU_ARM_CORTEX_M33,
)

# Core -> its options for gcc, and the emulator's name of it. The emulator's FPU has single precision only.
CORES = {
    "cortex-m7": (["-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16"], UC_CPU_ARM_CORTEX_M7),
    "cortex-m4": (["-mcpu=cortex-m4"], UC_CPU_ARM_CORTEX_M4),
    "cortex-m33": (["-mcpu=cortex-m33"], UC_CPU_ARM_CORTEX_M33),
}
_FLASH, _FLASH_BYTES = 0x08000000, 0x20000
_RETURN = _FLASH + _FLASH_BYTES - 16
_RAM, _RAM_BYTES = 0x20000000, 0x200000
_STACK_TOP = _RAM + 0x4000


def build_for(core: str, folder: Path) -> Path:
    """An image of all kernels with their names, at the start of the flash."""
    program = folder / f"{core}.elf"
    sources = [KERNELS / f"{name}.c" for name in SOURCES]
    undefined = [f"-Wl,--undefined={name}" for name in SIGNATURES]
    command = ["arm-none-eabi-gcc", *CORES[core][0], "-mthumb", "-mfloat-abi=hard", "-O2", *C_FLAGS]
    command += ["-Wdouble-promotion", "-nostartfiles", f"-Wl,-Ttext={_FLASH:#x}", "-Wl,--entry=add_s8"]
    command += [*undefined, "-I", str(KERNELS), *map(str, sources), "-o", str(program), "-lc", "-lgcc"]
    subprocess.run(command, check=True)
    return program


class EmulatedCore:
    """A Cortex-M with the kernels in its flash."""

    def __init__(self, core: str, program: Path) -> None:
        self.instructions = 0  # of all calls
        self._uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self._uc.ctl_set_cpu_model(CORES[core][1])
        self._uc.mem_map(_FLASH, _FLASH_BYTES, UC_PROT_READ | UC_PROT_EXEC)
        self._uc.mem_map(_RAM, _RAM_BYTES)
        with program.open("rb") as file:
            elf = ELFFile(file)
            for segment in elf.iter_segments("PT_LOAD"):
                if segment["p_filesz"] and segment["p_vaddr"] >= _FLASH:
                    self._uc.mem_write(segment["p_vaddr"], segment.data())
            symbols = elf.get_section_by_name(".symtab")
            self._functions = {name: symbols.get_symbol_by_name(name)[0]["st_value"] for name in SIGNATURES}
        self._blocks: dict[int, int] = {}
        self._uc.hook_add(UC_HOOK_BLOCK, self._count)

    def call(self, function: str, blocks: list[bytes], arguments: list[tuple[int, int]]) -> bytes:
        addresses, position = [], _STACK_TOP + 64
        for block in blocks:
            addresses.append(position)
            self._uc.mem_write(position, block)
            position += -(-len(block) // 16) * 16 + 16
        values = [value if block == NUMBER else addresses[block] + value for block, value in arguments]
        registers = (UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3)
        for register, value in zip(registers, values, strict=False):
            self._uc.reg_write(register, value)
        rest = values[len(registers) :]
        stack = _STACK_TOP - 8 * -(-len(rest) // 2)
        self._uc.mem_write(stack, b"".join(struct.pack("<I", value) for value in rest))
        self._uc.reg_write(UC_ARM_REG_SP, stack)
        self._uc.reg_write(UC_ARM_REG_LR, _RETURN | 1)
        self._uc.emu_start(self._functions[function] | 1, _RETURN)
        assert self._uc.reg_read(UC_ARM_REG_SP) == stack
        return b"".join(
            bytes(self._uc.mem_read(address, len(block)))
            for address, block in zip(addresses, blocks, strict=True)
        )

    def _count(self, uc: Any, address: int, size: int, user: Any) -> None:
        if address not in self._blocks:
            self._blocks[address] = _instructions(bytes(uc.mem_read(address, size)))
        self.instructions += self._blocks[address]


def _instructions(code: bytes) -> int:
    """Thumb-2: a halfword from 0xE800 on starts an instruction of four bytes."""
    count = position = 0
    while position < len(code):
        (half,) = struct.unpack_from("<H", code, position)
        position += 4 if half >= 0xE800 else 2
        count += 1
    return count
