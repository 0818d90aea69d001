"""Builds the models that ship with the project, checks them, and writes `benchrunner/zoo/`.

Needs the extra [zoo] (Keras and the TFLite converter). From the top of a checkout:

    PYTHONPATH=. python tools/build_zoo.py            # build and replace the shipped files
    PYTHONPATH=. python tools/build_zoo.py --compare  # build, and fail if a file differs from the shipped one

With the versions that the index names, a build gives the same bytes again.
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
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its results depend on the processor

import keras
import numpy as np
import tensorflow as tf
import tflite
from zoo_networks import NETWORKS, Network, seed_weights

from benchrunner.durable import write_atomic
from benchrunner.runtime import ORACLE, Interpreter, Tensor, natural_input, seeded_input
from benchrunner.runtime.inputs import natural_image
from benchrunner.zoo import FOLDER, INDEX

CLASSES = 5
RESOLUTIONS = (128, 224)
DEFAULT = "fdmobilenet_0.25_128_int8"

# Variant -> input and output type. "uint8" is how the ST model zoo publishes its files.
VARIANTS = {"int8": (tf.int8, tf.int8), "uint8": (tf.uint8, tf.float32)}

# Operators of the published uint8 file. The batch dimension is open, so each reshape computes its shape.
OPERATORS = {
    "QUANTIZE": 1,
    "CONV_2D": 13,
    "DEPTHWISE_CONV_2D": 11,
    "MEAN": 1,
    "SHAPE": 2,
    "STRIDED_SLICE": 2,
    "PACK": 2,
    "RESHAPE": 2,
    "SOFTMAX": 1,
    "DEQUANTIZE": 1,
}


def training_images(resolution: int) -> np.ndarray:
    """Images that set the statistics and the quantisation ranges: 48 smooth ones, 16 of noise."""
    smooth = [natural_image(resolution, resolution, 3, 1000 + seed) for seed in range(48)]
    frame = Tensor("image", (resolution, resolution, 3), "uint8", 1 / 255, 0, resolution * resolution * 3)
    noise = [np.frombuffer(seeded_input(frame, 1000 + seed), np.uint8) for seed in range(16)]
    return np.stack([*smooth, *(n.reshape(frame.shape) for n in noise)]).astype(np.float32) / 255


def convert(model: keras.Model, images: np.ndarray, variant: str) -> bytes:
    """Full-integer quantisation, weights per channel."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[np.newaxis]] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type, converter.inference_output_type = VARIANTS[variant]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # Keras lists every variable
        warnings.simplefilter("ignore")  # advice on deprecated names
        data: bytes = converter.convert()
    return data


def counts(data: bytes) -> tuple[Counter[str], int, int, int]:
    """Operators, parameters, weight bytes and MACs of a file, read with the generated schema code."""
    names = {code: name for name, code in vars(tflite.BuiltinOperator).items() if not name.startswith("_")}
    model = tflite.Model.GetRootAs(data)
    graph = model.Subgraphs(0)
    operators: Counter[str] = Counter()
    parameters = weight_bytes = macs = 0
    for operator in (graph.Operators(index) for index in range(graph.OperatorsLength())):
        code = model.OperatorCodes(operator.OpcodeIndex())
        name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        operators[name] += 1
        if name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            continue
        weights, bias, output = (
            [int(size) for size in graph.Tensors(index).ShapeAsNumpy()]
            for index in (*operator.InputsAsNumpy()[1:], operator.Outputs(0))
        )
        parameters += int(np.prod(weights)) + bias[0]
        weight_bytes += int(np.prod(weights)) + 4 * bias[0]
        macs += output[1] * output[2] * int(np.prod(weights))
    return operators, parameters, weight_bytes, macs


def check(name: str, network: Network, resolution: int, variant: str, data: bytes) -> None:
    """Stop the build when the file is not the published graph, or answers the same to everything."""
    operators, *found = counts(data)
    frame = 0 if variant == "int8" else 1
    expected = Counter({**OPERATORS, "QUANTIZE": frame, "DEQUANTIZE": frame})
    if operators != expected:
        raise SystemExit(f"{name}: operators: expected {expected}, found {operators}")
    wanted = [network.parameters, network.weight_bytes, network.macs[resolution]]
    if found != wanted:
        raise SystemExit(f"{name}: parameters, weight bytes, MACs: expected {wanted}, found {found}")

    interpreter = Interpreter(data, ORACLE)
    image, probabilities = interpreter.inputs[0], interpreter.outputs[0]
    inputs = [natural_input(image, seed) for seed in range(25)] + [seeded_input(image, s) for s in range(25)]
    outputs = [interpreter.run([data])[0] for data in inputs]
    winners = Counter(int(np.argmax(np.frombuffer(output, probabilities.dtype))) for output in outputs)
    distinct = len(set(outputs))
    if len(winners) < 3 or distinct < 40:
        raise SystemExit(
            f"{name}: 50 inputs: expected 3 classes to win and 40 outputs, found {dict(winners)}, {distinct}"
        )
    print(f"{name}: {len(data)} bytes, {distinct} different outputs of 50, wins by class {dict(winners)}")


def build(network: Network, resolution: int) -> dict[str, bytes]:
    """The files of one network at one resolution, by variant."""
    keras.backend.clear_session()  # layer and tensor names get counters that start again
    keras.utils.set_random_seed(network.seed)
    model = network.build(resolution, CLASSES)
    images = training_images(resolution)
    seed_weights(model, network.seed, images)
    return {variant: convert(model, images, variant) for variant in VARIANTS}


def index_entry(name: str, network: Network, resolution: int, variant: str, data: bytes) -> str:
    fields: dict[str, str | int | bool] = {
        "name": name,
        "family": network.family,
        "alpha": network.alpha,
        "description": network.description,
        "resolution": f"{resolution}x{resolution}x3",
        "classes": CLASSES,
        "input_type": VARIANTS[variant][0].name,
        "output_type": VARIANTS[variant][1].name,
        "parameters": network.parameters,
        "weight_bytes": network.weight_bytes,
        "macs": network.macs[resolution],
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "built_with": f"tensorflow {tf.__version__}, keras {keras.__version__}, tools/build_zoo.py",
        "default": name == DEFAULT,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items()]
    return "\n".join(["[[model]]", *lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--compare", action="store_true", help="write nothing; fail if a file would change")
    compare = parser.parse_args().compare
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)  # sums must not depend on the number of cores
    tf.config.threading.set_inter_op_parallelism_threads(1)

    files: dict[Path, bytes] = {}
    entries = ["# Written by tools/build_zoo.py. Weights are seeded: the outputs mean nothing.\n"]
    for network in NETWORKS:
        for resolution in RESOLUTIONS:
            for variant, data in build(network, resolution).items():
                name = f"{network.name}_{resolution}_{variant}"
                check(name, network, resolution, variant, data)
                entries.append(index_entry(name, network, resolution, variant, data))
                files[FOLDER / f"{name}.tflite"] = data
    files[INDEX] = "\n".join(entries).encode()
    changed = [path for path, data in files.items() if not path.is_file() or path.read_bytes() != data]
    if not compare:
        for path in changed:
            write_atomic(path, files[path])
    print(f"changed: {', '.join(path.name for path in changed) or 'nothing'}")
    sys.exit(1 if compare and changed else 0)


if __name__ == "__main__":
    main()
