"""Labelled images: a folder per class, the layout of Food-101, or two arrays in an NPZ file.

Nothing in a data set is taken on trust: sizes are bounded before anything is read into memory.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from benchrunner.config import close_matches
from benchrunner.errors import DatasetError, UnreadableImageError

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".webp"})
LARGEST_FILE_BYTES = 64 << 20  # of one image; photographs of the known data sets are below 10 MB
_LARGEST_ARRAY_BYTES = 4 << 30
_LARGEST_LIST_BYTES = 64 << 20  # of a split or a list of classes; Food-101's longest has 2 MB
_LARGEST_HEADER_BYTES = 10_000  # what numpy itself accepts without being asked for more
_SHOWN = 20  # of what was passed over


class Layout(StrEnum):
    FOLDERS = "a folder per class"
    FOOD_101 = "Food-101"
    ARRAYS = "NPZ"


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled image. `stamp` changes when the file does, and is known without reading it."""

    name: str
    label: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Raw:
    """An image as it lies in the data set: the bytes of a file, or an array."""

    sha256: str
    data: bytes | None = None
    array: np.ndarray | None = None


class Dataset(Protocol):
    """Labelled images in a fixed order."""

    @property
    def path(self) -> Path:
        """The folder or file."""

    @property
    def layout(self) -> Layout:
        """How it is laid out."""

    @property
    def split(self) -> str:
        """Which part of it; empty for all."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, in the order of the model's outputs."""

    @property
    def items(self) -> tuple[Item, ...]:
        """The images."""

    @property
    def passed_over(self) -> tuple[str, ...]:
        """Files that are no images, by their names; at most the first few."""

    @property
    def passed_over_count(self) -> int:
        """All of them."""

    @property
    def array_shape(self) -> tuple[int, ...] | None:
        """Of each image, where the images are arrays."""

    def read(self, index: int) -> Raw:
        """One image. Raises `UnreadableImageError`."""


@dataclass(frozen=True, slots=True)
class _Files:
    path: Path
    layout: Layout
    split: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    passed_over: tuple[str, ...]
    passed_over_count: int
    _paths: tuple[Path, ...]
    array_shape: None = None

    def read(self, index: int) -> Raw:
        path = self._paths[index]
        try:
            with path.open("rb") as stream:
                data = stream.read(LARGEST_FILE_BYTES + 1)
        except OSError as error:
            raise UnreadableImageError(error.strerror or str(error)) from error
        if len(data) > LARGEST_FILE_BYTES:
            raise UnreadableImageError(f"larger than {LARGEST_FILE_BYTES >> 20} MiB")
        return Raw(hashlib.sha256(data).hexdigest(), data=data)


@dataclass(frozen=True, slots=True)
class _Arrays:
    path: Path
    layout: Layout
    split: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    passed_over: tuple[str, ...]
    passed_over_count: int
    _x: np.ndarray

    @property
    def array_shape(self) -> tuple[int, ...]:
        return tuple(self._x.shape[1:])

    def read(self, index: int) -> Raw:
        array = self._x[index]
        text = f"{array.dtype.str} {array.shape} ".encode()
        return Raw(hashlib.sha256(text + array.tobytes()).hexdigest(), array=array)


def open_dataset(path: Path, *, split: str | None = None, classes_file: Path | None = None) -> Dataset:
    """The images below `path`, in the order of their names. Raises `DatasetError`."""
    named = _lines(classes_file) if classes_file is not None else None
    if path.is_file():
        if split is not None:
            raise DatasetError(f"{path}: an NPZ file has no splits", hint="leave --split away")
        return _arrays(path, named)
    if not path.is_dir():
        raise DatasetError(f"{path}: no such file or folder", hint="name a folder of images or an .npz file")
    if (path / "images").is_dir() and (path / "meta").is_dir():
        return _food_101(path, split, named)
    if split is not None:
        if not (path / split).is_dir():
            raise DatasetError(
                f"{path}: no folder {split}", hint=f"there are: {', '.join(_folders(path)) or 'none'}"
            )
        return _folder_per_class(path, split, named)
    return _folder_per_class(path, "", named)


# --- folders ----------------------------------------------------------------------------------------------


def _folder_per_class(top: Path, split: str, named: Sequence[str] | None) -> Dataset:
    root = top / split if split else top
    found = _folders(root)
    if not found:
        raise DatasetError(
            f"{root}: no folders; expected one of each class with its images in it",
            hint="or give an .npz file with the arrays x and y",
        )
    classes = _checked_classes(root, found, named)
    paths: list[tuple[str, int, Path]] = []
    others: list[str] = []
    for label, name in enumerate(classes):
        for path in sorted((root / name).iterdir()):
            shown = f"{name}/{path.name}"
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                paths.append((shown, label, path))
            else:
                others.append(shown)
    others += [path.name for path in sorted(root.iterdir()) if not path.is_dir()]
    return _files(top, Layout.FOLDERS, split, classes, paths, others)


def _food_101(top: Path, split: str | None, named: Sequence[str] | None) -> Dataset:
    splits = sorted(path.stem for path in (top / "meta").glob("*.txt") if path.stem in ("train", "test"))
    if split is None and "test" not in splits:
        raise DatasetError(f"{top / 'meta' / 'test.txt'}: no such file", hint="name another split: --split")
    split = split or "test"
    if split not in splits:
        raise DatasetError(f"{top / 'meta'}: no {split}.txt", hint=f"there are: {', '.join(splits)}")
    listed = top / "meta" / "classes.txt"
    order = named or (_lines(listed) if listed.is_file() else None)
    classes = _checked_classes(top / "images", _folders(top / "images"), order)
    labels = {name: label for label, name in enumerate(classes)}
    paths: list[tuple[str, int, Path]] = []
    source = top / "meta" / f"{split}.txt"
    for number, line in enumerate(_lines(source), start=1):
        parts = PurePosixPath(line).parts
        # A list that somebody else wrote must not lead out of the folder.
        if len(parts) != 2 or ".." in parts or parts[0] not in labels:
            raise DatasetError(f"{source}:{number}: expected CLASS/NAME of a known class, found {line!r:.80}")
        paths.append((f"{line}.jpg", labels[parts[0]], top / "images" / parts[0] / f"{parts[1]}.jpg"))
    return _files(top, Layout.FOOD_101, split, classes, sorted(paths), [])


