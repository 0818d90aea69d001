"""From an image to the bytes of a model's input, by steps that are stated and stored with the result."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from benchrunner.accuracy.dataset import Raw
from benchrunner.errors import DatasetError, UnreadableImageError, UsageError
from benchrunner.runtime import Tensor

if TYPE_CHECKING:
    import numpy as np

LARGEST_PIXELS = 64_000_000  # of one image: 192 MB decoded
# Named, so that a file is never handed to a decoder that starts a program (EPS) or to a rare one.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "WEBP")


class Resize(StrEnum):
    """Pillow's filters. All but `nearest` average over the area of a pixel when an image gets smaller."""

    NEAREST = "nearest"
    BOX = "box"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


class Fit(StrEnum):
    """What is done with an image of another shape than the model's input."""

    STRETCH = "stretch"  # both sides are scaled on their own
    CROP = "crop"  # the middle of the image is kept, as large as it goes
    PAD = "pad"  # all of the image is kept, black beside it


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """value = ((pixel * scale + offset) - mean) / std, in this order, by channel where several are given."""

    resize: Resize = Resize.BILINEAR
    fit: Fit = Fit.STRETCH
    scale: float = 1 / 255
    offset: float = 0.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def check(self, tensor: Tensor) -> None:
        """Raise `UsageError` where the numbers make no sense for this input."""
        import math

        channels = tensor.shape[-1]
        for name, values in (("--mean", self.mean), ("--std", self.std)):
            if len(values) not in (1, channels):
                raise UsageError(
                    f"{name}: {len(values)} values; expected 1 or {channels}, one for each channel"
                )
        numbers = (self.scale, self.offset, *self.mean, *self.std)
        if not all(math.isfinite(value) for value in numbers) or self.scale == 0 or 0 in self.std:
            raise UsageError("--scale and --std must be finite and not 0, --offset and --mean finite")


def stated(
    preprocessing: Preprocessing, tensor: Tensor, array_shape: tuple[int, ...] | None
) -> dict[str, Any]:
    """What is stored: every step, in words and numbers that let anybody repeat it."""
    channels = tensor.shape[-1] if len(tensor.shape) == 4 else 0
    quantised = tensor.dtype in ("int8", "uint8")
    if array_shape is not None and _essential(array_shape) == _essential(tensor.shape[1:]):
        pictures = dict.fromkeys(("decoder", "resize", "fit"), "none") | {"channels": "as they are"}
    else:
        pictures = {
            "decoder": f"Pillow {pillow_version()}; first frame; orientation tags are not applied",
            "channels": {1: "grey (ITU-R 601-2 luma)", 3: "RGB"}.get(channels, "as they are"),
            "resize": f"Pillow {preprocessing.resize}, on 8-bit pixels",
            "fit": str(preprocessing.fit),
        }
    return {
        **pictures,
        "size": "x".join(str(size) for size in tensor.shape[1:]),
        "order": "((pixel * scale + offset) - mean) / std, in 64-bit floating point",
        "scale": preprocessing.scale,
        "offset": preprocessing.offset,
        "mean": list(preprocessing.mean),
        "std": list(preprocessing.std),
        "input_type": tensor.dtype,
        "input_scale": tensor.scale if quantised else 0.0,
        "input_zero_point": tensor.zero_point if quantised else 0,
        "quantisation": "value / input_scale, rounded half away from zero, + input_zero_point, clipped"
        if quantised
        else "none",
    }


def pillow_version() -> str:
    from importlib.metadata import PackageNotFoundError

    try:
        return version("pillow")
    except PackageNotFoundError:
        return "not installed"


def pixels_of(raw: Raw, preprocessing: Preprocessing, tensor: Tensor) -> np.ndarray:
    """The pixels in the shape of the input, before scaling.

    An array that has the input's shape is taken as it is, whatever its type. Raises `UnreadableImageError`,
    `DatasetError` for an array that cannot be made to fit.
    """
    import numpy as np

    shape = tensor.shape[1:]
    if raw.array is not None:
        if _essential(raw.array.shape) == _essential(shape):
            return raw.array.reshape(shape)
        found = f"{raw.array.dtype} {list(raw.array.shape)}"
        if raw.array.dtype != np.uint8 or len(shape) != 3 or not _is_picture(raw.array.shape):
            raise DatasetError(
                f"x: images of {found} do not fit an input of {list(shape)}",
                hint="give arrays of the input's shape, or 8-bit images, which are resized",
            )
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise DatasetError(
            f"the model's input {list(tensor.shape)} is no picture of 1 or 3 channels",
            hint="give an .npz file with arrays of the input's shape",
        )
    return _picture(raw, preprocessing, (shape[0], shape[1], shape[2]))


def values_of(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """The scaled values, in 64 bits."""
    import numpy as np

    scaled = pixels.astype(np.float64) * preprocessing.scale + preprocessing.offset
    found: np.ndarray = (scaled - np.asarray(preprocessing.mean)) / np.asarray(preprocessing.std)
    return found


def encode(values: np.ndarray, tensor: Tensor) -> tuple[bytes, int]:
    """The bytes of the input, and how many values its range was too small for."""
    import numpy as np

    if tensor.dtype == "float32":
        return values.astype("<f4").tobytes(), 0
    if tensor.dtype not in ("int8", "uint8") or tensor.scale <= 0:
        raise DatasetError(
            f"input {tensor.name}: expected float32, or quantised int8 or uint8, found {tensor.dtype}"
        )
    steps = values / tensor.scale
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + tensor.zero_point
    limits = np.iinfo(tensor.dtype)
    # One step beyond the end is how calibrated ranges end: 255 * (1/255) / scale may round to 128.
    outside = int(np.count_nonzero((rounded < limits.min - 1) | (rounded > limits.max + 1)))
    return np.clip(rounded, limits.min, limits.max).astype(tensor.dtype).tobytes(), outside


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))


def _essential(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] if len(shape) > 2 and shape[-1] == 1 else shape


def _picture(raw: Raw, preprocessing: Preprocessing, shape: tuple[int, int, int]) -> np.ndarray:
    import numpy as np

    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise UsageError(
            "reading images needs the package pillow, which is not installed",
            hint="pip install 'benchrunner[accuracy]'",
        ) from error
    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on odd metadata; sizes are checked here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if raw.array is not None:
                image: Image.Image = Image.fromarray(raw.array.squeeze())
            else:
                assert raw.data is not None
                image = Image.open(io.BytesIO(raw.data), formats=_FORMATS)
            if image.width * image.height > LARGEST_PIXELS:
                raise UnreadableImageError(
                    f"{image.width} x {image.height} pixels: more than {LARGEST_PIXELS}"
                )
            image = image.convert(mode)
    except UnreadableImageError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImageError(
            f"no image of a known format ({', '.join(_FORMATS)}), or damaged"
        ) from error
    except Exception as error:  # a decoder raises anything at all on a damaged file
        raise UnreadableImageError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
    method = Image.Resampling[preprocessing.resize.name]
    size = (width, height)
    if image.size != size:
        match preprocessing.fit:
            case Fit.STRETCH:
                image = image.resize(size, method)
            case Fit.CROP:
                image = ImageOps.fit(image, size, method)
            case Fit.PAD:
                image = ImageOps.pad(image, size, method)
    return np.asarray(image, np.uint8).reshape(shape)
