"""Trains the network for handwritten digits that ships with the project, and cuts its held-out images.

Needs the extra [zoo] and scikit-learn, which brings the images. From the top of a checkout:

    PYTHONPATH=. python tools/build_digits.py            # train and replace the shipped files
    PYTHONPATH=. python tools/build_digits.py --compare  # train, and fail if a shipped file differs

Writes the float and the int8 file with their index (`benchrunner/zoo/trained.toml`), and the images that the
training did not see (`tests/data/digits/test.npz`). With the versions that the index names, a build gives the
same bytes again on one machine; another processor may round the training differently.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import sys
import warnings
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its results depend on the processor

import keras
import numpy as np
import sklearn
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits

from benchrunner.durable import write_atomic
from benchrunner.model import layer_costs, load_model
from benchrunner.runtime import ORACLE, Interpreter
from benchrunner.zoo import FOLDER

SEED = 20_261_122
EPOCHS = 60
# The images are in the order of their writers: cut without shuffling, most writers of the held-out ones were
# never seen in training.
TRAINING_IMAGES = 1257
LARGEST_PIXEL = 16  # each pixel counts the set points of a 4x4 block of the scan
IMAGES = Path("tests/data/digits/test.npz")
TRAINED = FOLDER / "trained.toml"
LARGEST_FILE_BYTES = 50_000


def network() -> keras.Model:
    """Two convolutions and a dense layer; about 50 000 MACs."""
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(12, 3, padding="same", activation="relu", name="conv1")(image)
    x = layers.Conv2D(24, 3, strides=2, padding="same", activation="relu", name="conv2")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(0.3, seed=SEED, name="dropout")(x)
    x = layers.Dense(10, name="classifier")(x)
    return keras.Model(image, layers.Softmax(name="probabilities")(x), name="digits_cnn")


def trained(x: np.ndarray, y: np.ndarray) -> keras.Model:
    keras.utils.set_random_seed(SEED)
    model = network()
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=32, epochs=EPOCHS, verbose=0)
    return model


def convert(model: keras.Model, images: np.ndarray | None) -> bytes:
    """The float file; with images to set the ranges the int8 file, weights per channel."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if images is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # Keras lists every variable
        warnings.simplefilter("ignore")  # advice on deprecated names
        data: bytes = converter.convert()
    return data


def top_1(data: bytes, x: np.ndarray, y: np.ndarray) -> float:
    """Share of right answers, with the arithmetic of the oracle."""
    interpreter = Interpreter(data, ORACLE)
    (image,), (scores,) = interpreter.inputs, interpreter.outputs
    right = 0
    for pixels, label in zip(x, y, strict=True):
        values = (
            pixels if image.dtype == "float32" else np.floor(pixels / image.scale + 0.5) + image.zero_point
        )
        answer = interpreter.run([np.clip(values, -128, 127).astype(image.dtype).tobytes()])[0]
        right += int(np.argmax(np.frombuffer(answer, scores.dtype)) == label)
    return right / len(y)


def archive(arrays: dict[str, np.ndarray]) -> bytes:
    """An NPZ file whose bytes depend on the arrays only: `numpy.savez` puts the time of day into it."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            one = io.BytesIO()
            np.lib.format.write_array(one, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), one.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return whole.getvalue()


def index_entry(name: str, data: bytes, top_1_percent: float) -> str:
    path = FOLDER / f"{name}.tflite"
    costs = layer_costs(load_model(path))
    dtype = name.rsplit("_", 1)[1].replace("float", "float32")
    fields: dict[str, str | int | bool] = {
        "name": name,
        "family": "Digits CNN",
        "alpha": "1.0",
        "description": "Trained on scikit-learn's handwritten digits; top-1 of the 540 held-out images: "
        f"{top_1_percent:.2f} %",
        "resolution": "8x8x1",
        "classes": 10,
        "input_type": dtype,
        "output_type": dtype,
        "parameters": sum(cost.parameters for cost in costs),
        "weight_bytes": sum(cost.weight_bytes for cost in costs),
        "macs": sum(cost.macs or 0 for cost in costs),
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "built_with": f"tensorflow {tf.__version__}, keras {keras.__version__}, "
        f"scikit-learn {sklearn.__version__}, tools/build_digits.py",
        "default": False,
    }
    return "\n".join(["[[model]]", *(f"{key} = {json.dumps(value)}" for key, value in fields.items()), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--compare", action="store_true", help="write nothing; fail if a file would change")
    compare = parser.parse_args().compare
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)  # sums must not depend on the number of cores
    tf.config.threading.set_inter_op_parallelism_threads(1)

    digits = load_digits()
    pixels = digits.images.astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.uint8)
    x = pixels.astype(np.float32) / LARGEST_PIXEL
    model = trained(x[:TRAINING_IMAGES], labels[:TRAINING_IMAGES])
    held_out_x, held_out_y = x[TRAINING_IMAGES:], labels[TRAINING_IMAGES:]

    files = {
        IMAGES: archive({"x": pixels[TRAINING_IMAGES:], "y": held_out_y}),
        FOLDER / "digits_cnn_float.tflite": convert(model, None),
        FOLDER / "digits_cnn_int8.tflite": convert(model, x[:TRAINING_IMAGES:5]),
    }
    changed = [path for path, data in files.items() if not path.is_file() or path.read_bytes() != data]
    if not compare:
        for path in changed:
            write_atomic(path, files[path])
    entries = ["# Written by tools/build_digits.py. Weights are trained: the answers mean something.\n"]
    for path, data in files.items():
        if len(data) > LARGEST_FILE_BYTES:
            raise SystemExit(f"{path}: {len(data)} bytes: expected at most {LARGEST_FILE_BYTES}")
        if path.suffix == ".tflite" and path not in (changed if compare else ()):
            percent = 100 * top_1(data, held_out_x, held_out_y)
            print(
                f"{path.stem}: {len(data)} bytes, top-1 {percent:.2f} % of {len(held_out_y)} held-out images"
            )
            entries.append(index_entry(path.stem, data, percent))
    index = "\n".join(entries).encode()
    if not TRAINED.is_file() or TRAINED.read_bytes() != index:
        changed.append(TRAINED)
        if not compare:
            write_atomic(TRAINED, index)
    print(f"changed: {', '.join(path.name for path in changed) or 'nothing'}")
    sys.exit(1 if compare and changed else 0)


if __name__ == "__main__":
    main()
