"""What a file is that is not a TensorFlow Lite model, and what to do about it."""

from __future__ import annotations

from benchrunner.errors import ModelError

_CONVERT = "convert it with tf.lite.TFLiteConverter and give the .tflite file that results"

# First bytes, what such a file is, what to do.
_MAGICS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "a Keras or HDF5 file", _CONVERT),
    (
        b"PK\x03\x04",
        "a zip archive: a .keras file, a PyTorch file or a packed model",
        f"unpack it, or {_CONVERT}",
    ),
    (b"\x1f\x8b", "gzip data", "unpack it first"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file that it stands for", "run: git lfs pull"),
    (b"\x80\x02", "a Python pickle, such as an old PyTorch file", _CONVERT),
    (b"<", "an HTML or XML page, not a model", "download the file itself, not the page about it"),
)


def not_a_model(name: str, head: bytes, *, folder: bool = False) -> ModelError:
    """The error for the file `name` that begins with `head` and is not a TensorFlow Lite model."""
    hint = "give the path of a .tflite file"
    if folder:
        found = "a folder"
        hint = f"give the .tflite file in it; of a SavedModel: {_CONVERT}"
    elif not head:
        found = "an empty file"
    elif len(head) < 8:
        found = f"a file of {len(head)} bytes"
    else:
        for magic, kind, advice in _MAGICS:
            if head.startswith(magic):
                found, hint = kind, advice
                break
        else:
            # An ONNX file is a protobuf message whose first field is the version of its format.
            if head[0] == 0x08 and head[1] < 0x20 and head[2] in (0x12, 0x1A, 0x22, 0x3A):
                found, hint = "an ONNX model", "convert it to TensorFlow Lite first, with onnx2tf for example"
            else:
                found = f"bytes 4 to 8 are {head[4:8]!r} where b'TFL3' belongs"
    return ModelError(f"{name}: not a TensorFlow Lite model: {found}", hint=hint)
