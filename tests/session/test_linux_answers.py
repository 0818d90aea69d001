"""A Linux board's answer against several right ones: the nearest is the reference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from benchrunner.errors import OutputMismatchError
from benchrunner.session.linux.answers import Reference, check_answer, default_tolerance


def int8(*values: int) -> bytes:
    return np.array(values, np.int8).tobytes()


def float32(*values: float) -> bytes:
    return np.array(values, np.float32).tobytes()


def reference(name: str, *outputs: bytes) -> Reference:
    return Reference(name, "litert", "2.3.0", name, outputs)


def test_an_answer_that_equals_one_of_them_names_that_one() -> None:
    asked: list[str] = []

    def references() -> Iterator[Reference]:
        for name, value in (("a", 5), ("b", 7), ("c", 9)):
            asked.append(name)
            yield reference(name, int8(value))

    check = check_answer([int8(7)], references(), ["int8"], exact=None, tolerance=None)

    assert (check.reference, check.max_difference_lsb, check.differing_values) == ("b", 0, 0)
    assert asked == ["a", "b"]


def test_the_nearest_of_those_in_reach_is_the_reference() -> None:
    near = [reference("two off", int8(5)), reference("one off", int8(6)), reference("far", int8(50))]

    check = check_answer([int8(7)], near, ["int8"], exact=None, tolerance=None)

    assert (check.reference, check.max_difference_lsb, check.tolerance_lsb) == ("one off", 1, 2)


def test_an_answer_that_is_near_none_of_them_is_wrong() -> None:
    with pytest.raises(OutputMismatchError, match=r"differ from a.*neither is it near b"):
        check_answer(
            [int8(7)],
            [reference("a", int8(0)), reference("b", int8(99))],
            ["int8"],
            exact=None,
            tolerance=None,
        )


def test_the_same_kernels_of_the_same_runtime_are_held_to_the_last_bit() -> None:
    exact = reference("same", int8(6))

    with pytest.raises(OutputMismatchError):
        check_answer([int8(7)], [reference("other", int8(7))], ["int8"], exact=exact, tolerance=None)
    assert check_answer([int8(7)], [], ["int8"], exact=exact, tolerance=1).max_difference_lsb == 1


def test_floats_are_compared_in_steps_of_their_largest_value() -> None:
    right = reference("right", float32(1.0, 1e-12, -0.25))

    near = check_answer([float32(1.0, -1e-9, -0.25)], [right], ["float32"], exact=None, tolerance=None)
    assert (near.max_difference_lsb, near.differing_values) == (1, 1)
    with pytest.raises(OutputMismatchError, match=r"output 0\[2\]: board -0\.2502"):
        check_answer([float32(1.0, 1e-12, -0.2502)], [right], ["float32"], exact=None, tolerance=None)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_what_is_not_finite_is_not_near_anything(wrong: float) -> None:
    right = reference("right", float32(1.0))

    with pytest.raises(OutputMismatchError):
        check_answer([float32(wrong)], [right], ["float32"], exact=None, tolerance=10**9)


def test_infinities_and_nan_equal_themselves() -> None:
    strange = float32(float("nan"), float("inf"), 1.0)

    check = check_answer([strange], [reference("same", strange)], ["float32"], exact=None, tolerance=0)

    assert check.max_difference_lsb == 0


def test_zeros_are_compared_without_dividing_by_them() -> None:
    zeros = reference("zeros", float32(0.0, 0.0))

    assert check_answer([float32(0.0, 0.0)], [zeros], ["float32"], exact=None, tolerance=None)
    with pytest.raises(OutputMismatchError):
        check_answer([float32(0.0, 0.5)], [zeros], ["float32"], exact=None, tolerance=None)


def test_the_number_and_the_sizes_of_outputs_must_be_those_of_the_model() -> None:
    right = reference("right", int8(1, 2))

    with pytest.raises(OutputMismatchError, match="gave 2 outputs"):
        check_answer([int8(1), int8(2)], [right], ["int8"], exact=None, tolerance=None)
    with pytest.raises(OutputMismatchError, match="1 bytes"):
        check_answer([int8(1)], [right], ["int8"], exact=None, tolerance=None)


@pytest.mark.parametrize(
    ("dtypes", "allowed"), [(["int8"], 2), (["uint8", "float32"], 1024), (["int32"], 0), ([], 0)]
)
def test_what_is_allowed_follows_from_the_data_type(dtypes: list[str], allowed: int) -> None:
    assert default_tolerance(dtypes) == allowed
