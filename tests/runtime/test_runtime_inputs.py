from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from benchrunner.errors import UsageError
from benchrunner.runtime import Tensor, load_input, natural_input, seeded_input

# noise, then natural image; int8, uint8, float32 of each
GOLDEN = [
    "39ba2c3d5f0f817f",
    "39ba2c3d5f0f817f",
    "83073abd59be0dba",
    "3260c4bbbfe73060",
    "aec47eaa8a439285",
    "27d772fb9a54e78c",
]


def tensor(dtype: str = "int8", shape: tuple[int, ...] = (1, 32, 32, 3)) -> Tensor:
    return Tensor("image", shape, dtype, 1 / 255, -128, int(np.prod(shape)) * np.dtype(dtype).itemsize)


def test_seeded_inputs_are_the_same_bytes_with_every_numpy_and_machine() -> None:
    # The hash of the input is part of a result's identity: a change here breaks comparisons with the past.
    hashes = [
        hashlib.sha256(make(tensor(dtype), 7)).hexdigest()[:16]
        for make in (seeded_input, natural_input)
        for dtype in ("int8", "uint8", "float32")
    ]
    assert hashes == GOLDEN


@pytest.mark.parametrize("make", [seeded_input, natural_input])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32", "int16", "bool"])
def test_an_input_has_the_length_of_its_tensor_and_depends_on_the_seed(make: object, dtype: str) -> None:
    assert callable(make)
    wanted = tensor(dtype)
    assert len(make(wanted, 1)) == wanted.size_bytes
    assert make(wanted, 1) == make(wanted, 1)
    assert make(wanted, 1) != make(wanted, 2)


def test_float_noise_lies_between_minus_one_and_one() -> None:
    values = np.frombuffer(seeded_input(tensor("float32"), 3), "<f4")
    assert values.min() >= -1.0
    assert values.max() < 1.0
    assert values.std() == pytest.approx(3**-0.5, rel=0.05)


def test_truth_values_are_zero_or_one() -> None:
    assert set(seeded_input(tensor("bool"), 3)) == {0, 1}


def test_a_type_without_noise_is_refused() -> None:
    with pytest.raises(UsageError, match="no noise for a tensor of complex64"):
        seeded_input(tensor("complex64"), 3)


def test_a_natural_image_uses_the_whole_range_and_is_smooth() -> None:
    image = np.frombuffer(natural_input(tensor("uint8", (1, 128, 128, 3)), 5), np.uint8).astype(int)
    image = image.reshape(128, 128, 3)
    assert (image.min(), image.max()) == (0, 255)
    assert np.abs(np.diff(image, axis=0)).mean() < 8  # independent noise has a mean step of 85
    assert np.abs(np.diff(image, axis=1)).mean() < 8


def test_int8_and_uint8_images_show_the_same_picture() -> None:
    unsigned = np.frombuffer(natural_input(tensor("uint8"), 5), np.uint8).astype(int)
    signed = np.frombuffer(natural_input(tensor("int8"), 5), np.int8).astype(int)
    assert (unsigned - 128 == signed).all()


def test_a_tensor_that_is_no_image_gets_noise() -> None:
    spectrum = tensor("int8", (1, 49, 10, 7))
    assert natural_input(spectrum, 1) == seeded_input(spectrum, 1)


def test_a_npy_file_is_read(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.int16).reshape(1, 2, 6)
    np.save(tmp_path / "x.npy", values)
    assert load_input(tmp_path / "x.npy", tensor("int16", (1, 2, 6))) == values.astype("<i2").tobytes()


def test_a_npy_file_may_leave_out_the_batch_dimension_and_use_any_byte_order(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(12).reshape(2, 6)).astype(">i2")
    np.save(tmp_path / "x.npy", values)
    assert load_input(tmp_path / "x.npy", tensor("int16", (1, 2, 6))) == struct.pack("<12h", *range(12))


def test_a_npy_file_of_another_type_or_shape_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 6), np.float32))
    with pytest.raises(UsageError, match=r"x\.npy: expected int8 \[1, 2, 6\].*, found float32 \[2, 6\]"):
        load_input(tmp_path / "x.npy", tensor("int8", (1, 2, 6)))
    with pytest.raises(UsageError, match=r"expected float32 \[1, 6, 2\].*, found float32 \[2, 6\]"):
        load_input(tmp_path / "x.npy", tensor("float32", (1, 6, 2)))


def test_a_npy_file_that_promises_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(1000, np.int8))
    data = (tmp_path / "x.npy").read_bytes()
    for damaged in (b"", data[:50], data[:-1], data.replace(b"(1000,)", b"(9**9,)"), b"x" * 200):
        (tmp_path / "x.npy").write_bytes(damaged)
        with pytest.raises(UsageError, match=r"x\.npy: not a \.npy array"):
            load_input(tmp_path / "x.npy", tensor("int8", (1000,)))


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(UsageError, match=r"x\.npy: not a \.npy array"):
        load_input(tmp_path / "x.npy", tensor("int8", (1,)))


def test_an_archive_named_npy_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(4, np.int8))
    (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    with pytest.raises(UsageError, match=r"x\.npy: expected one array, found an archive"):
        load_input(tmp_path / "x.npy", tensor("int8", (4,)))


def test_raw_bytes_are_read_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(bytes(range(12)))
    assert load_input(tmp_path / "x.bin", tensor("int8", (1, 12))) == bytes(range(12))
    with pytest.raises(UsageError, match=r"x\.bin: expected int8 \[1, 13\], 13 bytes.*, found 12 bytes"):
        load_input(tmp_path / "x.bin", tensor("int8", (1, 13)))


@pytest.mark.parametrize("name", ["cat.jpg", "x.npz", "raw"])
def test_other_files_are_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(12))
    with pytest.raises(UsageError, match=r"expected a \.npy or \.bin file") as caught:
        load_input(tmp_path / name, tensor("int8", (1, 12)))
    assert "numpy.save" in caught.value.hint


def test_a_missing_input_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.npy: no such file"):
        load_input(tmp_path / "absent.npy", tensor())
