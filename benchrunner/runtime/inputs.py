"""Inputs for a model: seeded noise, a seeded image that looks natural, or a file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchrunner.errors import UsageError
from benchrunner.runtime.interpreter import Tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Cells of the coarsest grid of the natural image, and how much each octave weighs (out of 256): large shapes
# dominate, as in photographs, whose power falls with the square of the frequency.
_OCTAVES = ((2, 128), (5, 72), (11, 36), (23, 20))


def seeded_input(tensor: Tensor, seed: int) -> bytes:
    """Uniform noise: the whole range of an integer type, [-1, 1) for floating point.

    The bytes are drawn with SHAKE-256, so they are the same with every numpy and on every machine: the hash
    of the input is part of the identity of a result.
    """
    import numpy as np

    dtype = np.dtype(tensor.dtype)
    count = tensor.size_bytes // dtype.itemsize
    match dtype.kind:
        case "i" | "u":
            return _random_bytes("noise", seed, tensor.size_bytes)
        case "f":
            drawn = np.frombuffer(_random_bytes("noise", seed, 2 * count), "<u2")
            return _little_endian((drawn.astype(np.float64) / 32768.0 - 1.0).astype(dtype))
        case "b":
            return bytes(value & 1 for value in _random_bytes("noise", seed, count))
        case _:
            raise UsageError(f"input {tensor.name}: no noise for a tensor of {tensor.dtype}")


def natural_input(tensor: Tensor, seed: int) -> bytes:
    """A seeded smooth colour image where the tensor is one ([1, H, W, 1 or 3]), `seeded_input` elsewhere.

    uint8 and int8 span their whole range, floating point spans [0, 1].
    """
    import numpy as np

    if len(tensor.shape) != 4 or tensor.shape[0] != 1 or tensor.shape[3] not in (1, 3):
        return seeded_input(tensor, seed)
    image = natural_image(tensor.shape[1], tensor.shape[2], tensor.shape[3], seed)
    match tensor.dtype:
        case "uint8":
            return image.tobytes()
        case "int8":
            return (image.astype(np.int16) - 128).astype(np.int8).tobytes()
        case "float32":
            return _little_endian((image.astype(np.float64) / 255.0).astype(np.float32))
        case _:
            return seeded_input(tensor, seed)


def natural_image(height: int, width: int, channels: int, seed: int) -> npt.NDArray[np.uint8]:
    """Sum of four octaves of smooth noise, correlated between channels, stretched to 0..255.

    Integer arithmetic throughout, so the same pixels everywhere.
    """
    import numpy as np

    grey = np.zeros((height, width), np.int64)
    colour = np.zeros((channels, height, width), np.int64)
    for octave, (cells, weight) in enumerate(_OCTAVES):
        grey += weight * _smooth_noise(height, width, cells, f"grey {octave}", seed)
        for channel in range(channels):
            colour[channel] += weight * _smooth_noise(height, width, cells, f"{channel} {octave}", seed)
    # Channels of photographs are strongly correlated: three parts brightness, one part colour.
    planes = 3 * grey[np.newaxis] + colour
    low, high = int(planes.min()), int(planes.max())
    stretched = (planes - low) * 255 // max(1, high - low)
    return np.ascontiguousarray(stretched.transpose(1, 2, 0)).astype(np.uint8)


def load_input(path: Path, tensor: Tensor) -> bytes:
    """Read one input from a `.npy` array of the tensor's type and shape, or from raw bytes (`.bin`).

    Leading dimensions of 1 may be missing. Raises `UsageError` naming the file, what the model takes and what
    the file holds.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    wanted = f"{tensor.dtype} {list(tensor.shape)}, {tensor.size_bytes} bytes"
    match path.suffix.lower():
        case ".npy":
            return _load_npy(path, tensor, wanted)
        case ".bin":
            size_bytes = path.stat().st_size
            if size_bytes != tensor.size_bytes:
                raise UsageError(
                    f"{path}: expected {wanted} for input {tensor.name}, found {size_bytes} bytes"
                )
            return path.read_bytes()
        case suffix:
            raise UsageError(
                f"{path}: expected a .npy or .bin file, found {suffix or 'no suffix'}",
                hint=f"save the input as {wanted}, with numpy.save or as raw little-endian bytes",
            )


def _load_npy(path: Path, tensor: Tensor, wanted: str) -> bytes:
    import numpy as np

    try:
        # Mapped, not read: the header of a hostile file may claim any size.
        array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UsageError(f"{path}: not a .npy array: {error}") from error
    if not isinstance(array, np.ndarray):
        raise UsageError(f"{path}: expected one array, found an archive")
    if array.dtype.name != tensor.dtype or _essential(array.shape) != _essential(tensor.shape):
        raise UsageError(
            f"{path}: expected {wanted} for input {tensor.name}, found {array.dtype.name} {list(array.shape)}"
        )
    return _little_endian(np.ascontiguousarray(array))


def _essential(shape: tuple[int, ...]) -> tuple[int, ...]:
    first = next((index for index, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]


def _smooth_noise(height: int, width: int, cells: int, name: str, seed: int) -> Any:
    """Random values at the corners of a grid of `cells` x `cells`, bilinear between them: 0..255 * 256."""
    import numpy as np

    corners = np.frombuffer(_random_bytes(name, seed, (cells + 1) ** 2), np.uint8)
    grid = corners.reshape(cells + 1, cells + 1).astype(np.int64)

    def positions(size: int) -> tuple[Any, Any]:
        scaled = np.arange(size, dtype=np.int64) * cells * 256 // size
        return scaled // 256, scaled % 256

    row, row_part = positions(height)
    column, column_part = positions(width)
    rows = grid[row] * (256 - row_part)[:, np.newaxis] + grid[row + 1] * row_part[:, np.newaxis]
    return (rows[:, column] * (256 - column_part) + rows[:, column + 1] * column_part) // 256


def _random_bytes(name: str, seed: int, count: int) -> bytes:
    return hashlib.shake_256(f"benchrunner {name} {seed}".encode()).digest(count)


def _little_endian(array: Any) -> bytes:
    data: bytes = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return data
