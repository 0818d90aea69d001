"""What a model's input is made of: sizes, channels, scaling, rounding."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from benchrunner.accuracy.dataset import Raw
from benchrunner.accuracy.preprocessing import Fit, Preprocessing, Resize, encode, pixels_of, values_of
from benchrunner.errors import DatasetError, UnreadableImageError, UsageError
from benchrunner.runtime import Tensor


def tensor(height: int, width: int, channels: int, dtype: str = "int8", scale: float = 1 / 255) -> Tensor:
    zero_point = {"int8": -128, "uint8": 0, "float32": 0}[dtype]
    return Tensor("image", (1, height, width, channels), dtype, scale, zero_point, height * width * channels)


def png(pixels: np.ndarray) -> Raw:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return Raw("", data=stream.getvalue())


def test_a_pixel_of_an_input_of_0_to_1_keeps_its_value() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    taken = pixels_of(png(pixels), Preprocessing(), tensor(16, 16, 1))
    assert np.array_equal(taken[..., 0], pixels)
    data, outside = encode(values_of(taken, Preprocessing()), tensor(16, 16, 1, "uint8"))
    assert (data, outside) == (pixels.tobytes(), 0)
    data, outside = encode(values_of(taken, Preprocessing()), tensor(16, 16, 1))
    assert np.array_equal(np.frombuffer(data, np.int8), pixels.reshape(-1).astype(int) - 128)
    assert outside == 0


def test_halves_are_rounded_away_from_zero() -> None:
    values = np.array([-1.5, -0.5, 0.5, 1.5, 2.5])
    data, _ = encode(values, Tensor("t", (1, 5), "int8", 1.0, 0, 5))
    assert np.frombuffer(data, np.int8).tolist() == [-2, -1, 1, 2, 3]


def test_values_beyond_the_range_are_clipped_and_counted() -> None:
    values = np.array([-300.0, -128.9, 127.4, 128.4, 130.0])
    data, outside = encode(values, Tensor("t", (1, 5), "int8", 1.0, 0, 5))
    assert np.frombuffer(data, np.int8).tolist() == [-128, -128, 127, 127, 127]
    assert outside == 2


def test_scale_and_offset_come_before_mean_and_std() -> None:
    steps = Preprocessing(scale=2.0, offset=1.0, mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0))
    values = values_of(np.full((1, 1, 3), 10, np.uint8), steps)
    assert values.reshape(-1).tolist() == [20.0, 9.5, 4.5]
    data, _ = encode(values, tensor(1, 1, 3, "float32"))
    assert np.frombuffer(data, "<f4").tolist() == [20.0, 9.5, 4.5]


WIDE = np.zeros((4, 8, 3), np.uint8)
WIDE[:, 2:6] = (10, 20, 30)


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        (Fit.CROP, [[10] * 4] * 4),
        (Fit.STRETCH, [[0, 10, 10, 0]] * 4),
        (Fit.PAD, [[0] * 4, [0, 10, 10, 0], [0, 10, 10, 0], [0] * 4]),
    ],
)
def test_an_image_of_another_shape_is_cropped_stretched_or_padded(
    fit: Fit, expected: list[list[int]]
) -> None:
    taken = pixels_of(png(WIDE), Preprocessing(Resize.BOX, fit), tensor(4, 4, 3))
    assert taken[..., 0].tolist() == expected


def test_colours_become_grey_and_grey_becomes_colours() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[...] = (255, 0, 0)
    assert pixels_of(png(red), Preprocessing(), tensor(2, 2, 1)).reshape(-1).tolist() == [76] * 4
    assert pixels_of(png(red[..., 0]), Preprocessing(), tensor(2, 2, 3)).tolist() == [[[255] * 3] * 2] * 2


def test_arrays_of_the_inputs_shape_are_taken_whatever_their_type() -> None:
    array = np.linspace(-3, 3, 4).reshape(2, 2)
    taken = pixels_of(Raw("", array=array), Preprocessing(), tensor(2, 2, 1))
    assert np.array_equal(taken[..., 0], array)


def test_arrays_of_another_shape_are_resized_only_when_they_are_pictures() -> None:
    small = pixels_of(Raw("", array=np.full((4, 4), 9, np.uint8)), Preprocessing(), tensor(2, 2, 1))
    assert small.reshape(-1).tolist() == [9] * 4
    with pytest.raises(DatasetError, match=r"images of float64 \[4, 4\] do not fit an input of \[2, 2, 1\]"):
        pixels_of(Raw("", array=np.zeros((4, 4))), Preprocessing(), tensor(2, 2, 1))


def test_noise_is_never_more_than_an_unreadable_image() -> None:
    noise = np.random.default_rng(5)
    stream = io.BytesIO()
    Image.fromarray(noise.integers(0, 255, (32, 32, 3), np.uint8)).save(stream, "JPEG")
    whole = bytearray(stream.getvalue())
    outcomes = set()
    for _ in range(200):
        data = bytearray(whole)
        for position in noise.integers(0, len(data), 8):
            data[position] = noise.integers(0, 256)
        try:
            outcomes.add(pixels_of(Raw("", data=bytes(data)), Preprocessing(), tensor(8, 8, 3)).shape)
        except UnreadableImageError:
            outcomes.add("unreadable")
    assert outcomes == {(8, 8, 3), "unreadable"}


@pytest.mark.parametrize(
    "steps",
    [
        Preprocessing(scale=0.0),
        Preprocessing(scale=float("nan")),
        Preprocessing(std=(0.0,)),
        Preprocessing(mean=(1.0, 2.0)),
    ],
)
def test_numbers_that_make_no_sense_are_refused(steps: Preprocessing) -> None:
    with pytest.raises(UsageError):
        steps.check(tensor(8, 8, 3))
