"""The STM32 families as data: clock trees, power, addresses. Sources: the reference manuals named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchrunner.emulator.clocks import ClockSwitch, ClockTree, Oscillator, Pll, Registers, ResetCause
from benchrunner.emulator.processor import Identity
from benchrunner.emulator.supply import Scale
from benchrunner.emulator.usart import Kind

MHZ = 1_000_000


@dataclass(frozen=True, slots=True)
class UsartPlace:
    base: int
    enable: tuple[int, int]  # offset in the RCC, bit
    kind: Kind
    fifo_bytes: int  # 0: none
    clocks: tuple[str | None, ...]  # by the code of its kernel clock selection
    select: tuple[int, int, int] | None = None  # offset, lowest bit, width; None: always the first


@dataclass(frozen=True, slots=True)
class Family:
    """One row per family, or per part of it where the parts differ."""

    name: str
    tree: Callable[[int], ClockTree]  # from the frequency of the board's HSE
    rcc: int
    power: int
    power_enable: tuple[int, int] | None
    scales: dict[int, Scale]
    overdrive: dict[int, Scale]
    power_reset: int
    flash: int
    flash_reset: int
    gpio: int
    gpio_enable: int
    gpio_reset: dict[str, int]
    gpio_reset_other: int
    usarts: dict[str, UsartPlace]
    timers: dict[int, tuple[int, int]]  # base: enable offset, bit; all on APB1
    watchdog: int
    idcode: int
    revision: int
    identity: Identity
    plain: dict[int, int] = field(default_factory=dict)  # stored and nothing else: base, size
    backup: tuple[int, ...] = ()  # keep their content over a reset


_TIMERS = (0x40000000, 0x40000C00)  # TIM2, TIM5


def _bits(registers: Registers, offset: int, at: int, width: int) -> int:
    return registers.get(offset, 0) >> at & (1 << width) - 1


def _ahb(code: int) -> int:
    """HPRE of every family: 8 to 15 are 2, 4, 8, 16, 64, 128, 256, 512."""
    return (2, 4, 8, 16, 64, 128, 256, 512)[code - 8] if code >= 8 else 1


def _apb(code: int) -> int:
    return 2 << (code - 4) if code >= 4 else 1


def _fixed(hz: int) -> Callable[[Registers], int]:
    return lambda _: hz


def _no_division(_: Registers) -> int:
    return 1


def _steps(mhz: int, *more: int) -> tuple[int, ...]:
    return tuple(limit * MHZ for limit in (mhz, *more))


# --- STM32F4 (RM0090, RM0368, RM0386) and STM32F7 (RM0385, RM0410): one RCC layout ------------------------


def _f4_f7_pll(registers: Registers) -> Pll:
    source = "HSE" if _bits(registers, 0x04, 22, 1) else "HSI"
    return Pll(
        source,
        divider=_bits(registers, 0x04, 0, 6),
        input_hz=(950_000, 2_100_000),
        multiplier=_bits(registers, 0x04, 6, 9),
        vco_hz=(100 * MHZ, 432 * MHZ),
        output_divider=2 * (_bits(registers, 0x04, 16, 2) + 1),
        q_divider=_bits(registers, 0x04, 24, 4) or None,
    )


def _f4_f7_tree(hse_hz: int) -> ClockTree:
    return ClockTree(
        reset={0x00: 0x83, 0x04: 0x24003010, 0x30: 0x00100000},
        oscillators=(
            Oscillator("HSI", 0, 1, _fixed(16 * MHZ)),
            Oscillator("HSE", 16, 17, _fixed(hse_hz)),
        ),
        at_reset="HSI",
        pll=_f4_f7_pll,
        pll_locked={0x04: 0xFFFFFFFF},
        switch=ClockSwitch(0x08, 3, 2, ("HSI", "HSE", "PLL", None)),
        core_divider=lambda registers: _ahb(_bits(registers, 0x08, 4, 4)),
        bus_divider=_no_division,
        apb_dividers=lambda registers: {
            "APB1": _apb(_bits(registers, 0x08, 10, 3)),
            "APB2": _apb(_bits(registers, 0x08, 13, 3)),
        },
        cause_offset=0x74,
        cause_clear_bit=24,
        causes={
            ResetCause.POWER: 0x0E000000,
            ResetCause.PIN: 1 << 26,
            ResetCause.SOFTWARE: 1 << 28 | 1 << 26,
            ResetCause.WATCHDOG: 1 << 29 | 1 << 26,
        },
    )


def _f4_usart(base: int, offset: int, bit: int, bus: str) -> UsartPlace:
    return UsartPlace(base, (offset, bit), Kind.F4, 0, (bus,))


def _f7_usart(base: int, enable: tuple[int, int], bus: str, at: int) -> UsartPlace:
    return UsartPlace(base, enable, Kind.NEW, 0, (bus, "SYSCLK", "HSI", None), (0x90, at, 2))


_F4_WAITS = _steps(30, 60, 90, 120, 150, 180, 210, 216)  # 2.7 V to 3.6 V
_F4_GPIO_RESET = {"A": 0xA8000000, "B": 0x00000280}


def _f4(name: str, scales: dict[int, int], overdrive: dict[int, int], vos: int) -> Family:
    return Family(
        name=name,
        tree=_f4_f7_tree,
        rcc=0x40023800,
        power=0x40007000,
        power_enable=(0x40, 28),
        scales={code: Scale(f"VOS {code:#x}", mhz * MHZ, _F4_WAITS) for code, mhz in scales.items()},
        overdrive={code: Scale(f"VOS {code:#x} OD", mhz * MHZ, _F4_WAITS) for code, mhz in overdrive.items()},
        power_reset=vos << 14,
        flash=0x40023C00,
        flash_reset=0,
        gpio=0x40020000,
        gpio_enable=0x30,
        gpio_reset=_F4_GPIO_RESET,
        gpio_reset_other=0,
        usarts={
            "USART1": _f4_usart(0x40011000, 0x44, 4, "APB2"),
            "USART2": _f4_usart(0x40004400, 0x40, 17, "APB1"),
            "USART3": _f4_usart(0x40004800, 0x40, 18, "APB1"),
            "USART6": _f4_usart(0x40011400, 0x44, 5, "APB2"),
        },
        timers={_TIMERS[0]: (0x40, 0), _TIMERS[1]: (0x40, 3)},
        watchdog=0x40003000,
        idcode=0xE0042000,
        revision=0x1001,
        identity=Identity(0x410FC241, dwt_locked=False, caches=False),
        plain={0x40013800: 0x400},  # SYSCFG
        backup=(0x40002800,),  # RTC with its backup registers
    )


_F401 = _f4("STM32F401", {0: 60, 1: 60, 2: 84, 3: 84}, {}, 2)
_F469 = _f4("STM32F42/F46", {0: 120, 1: 120, 2: 144, 3: 168}, {2: 168, 3: 180}, 3)
_F7 = Family(
    name="STM32F7",
    tree=_f4_f7_tree,
    rcc=0x40023800,
    power=0x40007000,
    power_enable=(0x40, 28),
    scales={
        code: Scale(f"VOS {code:#x}", mhz * MHZ, _F4_WAITS)
        for code, mhz in ((0, 144), (1, 144), (2, 168), (3, 180))
    },
    overdrive={2: Scale("VOS 0x2 OD", 180 * MHZ, _F4_WAITS), 3: Scale("VOS 0x3 OD", 216 * MHZ, _F4_WAITS)},
    power_reset=0xC000,
    flash=0x40023C00,
    flash_reset=0,
    gpio=0x40020000,
    gpio_enable=0x30,
    gpio_reset=_F4_GPIO_RESET,
    gpio_reset_other=0,
    usarts={
        "USART1": _f7_usart(0x40011000, (0x44, 4), "APB2", 0),
        "USART2": _f7_usart(0x40004400, (0x40, 17), "APB1", 2),
        "USART3": _f7_usart(0x40004800, (0x40, 18), "APB1", 4),
        "USART6": _f7_usart(0x40011400, (0x44, 5), "APB2", 10),
    },
    timers={_TIMERS[0]: (0x40, 0), _TIMERS[1]: (0x40, 3)},
    watchdog=0x40003000,
    idcode=0xE0042000,
    revision=0x1001,
    identity=Identity(0x411FC270, dwt_locked=True, caches=True),
    plain={0x40013800: 0x400},
    backup=(0x40002800,),
)

# --- STM32L4 (RM0351) and L4+ (RM0432) --------------------------------------------------------------------

_MSI_HZ = tuple(
    round(mhz * MHZ) for mhz in (0.1, 0.2, 0.4, 0.8, 1, 2, 4, 8, 16, 24, 32, 48)
)  # RCC_CR, MSIRANGE


def _l4_msi(registers: Registers) -> int:
    # MSIRANGE counts with MSIRGSEL; else the range after reset, 4 MHz
    code = _bits(registers, 0x00, 4, 4) if _bits(registers, 0x00, 3, 1) else 6
    return _MSI_HZ[min(code, len(_MSI_HZ) - 1)]


def _l4_pll(m_bits: int) -> Callable[[Registers], Pll]:
    def pll(registers: Registers) -> Pll:
        return Pll(
            (None, "MSI", "HSI", "HSE")[_bits(registers, 0x0C, 0, 2)],
            divider=_bits(registers, 0x0C, 4, m_bits) + 1,
            input_hz=(2_660_000, 16 * MHZ),  # datasheets; 4 MHz is their lower end for L475
            multiplier=_bits(registers, 0x0C, 8, 7),
            vco_hz=(64 * MHZ, 344 * MHZ),
            output_divider=2 * (_bits(registers, 0x0C, 25, 2) + 1) if _bits(registers, 0x0C, 24, 1) else None,
        )

    return pll


def _l4_tree(m_bits: int) -> Callable[[int], ClockTree]:
    def tree(hse_hz: int) -> ClockTree:
        return ClockTree(
            reset={0x00: 0x63, 0x0C: 0x1000, 0x48: 0x100, 0x94: 0x600},
            oscillators=(
                Oscillator("MSI", 0, 1, _l4_msi),
                Oscillator("HSI", 8, 10, _fixed(16 * MHZ)),
                Oscillator("HSE", 16, 17, _fixed(hse_hz)),
            ),
            at_reset="MSI",
            pll=_l4_pll(m_bits),
            pll_locked={0x0C: ~(1 << 16 | 1 << 20 | 1 << 24)},  # all but the outputs' switches
            switch=ClockSwitch(0x08, 3, 2, ("MSI", "HSI", "HSE", "PLL")),
            core_divider=lambda registers: _ahb(_bits(registers, 0x08, 4, 4)),
            bus_divider=_no_division,
            apb_dividers=lambda registers: {
                "APB1": _apb(_bits(registers, 0x08, 8, 3)),
                "APB2": _apb(_bits(registers, 0x08, 11, 3)),
            },
            cause_offset=0x94,
            cause_clear_bit=23,
            causes={
                ResetCause.POWER: 0x0C000000,
                ResetCause.PIN: 1 << 26,
                ResetCause.SOFTWARE: 1 << 28 | 1 << 26,
                ResetCause.WATCHDOG: 1 << 29 | 1 << 26,
            },
        )

    return tree


def _l4(
    name: str, m_bits: int, scales: dict[int, Scale], fifo_bytes: int, gpio_reset: dict[str, int]
) -> Family:
    def usart(base: int, enable: tuple[int, int], bus: str, at: int, kind: Kind = Kind.NEW) -> UsartPlace:
        return UsartPlace(base, enable, kind, fifo_bytes, (bus, "SYSCLK", "HSI", None), (0x88, at, 2))

    return Family(
        name=name,
        tree=_l4_tree(m_bits),
        rcc=0x40021000,
        power=0x40007000,
        power_enable=(0x58, 28),
        scales=scales,
        overdrive={},
        power_reset=0,
        flash=0x40022000,
        flash_reset=0x600,
        gpio=0x48000000,
        gpio_enable=0x4C,
        gpio_reset=gpio_reset,
        gpio_reset_other=0xFFFFFFFF,
        usarts={
            "USART1": usart(0x40013800, (0x60, 14), "APB2", 0),
            "USART2": usart(0x40004400, (0x58, 17), "APB1", 2),
            "USART3": usart(0x40004800, (0x58, 18), "APB1", 4),
            "LPUART1": usart(0x40008000, (0x5C, 0), "APB1", 10, Kind.LOW_POWER),
        },
        timers={_TIMERS[0]: (0x58, 0), _TIMERS[1]: (0x58, 3)},
        watchdog=0x40003000,
        idcode=0xE0042000,
        revision=0x1000,
        identity=Identity(0x410FC241, dwt_locked=False, caches=False),
        plain={0x40010000: 0x400},  # SYSCFG
        backup=(0x40002800,),
    )


_L4_GPIO_RESET = {"A": 0xABFFFFFF, "B": 0xFFFFFEBF, "H": 0x0000000F}
_LOW = Scale("range 2", 26 * MHZ, _steps(6, 12, 18, 26))
_L4X5 = _l4(
    "STM32L47", 3, {1: Scale("range 1", 80 * MHZ, _steps(16, 32, 48, 64, 80)), 2: _LOW}, 0, _L4_GPIO_RESET
)
_L4_PLUS = _l4(
    "STM32L4+",
    4,
    {
        1: Scale("range 1", 80 * MHZ, _steps(20, 40, 60, 80)),
        2: Scale("range 2", 26 * MHZ, _steps(8, 16, 26)),
        0: Scale("range 1 boost", 120 * MHZ, _steps(20, 40, 60, 80, 100, 120)),
    },
    8,
    _L4_GPIO_RESET,
)

# --- STM32U5 (RM0456) -------------------------------------------------------------------------------------

_MSIS_HZ = tuple(
    round(mhz * MHZ)
    for mhz in (48, 24, 16, 12, 4, 2, 1.33, 1, 3.072, 1.536, 1.024, 0.768, 0.4, 0.2, 0.133, 0.1)
)  # RCC_ICSCR1, MSISRANGE


def _u5_msi(registers: Registers) -> int:
    selected = _bits(registers, 0x08, 23, 1)  # MSIRGSEL; else the range after reset, 4 MHz
    return _MSIS_HZ[_bits(registers, 0x08, 28, 4) if selected else 4]


def _u5_pll(registers: Registers) -> Pll:
    fraction = _bits(registers, 0x38, 3, 13) / 8192 if _bits(registers, 0x28, 4, 1) else 0.0
    low, high = ((4 * MHZ, 8 * MHZ), (4 * MHZ, 8 * MHZ), (4 * MHZ, 8 * MHZ), (8 * MHZ, 16 * MHZ))[
        _bits(registers, 0x28, 2, 2)
    ]
    return Pll(
        (None, "MSIS", "HSI", "HSE")[_bits(registers, 0x28, 0, 2)],
        divider=_bits(registers, 0x28, 8, 4) + 1,
        input_hz=(low, high),
        multiplier=_bits(registers, 0x34, 0, 9) + 1 + fraction,
        vco_hz=(128 * MHZ, 544 * MHZ),
        output_divider=_bits(registers, 0x34, 24, 7) + 1 if _bits(registers, 0x28, 18, 1) else None,
        q_divider=_bits(registers, 0x34, 16, 7) + 1 if _bits(registers, 0x28, 17, 1) else None,
    )


def _u5_tree(hse_hz: int) -> ClockTree:
    return ClockTree(
        reset={0x00: 0x35, 0x08: 0x44000000, 0x34: 0x01010280, 0x88: 0xD0200100, 0x8C: 0xC0000000},
        oscillators=(
            Oscillator("MSIS", 0, 2, _u5_msi),
            Oscillator("HSI", 8, 10, _fixed(16 * MHZ)),
            Oscillator("HSE", 16, 17, _fixed(hse_hz)),
        ),
        at_reset="MSIS",
        pll=_u5_pll,
        pll_locked={0x34: 0xFFFFFFFF},
        switch=ClockSwitch(0x1C, 3, 2, ("MSIS", "HSI", "HSE", "PLL")),
        core_divider=lambda registers: _ahb(_bits(registers, 0x20, 0, 4)),
        bus_divider=_no_division,
        apb_dividers=lambda registers: {
            "APB1": _apb(_bits(registers, 0x20, 4, 3)),
            "APB2": _apb(_bits(registers, 0x20, 8, 3)),
            "APB3": _apb(_bits(registers, 0x24, 4, 3)),
        },
        cause_offset=0xF4,
        cause_clear_bit=23,
        causes={
            ResetCause.POWER: 0x0C000000,
            ResetCause.PIN: 1 << 26,
            ResetCause.SOFTWARE: 1 << 28 | 1 << 26,
            ResetCause.WATCHDOG: 1 << 29 | 1 << 26,
        },
    )


def _u5_usart(
    base: int, enable: tuple[int, int], bus: str, select: tuple[int, int, int], kind: Kind = Kind.NEW
) -> UsartPlace:
    return UsartPlace(base, enable, kind, 8, (bus, "SYSCLK", "HSI", None), select)


_U5 = Family(
    name="STM32U5",
    tree=_u5_tree,
    rcc=0x46020C00,
    power=0x46020800,
    power_enable=(0x94, 2),
    scales={
        0: Scale("range 4", 25 * MHZ, _steps(12, 25)),
        1: Scale("range 3", 55 * MHZ, _steps(24, 48, 55)),
        2: Scale("range 2", 110 * MHZ, _steps(30, 60, 90, 110)),
        3: Scale("range 1", 160 * MHZ, _steps(32, 64, 96, 128, 160)),
    },
    overdrive={},
    power_reset=0,
    flash=0x40022000,
    flash_reset=0x1,
    gpio=0x42020000,
    gpio_enable=0x8C,
    gpio_reset={"A": 0xABFFFFFF, "B": 0xFFFFFEBF, "H": 0x0000000F},
    gpio_reset_other=0xFFFFFFFF,
    usarts={
        "USART1": _u5_usart(0x40013800, (0xA4, 14), "APB2", (0xE0, 0, 2)),
        "USART2": _u5_usart(0x40004400, (0x9C, 17), "APB1", (0xE0, 2, 2)),
        "USART3": _u5_usart(0x40004800, (0x9C, 18), "APB1", (0xE0, 4, 2)),
        "LPUART1": _u5_usart(0x46002400, (0xA8, 6), "APB3", (0xE8, 0, 3), Kind.LOW_POWER),
    },
    timers={_TIMERS[0]: (0x9C, 0), _TIMERS[1]: (0x9C, 3)},
    watchdog=0x40003000,
    idcode=0xE0044000,
    revision=0x3001,
    identity=Identity(0x410FD214, dwt_locked=False, caches=False),
    plain={0x40030400: 0x400, 0x40030800: 0x400, 0x46000400: 0x400},  # ICACHE, DCACHE1, SYSCFG
    backup=(0x46007C00,),  # TAMP with its backup registers
)

# --- STM32H7: H743, H747 (RM0433, RM0399) and H7A3 (RM0455) -----------------------------------------------


def _h7_pll(registers: Registers) -> Pll:
    ranges = ((1, 2), (2, 4), (4, 8), (8, 16))
    low, high = ranges[_bits(registers, 0x2C, 2, 2)]
    medium = _bits(registers, 0x2C, 1, 1)
    fraction = _bits(registers, 0x34, 3, 13) / 8192 if _bits(registers, 0x2C, 0, 1) else 0.0
    return Pll(
        ("HSI", "CSI", "HSE", None)[_bits(registers, 0x28, 0, 2)],
        divider=_bits(registers, 0x28, 4, 6),
        input_hz=(low * MHZ, high * MHZ),
        multiplier=_bits(registers, 0x30, 0, 9) + 1 + fraction,
        vco_hz=(150 * MHZ, 420 * MHZ) if medium else (128 * MHZ, 960 * MHZ),
        output_divider=_bits(registers, 0x30, 9, 7) + 1 if _bits(registers, 0x2C, 16, 1) else None,
        q_divider=_bits(registers, 0x30, 16, 7) + 1 if _bits(registers, 0x2C, 17, 1) else None,
    )


def _h7_alias(offset: int) -> int:
    """The registers of the core that asks (0x130 on) are those at 0xD0 on (RM0433, RCC register map)."""
    return offset - 0x60 if 0x130 <= offset <= 0x15C else offset


def _h7_tree(alias: Callable[[int], int]) -> Callable[[int], ClockTree]:
    def tree(hse_hz: int) -> ClockTree:
        return ClockTree(
            reset={0x00: 0x83, 0x28: 0x02020200, 0x2C: 0x01FF0000, 0x30: 0x01010280},
            oscillators=(
                Oscillator("HSI", 0, 2, lambda registers: 64 * MHZ >> _bits(registers, 0x00, 3, 2)),
                Oscillator("CSI", 7, 8, _fixed(4 * MHZ)),
                Oscillator("HSE", 16, 17, _fixed(hse_hz)),
            ),
            at_reset="HSI",
            pll=_h7_pll,
            pll_locked={0x28: 0xFFFFFFFF, 0x30: 0xFFFFFFFF},
            switch=ClockSwitch(0x10, 7, 3, ("HSI", "CSI", "HSE", "PLL")),
            core_divider=lambda registers: _ahb(_bits(registers, 0x18, 8, 4)),
            bus_divider=lambda registers: _ahb(_bits(registers, 0x18, 0, 4)),
            apb_dividers=lambda registers: {
                "APB1": _apb(_bits(registers, 0x1C, 4, 3)),
                "APB2": _apb(_bits(registers, 0x1C, 8, 3)),
                "APB3": _apb(_bits(registers, 0x18, 4, 3)),
                "APB4": _apb(_bits(registers, 0x20, 4, 3)),
            },
            cause_offset=alias(0x130),
            cause_clear_bit=16,
            causes={
                ResetCause.POWER: 0x00FA0000,
                ResetCause.PIN: 1 << 22 | 1 << 17,
                ResetCause.SOFTWARE: 1 << 24 | 1 << 22 | 1 << 17,
                ResetCause.WATCHDOG: 1 << 26 | 1 << 22 | 1 << 17,
            },
            aliases=alias,
        )

    return tree


def _h7(
    name: str, alias: Callable[[int], int], scales: dict[int, Scale], reset_vos: int, revision: int
) -> Family:
    clocks = (None, "PLLQ", None, "HSI", "CSI", None)

    def usart(base: int, enable: tuple[int, int], bus: str, at: int) -> UsartPlace:
        return UsartPlace(base, enable, Kind.NEW, 16, (bus, *clocks[1:]), (0x54, at, 3))

    return Family(
        name=name,
        tree=_h7_tree(alias),
        rcc=0x58024400,
        power=0x58024800,
        power_enable=None,
        scales=scales,
        overdrive={},
        power_reset=reset_vos,
        flash=0x52002000,
        flash_reset=0x37,
        gpio=0x58020000,
        gpio_enable=0x140,
        gpio_reset={"A": 0xABFFFFFF, "B": 0xFFFFFEBF},
        gpio_reset_other=0xFFFFFFFF,
        usarts={
            "USART1": usart(0x40011000, (0x150, 4), "APB2", 3),
            "USART2": usart(0x40004400, (0x148, 17), "APB1", 0),
            "USART3": usart(0x40004800, (0x148, 18), "APB1", 0),
            "USART6": usart(0x40011400, (0x150, 5), "APB2", 3),
        },
        timers={_TIMERS[0]: (0x148, 0), _TIMERS[1]: (0x148, 3)},
        watchdog=0x58004800,
        idcode=0x5C001000,
        revision=revision,
        identity=Identity(0x411FC271, dwt_locked=True, caches=True),
        plain={0x58000400: 0x400},  # SYSCFG
        backup=(0x58004000,),
    )


def _same(offset: int) -> int:
    return offset


_H74 = _h7(
    "STM32H74",
    _h7_alias,
    {
        0: Scale("VOS3", 200 * MHZ, _steps(45, 90, 135, 180, 225)),
        1: Scale("VOS3", 200 * MHZ, _steps(45, 90, 135, 180, 225)),
        2: Scale("VOS2", 300 * MHZ, _steps(55, 110, 165, 225)),
        3: Scale("VOS1", 400 * MHZ, _steps(70, 140, 210, 225)),
        4: Scale("VOS0", 480 * MHZ, _steps(70, 140, 210, 225, 240)),
    },
    1,
    0x2003,
)
_H7A3 = _h7(
    "STM32H7A3",
    _same,  # one core: the registers are at 0x130 on only (RM0455)
    {
        0: Scale("VOS3", 88 * MHZ, _steps(22, 44, 66, 88)),
        1: Scale("VOS2", 160 * MHZ, _steps(34, 68, 102, 136, 160)),
        2: Scale("VOS1", 225 * MHZ, _steps(38, 76, 114, 152, 190, 225)),
        3: Scale("VOS0", 280 * MHZ, _steps(42, 84, 126, 168, 210, 252, 280)),
    },
    0,
    0x1000,
)

# By DBGMCU_IDCODE (reference manuals; AN2606).
BY_CHIP_ID = {
    0x433: _F401,
    0x434: _F469,
    0x449: _F7,
    0x451: _F7,
    0x415: _L4X5,
    0x470: _L4_PLUS,
    0x482: _U5,
    0x450: _H74,
    0x480: _H7A3,
}
