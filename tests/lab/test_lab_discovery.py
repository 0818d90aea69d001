"""Connected boards are found by the USB ids of their probes."""

from collections.abc import Callable

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from benchrunner.board import load_board
from benchrunner.errors import LabError, UsageError
from benchrunner.lab import FoundPort, Place, find_port, find_ports, port_of

H747 = load_board("stm32h747i-disco")  # STLINK-V3E
F769 = load_board("stm32f769i-disco")  # ST-LINK/V2-1


def port(device: str, usb_id: str | None = None, serial: str | None = None) -> ListPortInfo:
    info = ListPortInfo(device)
    if usb_id is not None:
        vendor, _, product = usb_id.partition(":")
        info.vid, info.pid, info.serial_number = int(vendor, 16), int(product, 16), serial
    return info


def lister(*ports: ListPortInfo) -> Callable[[], list[ListPortInfo]]:
    return lambda: list(ports)


V3 = port("/dev/ttyACM1", "0483:374e", "0031002F3438")
V3_WITHOUT_DISK = port("/dev/ttyACM0", "0483:3754", "003B00194741")
V21 = port("/dev/ttyACM2", "0483:374b", "066DFF485550")
FTDI = port("/dev/ttyUSB0", "0403:6001", "A50285BI")
ON_BOARD = port("/dev/ttyS0")


def test_only_ports_with_an_id_of_the_board_are_found_in_order() -> None:
    found = find_ports(H747, lister(V3, FTDI, V21, ON_BOARD, V3_WITHOUT_DISK))
    assert found == [
        FoundPort("/dev/ttyACM0", "0483:3754", "003B00194741"),
        FoundPort("/dev/ttyACM1", "0483:374e", "0031002F3438"),
    ]
    assert [each.device for each in find_ports(F769, lister(V3, V21))] == ["/dev/ttyACM2"]


def test_the_one_board_that_is_connected_is_taken() -> None:
    assert find_port(F769, lister=lister(V3, V21, ON_BOARD)).device == "/dev/ttyACM2"


def test_no_board_is_an_error_that_says_what_was_looked_for_and_names_the_simulated_board() -> None:
    with pytest.raises(LabError) as caught:
        find_port(F769, lister=lister(FTDI, ON_BOARD))
    assert caught.value.message == (
        "board stm32f769i-disco: expected a serial port with USB id 0483:374b or 0483:3752, found "
        "/dev/ttyS0 (not USB), /dev/ttyUSB0 (USB id 0403:6001, probe serial A50285BI)"
    )
    assert "--sim" in caught.value.hint


def test_a_computer_without_serial_ports_is_told_so() -> None:
    with pytest.raises(LabError, match="found no serial port at all"):
        find_port(H747, lister=lister())


def test_several_boards_are_listed_with_their_probe_serials() -> None:
    with pytest.raises(LabError) as caught:
        find_port(H747, lister=lister(V3, V3_WITHOUT_DISK))
    assert (
        "found 2: /dev/ttyACM0 (USB id 0483:3754, probe serial 003B00194741), /dev/ttyACM1"
        in caught.value.message
    )
    assert caught.value.hint == "name the one you mean with --port, or its probe_serial in lab.toml"


def test_the_probe_serial_picks_one_of_several_whatever_its_case() -> None:
    assert (
        find_port(H747, probe_serial="003b00194741", lister=lister(V3, V3_WITHOUT_DISK)).device
        == "/dev/ttyACM0"
    )


def test_a_probe_that_is_not_connected_is_named_in_the_error() -> None:
    with pytest.raises(LabError, match="probe serial FFFF, found /dev/ttyACM1"):
        find_port(H747, probe_serial="FFFF", lister=lister(V3))


def test_the_port_of_a_place_is_the_written_one_and_nothing_is_looked_for() -> None:
    def refuse() -> list[ListPortInfo]:
        raise AssertionError("ports were listed")

    written = Place("stm32h747i-disco", port="rfc2217://rack:4001", probe_serial="0031002F3438")
    assert port_of(written, H747, refuse) == "rfc2217://rack:4001"


def test_the_port_of_a_place_follows_its_probe() -> None:
    by_probe = Place("stm32h747i-disco", probe_serial="0031002F3438")
    assert port_of(by_probe, H747, lister(V3, V3_WITHOUT_DISK)) == "/dev/ttyACM1"


def test_a_linux_board_has_no_serial_port_to_look_for() -> None:
    with pytest.raises(UsageError, match="runs Linux"):
        find_ports(load_board("stm32mp257f-dk"), lister(V3))


def test_the_ports_of_this_computer_can_be_listed() -> None:
    ids = {(0x0483, 0x374E), (0x0483, 0x3754), (0x0483, 0x3753)}
    expected = sorted(info.device for info in list_ports.comports() if (info.vid, info.pid) in ids)
    assert [each.device for each in find_ports(H747)] == expected
