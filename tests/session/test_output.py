import struct

import pytest

from benchrunner.errors import OutputMismatchError
from benchrunner.session.output import compare_outputs


def check(device: bytes, reference: bytes, dtype: str = "int8", tolerance_lsb: int = 0):
    return compare_outputs(
        [device], [reference], [dtype], reference_name="oracle 1.0", tolerance_lsb=tolerance_lsb
    )


def test_equal_outputs_pass_and_are_counted() -> None:
    result = check(bytes([1, 2, 255]), bytes([1, 2, 255]))
    assert (result.max_difference_lsb, result.differing_values, result.values) == (0, 0, 3)
    assert result.output_sha256 == result.reference_sha256


def test_one_lsb_is_a_mismatch_when_bit_exactness_is_asked_for() -> None:
    with pytest.raises(
        OutputMismatchError, match=r"1 of 3 output values differ from oracle 1.0, by up to 1 LSB"
    ):
        check(bytes([1, 2, 3]), bytes([1, 2, 4]))


def test_the_first_wrong_value_is_named() -> None:
    with pytest.raises(OutputMismatchError, match=r"output 0\[1\]: device -1, reference 5"):
        check(bytes([1, 255, 3]), bytes([1, 5, 3]))


def test_a_stated_tolerance_is_kept_and_recorded() -> None:
    result = check(bytes([1, 255]), bytes([3, 1]), tolerance_lsb=2)
    assert (result.max_difference_lsb, result.differing_values, result.tolerance_lsb) == (2, 2, 2)
    with pytest.raises(OutputMismatchError):
        check(bytes([1, 255]), bytes([4, 1]), tolerance_lsb=2)


def test_extreme_int8_values_do_not_overflow_the_difference() -> None:
    with pytest.raises(OutputMismatchError, match="up to 255 LSB"):
        check(struct.pack("b", -128), struct.pack("b", 127))


def test_floats_are_compared_in_representable_steps_across_zero() -> None:
    smallest = struct.pack("<i", 1)
    negative = struct.pack("<I", 0x80000001)
    assert check(smallest, negative, "float32", tolerance_lsb=2).max_difference_lsb == 2
    with pytest.raises(OutputMismatchError, match="up to 1 LSB"):
        check(struct.pack("<f", 1.0), struct.pack("<I", 0x3F800001), "float32")


def test_outputs_of_another_length_are_a_mismatch() -> None:
    with pytest.raises(OutputMismatchError, match="1 bytes from the device, 2"):
        check(b"\x01", b"\x01\x02")