def _files(
    top: Path,
    layout: Layout,
    split: str,
    classes: tuple[str, ...],
    paths: Sequence[tuple[str, int, Path]],
    others: Sequence[str],
) -> Dataset:
    if not paths:
        raise DatasetError(
            f"{top}: no images", hint=f"files with these endings are: {' '.join(sorted(SUFFIXES))}"
        )
    names = [name for name, _, _ in paths]
    if len(set(names)) != len(names):
        twice = next(
            name for name, after in zip(sorted(names), sorted(names)[1:], strict=False) if name == after
        )
        raise DatasetError(f"{top}: {twice} is listed twice")
    items = tuple(Item(name, label, _stamp(path)) for name, label, path in paths)
    return _Files(
        top, layout, split, classes, items, tuple(others[:_SHOWN]), len(others), tuple(p for _, _, p in paths)
    )


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "missing"  # becomes an unreadable image when its turn comes
    return f"{status.st_size} {status.st_mtime_ns}"


def _folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _checked_classes(root: Path, found: Sequence[str], named: Sequence[str] | None) -> tuple[str, ...]:
    """The order of the classes, which is that of the model's outputs."""
    if named is None:
        return tuple(found)
    if len(set(named)) != len(named):
        raise DatasetError("the list of classes names one twice")
    missing = [name for name in named if name not in found]
    unknown = [name for name in found if name not in named]
    if missing or unknown:
        raise DatasetError(
            f"{root}: the folders are not the listed classes: "
            f"without a folder: {', '.join(missing) or 'none'}; not listed: {', '.join(unknown) or 'none'}",
            hint=close_matches(missing[0], found) or "" if missing else "add them to the list",
        )
    return tuple(named)


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_LIST_BYTES + 1)
        if len(data) > _LARGEST_LIST_BYTES:
            raise DatasetError(f"{path}: larger than {_LARGEST_LIST_BYTES >> 20} MiB")
        return [line.strip() for line in data.decode().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as text: {error}") from error


# --- arrays -----------------------------------------------------------------------------------------------


def _arrays(path: Path, named: Sequence[str] | None) -> Dataset:
    try:
        with zipfile.ZipFile(path) as archive:
            x, y = _array(path, archive, "x"), _array(path, archive, "y")
            listed = _array(path, archive, "classes") if "classes.npy" in archive.namelist() else None
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise DatasetError(
            f"{path}: not an NPZ file: {error}",
            hint="numpy.savez_compressed(path, x=images, y=labels) makes one",
        ) from error
    if x.dtype.kind not in "uif" or x.ndim < 2 or not len(x):
        raise DatasetError(f"{path}: x: expected images, found {x.dtype} {list(x.shape)}")
    if y.dtype.kind not in "ui" or y.size != len(x):
        raise DatasetError(
            f"{path}: y: expected {len(x)} labels that are whole numbers, found {y.dtype} {list(y.shape)}"
        )
    labels = [int(label) for label in y.reshape(-1)]
    if listed is not None and (listed.dtype.kind != "U" or listed.ndim != 1):
        raise DatasetError(f"{path}: classes: expected names, found {listed.dtype} {list(listed.shape)}")
    names = named or ([str(name) for name in listed] if listed is not None else None)
    classes = tuple(names) if names else tuple(str(label) for label in range(max(labels) + 1))
    if min(labels) < 0 or max(labels) >= len(classes):
        raise DatasetError(
            f"{path}: y: labels from {min(labels)} to {max(labels)}, for {len(classes)} classes"
        )
    stamp = _stamp(path)
    items = tuple(Item(f"x[{index}]", label, stamp) for index, label in enumerate(labels))
    return _Arrays(path, Layout.ARRAYS, "", classes, items, (), 0, x)


def _array(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array of the archive. A header that claims more than there is allocates nothing."""
    import numpy as np

    try:
        entry = archive.getinfo(f"{name}.npy")
    except KeyError:
        found = ", ".join(each.removesuffix(".npy") for each in archive.namelist()[:_SHOWN])
        raise DatasetError(f"{path}: no array {name}; there are: {found or 'none'}") from None
    if entry.file_size > _LARGEST_ARRAY_BYTES:
        raise DatasetError(
            f"{path}: array {name} has {entry.file_size} bytes; at most {_LARGEST_ARRAY_BYTES}"
        )
    with archive.open(entry) as stream:
        try:
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[np.lib.format.read_magic(stream)]
            shape, by_columns, dtype = read(stream, max_header_size=_LARGEST_HEADER_BYTES)
        except (ValueError, KeyError) as error:
            raise DatasetError(f"{path}: array {name}: {error}") from error
        count = math.prod(shape)
        data = b"" if dtype.hasobject else stream.read(count * dtype.itemsize)
    if dtype.hasobject or len(data) != count * dtype.itemsize:
        raise DatasetError(
            f"{path}: array {name}: {dtype} {list(shape)} does not fit {entry.file_size} bytes"
        )
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C")
