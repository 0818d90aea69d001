"""Folders, Food-101's layout and NPZ files; what is in them is not trusted."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from digits import DATA, Told, digits_request
from PIL import Image

from benchrunner.accuracy.dataset import Layout, open_dataset
from benchrunner.accuracy.document import load_accuracy
from benchrunner.accuracy.measure import measure_accuracy
from benchrunner.accuracy.preprocessing import Preprocessing
from benchrunner.errors import DatasetError

NAMES = [f"digit {number}" for number in range(10)]


def digit_pictures() -> tuple[np.ndarray, np.ndarray]:
    """The held-out digits as pictures of the usual range."""
    with np.load(DATA) as archive:
        return np.minimum(archive["x"][..., 0].astype(int) * 16, 255).astype(np.uint8), archive["y"]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Six pictures of each digit, in a folder per class."""
    top = tmp_path / "digits"
    x, y = digit_pictures()
    for number, name in enumerate(NAMES):
        (top / name).mkdir(parents=True)
        for index in np.flatnonzero(y == number)[:6]:
            Image.fromarray(x[index]).save(top / name / f"{index:03}.png")
    return top


def test_pictures_in_folders_get_the_answers_of_the_arrays(results: Path, folders: Path) -> None:
    document = measure_accuracy(
        digits_request(results, dataset=folders, preprocessing=Preprocessing()), Told()
    ).document
    assert document.dataset.layout == Layout.FOLDERS
    assert document.dataset.classes == tuple(NAMES)
    (figure,) = document.figures
    assert figure.images == 60
    assert figure.right >= 55
    assert str(document.preprocessing["decoder"]).startswith("Pillow ")
    assert document.preprocessing["resize"] == "Pillow bilinear, on 8-bit pixels"


def test_arrays_of_the_inputs_shape_are_stated_to_be_taken_as_they_are(results: Path) -> None:
    document = measure_accuracy(digits_request(results, limit=3), Told()).document
    assert document.preprocessing["decoder"] == document.preprocessing["resize"] == "none"
    assert document.preprocessing["scale"] == 1 / 16


def test_damaged_and_hostile_images_are_named_and_counted_and_the_others_are_measured(
    results: Path, folders: Path
) -> None:
    bad = folders / NAMES[3]
    whole = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(whole, "JPEG")
    (bad / "cut.jpg").write_bytes(whole.getvalue()[:200])
    (bad / "empty.png").write_bytes(b"")
    (bad / "program.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(x) run\n")
    (bad / "text\x1b[31m.png").write_bytes(b"no picture")
    # A PNG that says it is 60000 x 60000 pixels.
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zipfile.crc32(head))
    (bad / "vast.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 64) + b"IDAT" + bytes(68))
    (bad / "gone.png").symlink_to(folders / "nowhere")
    (bad / "large.bmp").write_bytes(b"BM")
    with (bad / "large.bmp").open("r+b") as stream:
        stream.truncate((64 << 20) + 1)
    (bad / "notes.txt").write_text("not an image")
    result = measure_accuracy(digits_request(results, dataset=folders, preprocessing=Preprocessing()), Told())
    data = result.document.dataset
    assert (data.chosen, data.used, len(data.unreadable)) == (67, 60, 7)
    reasons = {Path(each.name).name: each.reason for each in data.unreadable}
    assert sorted(reasons) == [
        "cut.jpg", "empty.png", "gone.png", "large.bmp", "program.jpg", "text\x1b[31m.png", "vast.png",
    ]  # fmt: skip
    assert "No such file" in reasons["gone.png"]
    assert "larger than 64 MiB" in reasons["large.bmp"]
    assert "pixels" in reasons["vast.png"]
    assert reasons["program.jpg"].startswith("no image of a known format")
    assert (data.passed_over, data.passed_over_count) == ((f"{NAMES[3]}/notes.txt",), 1)
    assert all(figure.images == 60 for figure in result.document.figures)
    assert load_accuracy(result.path).document.dataset == data


def test_names_that_are_no_text_are_measured_and_stored(results: Path, folders: Path) -> None:
    name = os.fsencode(folders / NAMES[0]) + b"/\xff\xfe.png"
    Path(os.fsdecode(name)).write_bytes(b"no picture")
    result = measure_accuracy(digits_request(results, dataset=folders, preprocessing=Preprocessing()), Told())
    (image,) = load_accuracy(result.path).document.dataset.unreadable
    assert image.name == "digit 0/??.png"


def test_a_data_set_of_which_nothing_can_be_read_has_no_figure(results: Path, folders: Path) -> None:
    for path in folders.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DatasetError, match="none of 60 images could be read"):
        measure_accuracy(digits_request(results, dataset=folders), Told())


