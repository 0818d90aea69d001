"""Images on the emulated STM32H747: what silicon accepts runs, what it does not sticks."""

from __future__ import annotations

from pathlib import Path

import pytest
from emulated import LINE, Host, compile_image, make

from benchrunner.board import load_board
from benchrunner.emulator.board import EmulatedFirmware, emulated_board
from benchrunner.errors import UsageError
from benchrunner.image import EMULATED_UID
from benchrunner.simulator.board import Boot, Mode
from benchrunner.simulator.faults import Faults
from benchrunner.simulator.uart import LineFormat
from benchrunner.transport import Parity

ECHO = "for (;;) put((uint8_t)(get() + 1));"
RCC = 0x58024400


def image(tmp_path: Path, body: str, before: str = "") -> bytes:
    return compile_image(f'#include "h747.h"\n{before}\nint main(void) {{ {body} }}\n', tmp_path)


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]


def stuck_at(body: str, tmp_path: Path, faults: Faults | None = None) -> int:
    """The address that a program which goes nowhere keeps reading."""
    host, firmware = make(image(tmp_path, body), faults=faults)
    assert host.run(slices=2) == b""
    assert host.sim.next_output_in_s() == 0.0, "it did not stop by itself"
    assert not firmware.faults
    assert firmware.machine is not None
    return firmware.machine.bus.last_read


def test_an_image_sets_its_clock_up_and_echoes(tmp_path: Path) -> None:
    host, firmware = make(image(tmp_path, f"start(); put('!'); {ECHO}"))
    assert host.run() == b"!"
    assert firmware.machine is not None
    assert firmware.machine.rcc.core_hz == 400_000_000
    assert host.say(bytes(range(256))) == bytes((byte + 1) % 256 for byte in range(256))
    assert firmware.faults == []


def test_two_runs_count_the_same_and_a_known_loop_counts_what_it_has(tmp_path: Path) -> None:
    body = """
        start(); counter_up();
        uint32_t before = DWT_CYCCNT;
        __asm volatile("movw r3, #10000\\n1: subs r3, #1\\n bne 1b" ::: "r3", "cc");
        put_word(DWT_CYCCNT - before);
        before = DWT_CYCCNT;
        __asm volatile("movw r3, #20000\\n1: subs r3, #1\\n bne 1b" ::: "r3", "cc");
        put_word(DWT_CYCCNT - before);
        for (;;) get();
    """
    found = []
    for _ in range(2):
        host, _ = make(image(tmp_path, body))
        found.append(words(host.run()))
    assert found[0] == found[1]
    assert found[0][1] - found[0][0] == 2 * 10_000
    assert 20_001 <= found[0][0] < 20_020


def test_the_counter_in_python_counts_what_the_native_one_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchrunner.emulator import native

    code = image(
        tmp_path,
        "start(); counter_up(); for (volatile int i = 0; i < 99; i++); put_word(DWT_CYCCNT); for (;;) get();",
    )
    host, firmware = make(code)
    said = host.run()
    assert firmware.machine is not None
    assert firmware.machine.core.counter.native, "the C compiler of this machine should have been used"
    monkeypatch.setattr(native, "library", lambda: None)
    host, firmware = make(code)
    assert host.run() == said
    assert firmware.machine is not None
    assert not firmware.machine.core.counter.native


CHANGING_CODE = """
    static uint16_t code[8] __attribute__((aligned(4)));
    static uint32_t call(void) {
        __asm volatile("dsb\\n isb" ::: "memory");
        return ((uint32_t (*)(void))((uintptr_t)code | 1u))();
    }
    static void change(uint16_t to) {
        *(volatile uint16_t *)code = to;                 /* movs r0, #to */
        *((volatile uint16_t *)code + 1) = 0x4770u;      /* bx lr */
    }
"""


