"""The processor: Unicorn with the memories of one chip, run in slices; faults as a Cortex-M takes them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import Enum, auto

from unicorn import Uc, UcError
from unicorn import arm_const as arm
from unicorn import unicorn_const as uc

from benchrunner.emulator import counting, pages
from benchrunner.emulator.bus import Bus

CPU_MODELS = {
    "Cortex-M4": arm.UC_CPU_ARM_CORTEX_M4,
    "Cortex-M7": arm.UC_CPU_ARM_CORTEX_M7,
    "Cortex-M33": arm.UC_CPU_ARM_CORTEX_M33,
}
_PAGE = 0x1000
_PERIPHERALS = (0x40000000, 0x20000000)  # ARMv7-M system address map, B3.1
_PRIVATE = (0xE0000000, 0x00100000)
_NEVER = 0xFFFFFFFE  # no code is there: the engine runs until it is stopped
_GENERAL = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3, arm.UC_ARM_REG_R12)
_EXC_RETURN = 0xFFFFFFF9  # to thread mode, main stack, basic frame (ARMv7-M ARM, B1.5.8)
_HARD_FAULT_VECTOR = 3

# Configurable fault status, ARMv7-M ARM B3.2.15.
_IACCVIOL, _PRECISERR, _IBUSERR, _UNDEFINSTR = 1 << 0, 1 << 9, 1 << 8, 1 << 16
_BFARVALID = 1 << 15
_HFSR_FORCED = 1 << 30

_KINDS = {
    uc.UC_ERR_READ_UNMAPPED: "read from unmapped memory",
    uc.UC_ERR_WRITE_UNMAPPED: "write to unmapped memory",
    uc.UC_ERR_FETCH_UNMAPPED: "jump to unmapped memory",
    uc.UC_ERR_WRITE_PROT: "write to read-only memory",
    uc.UC_ERR_READ_PROT: "read from unreadable memory",
    uc.UC_ERR_FETCH_PROT: "jump to memory that holds no code",
    uc.UC_ERR_INSN_INVALID: "invalid instruction",
    uc.UC_ERR_EXCEPTION: "exception that the emulator does not take (SVC, BKPT or a return from a fault)",
    uc.UC_ERR_READ_UNALIGNED: "unaligned read",
    uc.UC_ERR_WRITE_UNALIGNED: "unaligned write",
}
_FETCHES = frozenset({uc.UC_ERR_FETCH_UNMAPPED, uc.UC_ERR_FETCH_PROT})
_ACCESSES = frozenset({uc.UC_ERR_READ_UNMAPPED, uc.UC_ERR_WRITE_UNMAPPED, uc.UC_ERR_WRITE_PROT})


class Stop(Enum):
    LIMIT = auto()  # the limit of instructions, or somebody asked for it
    WAITING = auto()  # WFI: nothing happens until something arrives
    FAULT = auto()


@dataclass(frozen=True, slots=True)
class CoreFault:
    """What the core was doing when it could not go on."""

    kind: str
    pc: int
    address: int | None  # of the access, or of the jump
    lr: int
    sp: int
    instructions: int

    def __str__(self) -> str:
        where = "" if self.address is None else f" at {self.address:#010x}"
        return (
            f"{self.kind}{where}: pc {self.pc:#010x}, lr {self.lr:#010x}, sp {self.sp:#010x}, "
            f"after {self.instructions} instructions"
        )


@dataclass(frozen=True, slots=True)
class FaultStatus:
    """What the fault status registers say about a fault (ARMv7-M ARM, B3.2.15 ff.)."""

    cfsr: int
    hfsr: int
    bfar: int


class Core:
    """One run from a reset on: SP and PC come from the vector table at `vectors`.

    `rams` are shared with the caller, so their content outlives the core; `read_only` areas and `flash` can
    be read, `flash` and RAM executed.
    """

    def __init__(
        self,
        cpu: str,
        flash_base: int,
        flash: bytes,
        rams: dict[int, bytearray],
        read_only: dict[int, bytes],
        bus: Bus,
        vectors: int,
    ) -> None:
        self._engine = Uc(uc.UC_ARCH_ARM, uc.UC_MODE_THUMB | uc.UC_MODE_MCLASS)
        self._engine.ctl_set_cpu_model(CPU_MODELS[cpu])
        self._engine.ctl_set_tlb_mode(uc.UC_TLB_VIRTUAL)
        self._bus = bus
        self._shared = [self._share(base, ram) for base, ram in rams.items()]
        self._map(flash_base, flash, uc.UC_PROT_READ | uc.UC_PROT_EXEC)
        for base, content in _pages(read_only, range(flash_base, flash_base + len(flash))).items():
            self._map(base, content, uc.UC_PROT_READ)
        for base, size in (_PERIPHERALS, _PRIVATE):
            self._engine.mmio_map(base, size, self._on_read, base, self._on_write, base)
        self.counter = counting.attach(self._engine, flash_base, flash)
        areas = [range(base, base + len(ram)) for base, ram in rams.items()]
        self._pages_of_ram = pages.attach(self._engine, areas)
        for gap in pages.gaps(areas):
            self._engine.hook_add(uc.UC_HOOK_MEM_INVALID, self._on_invalid, None, gap.start, gap.stop - 1)
        self._invalid: int | None = None
        self._aborted: int | None = None  # address of an access that no peripheral answered
        sp, self._pc = (int.from_bytes(self._engine.mem_read(vectors + at, 4), "little") for at in (0, 4))
        self._engine.reg_write(arm.UC_ARM_REG_SP, sp)
        self._engine.reg_write(arm.UC_ARM_REG_LR, 0xFFFFFFFF)

    @property
    def instructions(self) -> int:
        return self.counter.count

    @property
    def pc(self) -> int:
        return self._pc & ~1

    def abort_access(self, address: int) -> None:
        """A peripheral access fails; the program counter stays on its instruction."""
        self._aborted = address
        self._engine.emu_stop()

    def run(self, count: int) -> tuple[Stop, CoreFault | None]:
        """Execute about `count` instructions more, or less when somebody stops the counter."""
        self._begin(count)
        error: int | None = None
        try:
            self._engine.emu_start(self._pc | 1, _NEVER)
        except UcError as failure:
            error = failure.errno
        self._pc = self._engine.reg_read(arm.UC_ARM_REG_PC) | 1
        if self._aborted is not None:
            return Stop.FAULT, self._fault("access to an address where no peripheral is", self._aborted)
        if error is not None:
            kind = _KINDS.get(error, f"error {error} of the emulator")
            address = self._invalid if error in _ACCESSES else self.pc if error in _FETCHES else None
            return Stop.FAULT, self._fault(kind, address)
        return (Stop.LIMIT if self.counter.stopped else Stop.WAITING), None

    def take_fault(self, fault: CoreFault, vector_table: int) -> FaultStatus | None:
        """Enter the HardFault handler as the core does; None where there is no stack or handler for it."""
        engine = self._engine
        fetched = fault.address == fault.pc
        frame = [engine.reg_read(register) for register in _GENERAL]
        frame += [fault.lr, fault.pc, engine.reg_read(arm.UC_ARM_REG_XPSR) & ~0x3 | 1 << 24]
        sp = fault.sp - 32 & ~7
        try:
            engine.mem_write(sp, b"".join((word & 0xFFFFFFFF).to_bytes(4, "little") for word in frame))
            table = engine.mem_read(vector_table + 4 * _HARD_FAULT_VECTOR, 4)
        except UcError:
            return None
        handler = int.from_bytes(table, "little")
        if not handler & 1:
            return None
        engine.reg_write(arm.UC_ARM_REG_SP, sp)
        engine.reg_write(arm.UC_ARM_REG_LR, _EXC_RETURN)
        engine.reg_write(arm.UC_ARM_REG_IPSR, _HARD_FAULT_VECTOR)
        self._pc = handler
        if fetched:
            return FaultStatus(_IBUSERR, _HFSR_FORCED, 0)
        if fault.address is not None:
            return FaultStatus(_PRECISERR | _BFARVALID, _HFSR_FORCED, fault.address)
        return FaultStatus(_UNDEFINSTR, _HFSR_FORCED, 0)

    # --- inside ------------------------------------------------------------------------------------------

    def _begin(self, count: int) -> None:
        self.counter.arm(self.counter.count + count)
        self._invalid = self._aborted = None

    def _map(self, base: int, content: bytes, permissions: int) -> None:
        self._engine.mem_map(base, -(-len(content) // _PAGE) * _PAGE, permissions)
        self._engine.mem_write(base, content)

    def _share(self, base: int, ram: bytearray) -> ctypes.Array[ctypes.c_char]:
        content = (ctypes.c_char * len(ram)).from_buffer(ram)
        self._engine.mem_map_ptr(base, len(ram), uc.UC_PROT_ALL, ctypes.addressof(content))
        return content  # keeps the memory where it is for as long as the engine lives

    def _fault(self, kind: str, address: int | None) -> CoreFault:
        lr, sp = (self._engine.reg_read(register) for register in (arm.UC_ARM_REG_LR, arm.UC_ARM_REG_SP))
        return CoreFault(kind, self.pc, address, lr, sp, self.counter.count)

    def _on_read(self, _: Uc, offset: int, size: int, base: int) -> int:
        return self._bus.read(base + offset, size)

    def _on_write(self, _: Uc, offset: int, size: int, value: int, base: int) -> None:
        self._bus.write(base + offset, size, value)

    def _on_invalid(self, _: Uc, access: int, address: int, size: int, value: int, user: object) -> bool:
        self._invalid = address
        return False


def _pages(areas: dict[int, bytes], taken: range) -> dict[int, bytes]:
    """`areas` as whole pages, 0xFF between them."""
    pages: dict[int, bytearray] = {}
    for base, content in areas.items():
        for at in range(0, len(content), 256):
            page = (base + at) // _PAGE * _PAGE
            if page in taken:
                continue
            block = pages.setdefault(page, bytearray(b"\xff" * _PAGE))
            start = base + at - page
            block[start : start + 256] = content[at : at + 256].ljust(256, b"\xff")
    return {base: bytes(page) for base, page in pages.items()}
