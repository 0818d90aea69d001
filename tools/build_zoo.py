"""Builds the models that ship with the project, checks them, and writes `benchrunner/zoo/`.

Needs the extra [zoo] (Keras and the TFLite converter). From the top of a checkout:

    PYTHONPATH=. python tools/build_zoo.py            # build and replace the shipped files
    PYTHONPATH=. python tools/build_zoo.py --compare  # build, and fail if a file differs from the shipped one
    PYTHONPATH=. python tools/build_zoo.py --only 'fomo_*'  # only these networks; the others stay as they are

With the versions that the index names, a build gives the same bytes again.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import hashlib
import io
import json
import os
import sys
import tomllib
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
from zoo_mobilenets import MOBILENETS
from zoo_networks import NETWORKS, Network, seed_weights

from benchrunner.durable import write_atomic
from benchrunner.runtime import ORACLE, Interpreter, Tensor, natural_input, seeded_input
from benchrunner.runtime.inputs import natural_image
from benchrunner.zoo import FOLDER, INDEX

DEFAULT = "fdmobilenet_0.25_128_int8"

# Variant -> input and output type. "uint8" is how the ST model zoo publishes its files.
VARIANTS = {"int8": (tf.int8, tf.int8), "uint8": (tf.uint8, tf.float32)}

# Operators of the published uint8 file of the FdMobileNets. Its batch is open: reshapes compute their shape.
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


def training_images(resolution: int, channels: int) -> np.ndarray:
    """Images that set the statistics and the quantisation ranges: 48 smooth ones, 16 of noise."""
    shape = (resolution, resolution, channels)
    smooth = [natural_image(*shape, 1000 + seed) for seed in range(48)]
    frame = Tensor("image", shape, "uint8", 1 / 255, 0, int(np.prod(shape)))
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
        if name == "MUL":  # by a constant of the file: it counts as a weight of the layer
            for index in operator.InputsAsNumpy():
                stored = model.Buffers(graph.Tensors(index).Buffer()).DataLength()
                parameters, weight_bytes = parameters + stored, weight_bytes + stored
        if name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            continue
        weights, bias, output = (
            [int(size) for size in graph.Tensors(index).ShapeAsNumpy()]
            for index in (*operator.InputsAsNumpy()[1:], operator.Outputs(0))
        )
        parameters += int(np.prod(weights)) + bias[0]
        weight_bytes += int(np.prod(weights)) + 4 * bias[0]
        macs += int(np.prod(output[1:-1])) * int(np.prod(weights))
    return operators, parameters, weight_bytes, macs


def check(name: str, network: Network, resolution: int, variant: str, data: bytes) -> None:
    """Stop the build when the file is not the published graph, or answers the same to everything."""
    operators, *found = counts(data)
    frame = 0 if variant == "int8" else 1
    expected = Counter({**OPERATORS, "QUANTIZE": frame, "DEQUANTIZE": frame})
    if not network.fixed_batch and operators != expected:
        raise SystemExit(f"{name}: operators: expected {expected}, found {operators}")
    wanted = [network.parameters, network.weight_bytes, network.macs[resolution]]
    if found != wanted:
        raise SystemExit(f"{name}: parameters, weight bytes, MACs: expected {wanted}, found {found}")

    interpreter = Interpreter(data, ORACLE)
    image, probabilities = interpreter.inputs[0], interpreter.outputs[0]
    inputs = [natural_input(image, seed) for seed in range(25)] + [seeded_input(image, s) for s in range(25)]
    outputs = [interpreter.run([data])[0] for data in inputs]
    winners: Counter[int] = Counter()
    for output in outputs:  # of a map, each cell has a winner
        cells = np.frombuffer(output, probabilities.dtype).reshape(-1, network.classes)
        winners.update(cells.argmax(axis=1).tolist())
    distinct, least = len(set(outputs)), min(3, network.classes)
    if len(winners) < least or distinct < 40:
        raise SystemExit(
            f"{name}: 50 inputs: expected {least} classes to win and 40 outputs, "
            f"found {dict(winners)}, {distinct}"
        )
    print(f"{name}: {len(data)} bytes, {distinct} different outputs of 50, wins by class {dict(winners)}")


def build(network: Network, resolution: int) -> dict[str, bytes]:
    """The files of one network at one resolution, by variant."""
    keras.backend.clear_session()  # layer and tensor names get counters that start again
    keras.utils.set_random_seed(network.seed)
    model = network.build(resolution, network.classes)
    images = training_images(resolution, network.channels)
    seed_weights(model, network.seed, images)
    if network.fixed_batch:
        one = keras.Input(batch_shape=(1, *model.input_shape[1:]), name="image")
        fixed = keras.models.clone_model(model, input_tensors=one)
        fixed.set_weights(model.get_weights())
        model = fixed
    return {variant: convert(model, images, variant) for variant in network.variants}


def index_entry(name: str, network: Network, resolution: int, variant: str, data: bytes) -> str:
    fields: dict[str, str | int | bool] = {
        "name": name,
        "family": network.family,
        "alpha": network.alpha,
        "description": network.description,
        "resolution": f"{resolution}x{resolution}x{network.channels}",
        "classes": network.classes,
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


def _index_entries() -> dict[str, str]:
    """Name -> its part of the index as it is."""
    texts = [f"[[model]]{text}" for text in INDEX.read_text().split("[[model]]")[1:]]
    return {tomllib.loads(text)["model"][0]["name"]: text.strip() + "\n" for text in texts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--compare", action="store_true", help="write nothing; fail if a file would change")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="names of networks, with * and ?")
    arguments = parser.parse_args()
    compare = arguments.compare
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)  # sums must not depend on the number of cores
    tf.config.threading.set_inter_op_parallelism_threads(1)

    files: dict[Path, bytes] = {}
    known = _index_entries()
    entries = ["# Written by tools/build_zoo.py. Weights are seeded: the outputs mean nothing.\n"]
    for network in (*NETWORKS, *MOBILENETS):
        chosen = fnmatch.fnmatchcase(network.name, arguments.only)
        for resolution in network.macs:
            built = build(network, resolution) if chosen else {}
            for variant in network.variants:
                name = f"{network.name}_{resolution}_{variant}"
                if chosen:
                    check(name, network, resolution, variant, built[variant])
                    files[FOLDER / f"{name}.tflite"] = built[variant]
                    entries.append(index_entry(name, network, resolution, variant, built[variant]))
                elif name in known:
                    entries.append(known[name])
    files[INDEX] = "\n".join(entries).encode()
    changed = [path for path, data in files.items() if not path.is_file() or path.read_bytes() != data]
    if not compare:
        for path in changed:
            write_atomic(path, files[path])
    print(f"changed: {', '.join(path.name for path in changed) or 'nothing'}")
    sys.exit(1 if compare and changed else 0)


if __name__ == "__main__":
    main()