@pytest.mark.parametrize("compiler", ["", "none"])
def test_code_in_ram_that_is_changed_runs_as_it_is_now(
    compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page holds data before and between: first stores go the fast way, later ones must not."""
    from benchrunner.emulator import native

    if compiler:
        monkeypatch.setattr(native, "library", lambda: None)
    body = """
        start();
        for (uint32_t i = 0; i < 100u; i++) {
            change(0x2000u | i);
            uint32_t said = call();
            for (volatile uint32_t n = 0; n < 50u; n++) { code[4] = (uint16_t)n; }
            put((uint8_t)(said == i));
        }
        put('!'); for (;;) get();
    """
    host, firmware = make(image(tmp_path, body, before=CHANGING_CODE))
    assert host.run() == b"\x01" * 100 + b"!"
    assert firmware.faults == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("pll_up(); buses(); switch_to_pll();", "core clock 400000000 Hz above the 200000000 Hz of VOS3"),
        (
            "supply_up(); pll_up(); FLASH_ACR = 1u; buses(); switch_to_pll();",
            "flash read at 200000000 Hz, VOS1 with 1 wait states allows 140000000 Hz",
        ),
        (
            "start(); FLASH_ACR = 0u;",
            "flash read at 200000000 Hz, VOS1 with 0 wait states allows 70000000 Hz",
        ),
        (
            "start(); REG(RCC + 0x18) = 0u;",
            "flash read at 400000000 Hz, VOS1 with 2 wait states allows 210000000 Hz",
        ),
    ],
    ids=["voltage", "wait states", "wait states afterwards", "bus divider"],
)
def test_a_clock_that_flash_or_voltage_do_not_allow_ends_the_program(
    tmp_path: Path, body: str, reason: str
) -> None:
    host, firmware = make(image(tmp_path, f"{body} uart_up(); put('!'); for (;;) get();"))
    assert host.run() == b""
    assert [fault.kind for fault in firmware.faults] == [reason]


def test_the_pll_locks_only_from_a_source_that_runs(tmp_path: Path) -> None:
    body = """
        REG(RCC + 0x28) = 2u | 5u << 4; REG(RCC + 0x2C) = 2u << 2 | 7u << 16;
        REG(RCC + 0x30) = 159u | 1u << 9 | 3u << 16 | 1u << 24;
        REG(RCC) |= 1u << 24;
        while (!(REG(RCC) & 1u << 25)) {}
    """
    assert stuck_at(body, tmp_path) == RCC


def test_a_pll_out_of_its_range_never_locks(tmp_path: Path) -> None:
    body = """
        REG(RCC) |= 1u << 16;
        while (!(REG(RCC) & 1u << 17)) {}
        REG(RCC + 0x28) = 2u | 1u << 4;
        REG(RCC + 0x2C) = 2u << 2 | 7u << 16;
        REG(RCC) |= 1u << 24;
        while (!(REG(RCC) & 1u << 25)) {}
    """
    assert stuck_at(body, tmp_path) == RCC


def test_the_switch_waits_for_a_source_that_is_ready(tmp_path: Path) -> None:
    body = "REG(RCC + 0x10) = 2u; while ((REG(RCC + 0x10) >> 3 & 7u) != 2u) {}"
    assert stuck_at(body, tmp_path) == RCC + 0x10


def test_a_dead_crystal_never_becomes_ready(tmp_path: Path) -> None:
    assert stuck_at("start();", tmp_path, Faults(dead_crystal=True)) == RCC


def test_the_voltage_is_ready_only_with_the_supply_that_the_board_has(tmp_path: Path) -> None:
    body = "REG(PWR + 0x0C) = 2u; while (!(REG(PWR + 0x04) & 1u << 13)) {}"  # LDO; the board has the SMPS
    assert stuck_at(body, tmp_path) == 0x58024804


@pytest.mark.parametrize(
    "missing",
    ["REG(RCC + 0xF0) = 0;", "REG(USART1) = 0x5u;", "REG(USART1) = 0xCu;", "REG(GPIOA) = 0xABFFFFFFu;"],
    ids=["clock", "TE", "UE", "pins"],
)
def test_a_usart_without_one_of_its_conditions_says_nothing(tmp_path: Path, missing: str) -> None:
    host, _ = make(image(tmp_path, f"start(); {missing} REG(USART1 + 0x28) = '!'; for (;;) get();"))
    assert host.run(slices=3) == b""


def test_a_program_that_looks_at_the_line_while_it_computes_is_not_waiting(tmp_path: Path) -> None:
    body = """
        start();
        for (int look = 0; look < 500; look++) {
            (void)REG(0x4001101C);
            for (volatile int i = 0; i < 100; i++) {}
        }
        put('!'); for (;;) get();
    """
    host, _ = make(image(tmp_path, body))
    assert host.run() == b"!"


def test_a_wrong_divider_is_heard_as_garbage(tmp_path: Path) -> None:
    code = image(
        tmp_path,
        "start(); REG(USART1) = 0; REG(USART1 + 0x0C) = 434u; REG(USART1) = 0xDu; put('!'); for (;;) get();",
    )
    host, _ = make(code)
    assert host.run() not in (b"", b"!")
    host, _ = make(code, line=LineFormat(230_400, Parity.NONE))
    assert host.run() == b"!"


def test_the_divider_cannot_be_changed_while_the_usart_is_on(tmp_path: Path) -> None:
    host, _ = make(image(tmp_path, "start(); REG(USART1 + 0x0C) = 434u; put('!'); for (;;) get();"))
    assert host.run() == b"!"


def test_a_receiver_that_is_not_polled_loses_bytes_to_an_overrun(tmp_path: Path) -> None:
    body = """
        start();
        get();
        for (volatile uint32_t i = 0; i < 400000u; i++) {}  /* about 6 ms: 70 byte times */
        uint32_t overrun = REG(USART1 + 0x1C) >> 3 & 1u;
        REG(USART1 + 0x20) = 8u;
        uint32_t count = 0;
        while (REG(USART1 + 0x1C) & 1u << 5) { (void)REG(USART1 + 0x24); count++; }
        put((uint8_t)(overrun << 7 | count));
        for (;;) get();
    """
    host, firmware = make(image(tmp_path, body))
    host.run()
    assert host.say(bytes(40)) == bytes([0x80 | 16]), "the FIFO holds 16, the rest is lost"
    assert firmware.machine is not None
    assert firmware.machine.usart.overruns == 23


@pytest.mark.parametrize(
    ("setup", "runs"),
    [
        ("DEMCR |= 1u << 24; DWT_LAR = 0xC5ACCE55u; DWT_CTRL |= 1u;", True),
        ("DEMCR |= 1u << 24; DWT_CTRL |= 1u;", False),
        ("DWT_LAR = 0xC5ACCE55u; DWT_CTRL |= 1u;", False),
        ("DEMCR |= 1u << 24; DWT_LAR = 0xC5ACCE55u;", False),
        ("DEMCR |= 1u << 24; DWT_LAR = 0x12345678u; DWT_CTRL |= 1u;", False),
        ("counter_up(); DEMCR = 0;", False),
    ],
    ids=["all", "locked", "no trace", "not enabled", "wrong key", "trace off again"],
)
def test_the_counter_runs_only_when_all_three_switches_are_set(
    tmp_path: Path, setup: str, runs: bool
) -> None:
    body = f"start(); {setup} uint32_t before = DWT_CYCCNT; put_word(DWT_CYCCNT - before); for (;;) get();"
    host, _ = make(image(tmp_path, body))
    assert (words(host.run())[0] > 0) is runs


def test_a_frozen_counter_is_a_fault_that_can_be_played(tmp_path: Path) -> None:
    host, _ = make(
        image(tmp_path, "start(); counter_up(); put_word(DWT_CYCCNT); for (;;) get();"),
        faults=Faults(frozen_counter=True),
    )
    assert words(host.run()) == [0]


FAULT_HANDLER = """
static void report(uint32_t *frame) {
    put_word(frame[6]); put_word(REG(0xE000ED28u)); put_word(REG(0xE000ED2Cu)); put_word(REG(0xE000ED38u));
    for (;;) get();
}
__attribute__((naked)) void hard_fault(void) { __asm volatile("mrs r0, msp\\n b %c0" :: "i"(report)); }
"""


@pytest.mark.parametrize(
    ("cause", "kind", "cfsr", "address"),
    [
        ("(void)REG(0x0u);", "read from unmapped memory", 0x8200, 0),
        ("REG(0x60000000u) = 1;", "write to unmapped memory", 0x8200, 0x60000000),
        ("REG(0x08000000u) = 1;", "write to read-only memory", 0x8200, 0x08000000),
        ("(void)REG(0x50000000u);", "access to an address where no peripheral is", 0x8200, 0x50000000),
        ('__asm volatile("udf #0");', "invalid instruction", 0x10000, None),
        ("((void (*)(void))0x60000001u)();", "jump to unmapped memory", 0x100, 0x60000000),
    ],
)
def test_a_fault_reaches_the_handler_of_the_image_and_the_host(
    tmp_path: Path, cause: str, kind: str, cfsr: int, address: int | None
) -> None:
    host, firmware = make(image(tmp_path, f"start(); {cause} for (;;) get();", FAULT_HANDLER))
    pc, status, hard, bus_address = words(host.run())
    [fault] = firmware.faults
    assert fault.kind == kind
    assert fault.address == address
    assert fault.pc == pc
    assert f"{kind}" in str(fault)
    assert f"pc {pc:#010x}" in str(fault)
    assert (status, hard) == (cfsr, 1 << 30)
    if status & 1 << 15:
        assert bus_address == address


def test_a_fault_in_the_handler_locks_the_core_up(tmp_path: Path) -> None:
    handler = "void hard_fault(void) { (void)REG(0x0u); }"
    host, firmware = make(image(tmp_path, "start(); (void)REG(0x0u); put('!');", handler))
    assert host.run() == b""
    assert len(firmware.faults) == 2
    host.sim.set_lines(boot0=False, reset=True)
    host.sim.set_lines(boot0=False, reset=False)
    host.run()
    assert len(firmware.faults) == 4, "a reset starts it again"


BOOT_REPORT = """
    static uint32_t kept __attribute__((section(".noinit")));
    static uint32_t zeroed;
"""


def test_memory_that_is_not_initialised_survives_resets_and_is_noise_at_power_on(tmp_path: Path) -> None:
    body = """
        start();
        put_word(kept); put_word(zeroed); put_word(REG(RCC + 0xD0));
        kept = 0x600DF00Du; zeroed = 7;
        REG(RCC + 0xD0) = 1u << 16;
        for (;;) if (get() == 'R') REG(0xE000ED0Cu) = 0x05FA0004u;
    """
    host, _ = make(image(tmp_path, body, BOOT_REPORT))
    first = words(host.run())
    assert first[0] not in (0, 0x600DF00D)
    assert first[1] == 0
    assert first[2] & 1 << 23, "power-on"
    assert words(host.say(b"R")) == [0x600DF00D, 0, 1 << 24 | 1 << 22 | 1 << 17]
    host.sim.set_lines(boot0=False, reset=True)
    host.sim.set_lines(boot0=False, reset=False)
    assert words(host.run()) == [0x600DF00D, 0, 1 << 22 | 1 << 17]
    host.sim.power_cycle()
    assert words(host.run()) == first


def test_a_jump_into_system_memory_starts_the_bootloader(tmp_path: Path) -> None:
    body = """
        start(); get();
        uint32_t entry = REG(0x1FF09804u);
        __asm volatile("msr msp, %0\\n bx %1" :: "r"(REG(0x1FF09800u)), "r"(entry));
    """
    host, firmware = make(image(tmp_path, body))
    host.run()
    assert host.sim.mode is Mode.APPLICATION
    host.say(b"x")
    assert host.sim.mode is Mode.ROM
    assert firmware.faults == []
    rom = Host(host.sim, LineFormat(115_200, Parity.EVEN))
    assert rom.say(b"\x7f") == b"\x79"


def test_a_watchdog_that_is_not_fed_resets_the_chip(tmp_path: Path) -> None:
    body = """
        start(); put_word(REG(RCC + 0xD0)); REG(RCC + 0xD0) = 1u << 16;
        get();
        REG(0x58004800u) = 0x5555u; REG(0x58004804u) = 0u; REG(0x58004808u) = 100u;
        REG(0x58004800u) = 0xCCCCu;
        for (;;) {}
    """
    host, _ = make(image(tmp_path, body))
    host.run()
    assert words(host.say(b"x"))[0] & 1 << 26


def test_the_unique_id_says_that_the_chip_is_emulated(tmp_path: Path) -> None:
    body = """
        start();
        for (uint32_t i = 0; i < 12; i++) put(*(volatile uint8_t *)(0x1FF1E800u + i));
        for (;;) get();
    """
    host, _ = make(image(tmp_path, body))
    assert host.run() == EMULATED_UID


def test_the_timer_counts_at_its_clock_and_the_chip_names_itself(tmp_path: Path) -> None:
    body = """
        start(); counter_up();
        REG(RCC + 0xE8) |= 1u; REG(0x40000028u) = 1u; REG(0x40000014u) = 1u; REG(0x40000000u) = 1u;
        uint32_t cycles = DWT_CYCCNT, ticks = REG(0x40000024u);
        for (volatile int i = 0; i < 10000; i++) {}
        put_word(DWT_CYCCNT - cycles); put_word(REG(0x40000024u) - ticks);
        put_word(REG(0x5C001000u) & 0xFFFu);
        for (;;) get();
    """
    host, _ = make(image(tmp_path, body))
    cycles, ticks, chip = words(host.run())
    assert abs(ticks - cycles / 4) <= 16, "200 MHz behind a divider of 2, of 400 MHz, to one block"
    assert chip == 0x450


def test_a_blank_chip_starts_its_bootloader_and_unknown_boards_are_refused() -> None:
    board = load_board("stm32h747i-disco")
    assert emulated_board(board).mode is Mode.ROM
    with pytest.raises(UsageError, match="only microcontroller boards"):
        EmulatedFirmware(load_board("stm32mp257f-dk"))


def test_go_starts_code_that_was_written_to_ram(tmp_path: Path) -> None:
    board = load_board("stm32h747i-disco")
    firmware = EmulatedFirmware(board)
    host = Host(emulated_board(board, boot=Boot.ROM, firmware=firmware), LineFormat(115_200, Parity.EVEN))
    assert host.say(b"\x7f") == b"\x79"

    def send(code: int, *fields: bytes) -> bytes:
        return host.say(bytes((code, code ^ 0xFF)) + b"".join(fields), slices=2)

    def checked(data: bytes) -> bytes:
        check = 0
        for byte in data:
            check ^= byte
        return data + bytes([check])

    # vectors, then: b . (one instruction that jumps to itself)
    base = 0x24000000
    code = (base + 0x1000).to_bytes(4, "little") + (base + 9).to_bytes(4, "little") + b"\xfe\xe7\x00\xbf"
    assert send(0x31, checked(base.to_bytes(4, "big")), checked(bytes([len(code) - 1]) + code)) == b"\x79" * 3
    assert send(0x21, checked(base.to_bytes(4, "big")))[:2] == b"\x79\x79"
    assert host.sim.mode is Mode.APPLICATION
    assert firmware.machine is not None
    assert firmware.machine.core.pc == base + 8
    assert firmware.machine.instructions > 1000


def test_a_line_with_faults_loses_bytes_of_the_real_firmware_too(tmp_path: Path) -> None:
    host, _ = make(image(tmp_path, f"start(); {ECHO}"), faults=Faults(drop_byte_every=10))
    host.run()
    assert len(host.say(bytes(100), slices=50)) == 81
    assert host.sim.transmit(LINE) == b""