def test_food_101s_lists_say_which_images_belong_to_a_split(
    results: Path, folders: Path, tmp_path: Path
) -> None:
    top = tmp_path / "food"
    (top / "meta").mkdir(parents=True)
    (top / "images").mkdir()
    images = sorted(folders.rglob("*.png"))
    for path in images:
        target = top / "images" / path.parent.name
        target.mkdir(exist_ok=True)
        Image.open(path).save(target / f"{path.stem}.jpg", quality=95)
    names = [f"{path.parent.name}/{path.stem}" for path in images]
    (top / "meta" / "train.txt").write_text("\n".join(names[::2]))
    (top / "meta" / "test.txt").write_text("\n".join(names[1::2]))
    (top / "meta" / "classes.txt").write_text("\n".join(NAMES))
    test, train = open_dataset(top), open_dataset(top, split="train")
    assert (test.layout, test.split, train.split) == (Layout.FOOD_101, "test", "train")
    assert {item.name for item in test.items} == {f"{name}.jpg" for name in names[1::2]}
    assert not {item.name for item in test.items} & {item.name for item in train.items}
    document = measure_accuracy(
        digits_request(results, dataset=top, preprocessing=Preprocessing()), Told()
    ).document
    assert document.figures[0].images == 30
    assert document.figures[0].right >= 26
    with pytest.raises(DatasetError, match=r"no val\.txt"):
        open_dataset(top, split="val")
    (top / "meta" / "test.txt").write_text("digit 0/../../../secret\n")
    with pytest.raises(DatasetError, match=r"test\.txt:1: expected CLASS/NAME"):
        open_dataset(top)


def test_the_order_of_the_classes_is_the_lists(folders: Path, tmp_path: Path) -> None:
    listed = tmp_path / "labels.txt"
    listed.write_text("\n".join(reversed(NAMES)))
    found = open_dataset(folders, classes_file=listed)
    assert found.classes == tuple(reversed(NAMES))
    assert {item.label for item in found.items if item.name.startswith("digit 9/")} == {0}
    listed.write_text("\n".join([*NAMES[:9], "digit nine"]))
    with pytest.raises(DatasetError, match="without a folder: digit nine; not listed: digit 9"):
        open_dataset(folders, classes_file=listed)


def test_a_split_may_be_a_folder(folders: Path, tmp_path: Path) -> None:
    top = tmp_path / "both"
    top.mkdir()
    folders.rename(top / "val")
    assert len(open_dataset(top, split="val").items) == 60
    with pytest.raises(DatasetError, match="no folder test") as caught:
        open_dataset(top, split="test")
    assert "there are: val" in caught.value.hint


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


X = np.zeros((4, 8, 8, 1), np.uint8)
Y = np.array([0, 1, 2, 3])


def test_an_archives_own_names_of_classes_are_used(tmp_path: Path) -> None:
    found = open_dataset(npz(tmp_path / "a.npz", x=X, y=Y, classes=np.array(["a", "b", "c", "d", "e"])))
    assert found.classes == ("a", "b", "c", "d", "e")
    assert [item.name for item in found.items] == ["x[0]", "x[1]", "x[2]", "x[3]"]


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"x": X}, "no array y; there are: x"),
        ({"x": X, "y": Y[:3]}, "y: expected 4 labels"),
        ({"x": X, "y": Y.astype(float)}, "y: expected 4 labels that are whole numbers, found float64"),
        ({"x": X, "y": Y - 1}, "labels from -1 to 2"),
        ({"x": np.array([[None] * 4] * 4), "y": Y}, "array x: object"),
        ({"x": np.zeros((0, 8, 8, 1)), "y": Y[:0]}, "x: expected images"),
        ({"x": X, "y": Y, "classes": np.array(["a", "b"])}, "labels from 0 to 3, for 2 classes"),
    ],
)
def test_archives_that_make_no_sense_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], reason: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        open_dataset(npz(tmp_path / "bad.npz", **arrays))
    assert reason in caught.value.message


def test_an_array_that_claims_more_than_it_has_allocates_nothing(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 8, 8, 1)}
    )
    path = tmp_path / "claims.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(64))
        archive.writestr("y.npy", header.getvalue())
    with pytest.raises(DatasetError, match="does not fit"):
        open_dataset(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 1000])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "digits.npz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="not an NPZ file"):
        open_dataset(path)


def test_a_missing_or_empty_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no folders"):
        open_dataset(tmp_path / "empty")
