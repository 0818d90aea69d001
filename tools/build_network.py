"""Builds one network of the described families at any width, resolution and channels, as an int8 file.

Needs the extra [zoo]. From the top of a checkout:

    PYTHONPATH=. python tools/build_network.py fomo --alpha 0.35 --resolution 320 --out fomo_0.35_320.tflite

The file is for one image. It is written only if its graph is the one that `benchrunner.networks` describes,
and if its seeded weights give different answers to different images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import tensorflow as tf
from build_zoo import build, check
from zoo_mobilenets import BUILDERS
from zoo_networks import Network

from benchrunner.durable import write_atomic
from benchrunner.model import parse_model
from benchrunner.model.cost import model_cost
from benchrunner.networks import FAMILIES, describe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("family", choices=sorted(BUILDERS))
    parser.add_argument("--alpha", type=float, required=True, help="width multiplier")
    parser.add_argument("--resolution", type=int, required=True)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--classes", type=int, help="FOMO's with the background")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    given = parser.parse_args()
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    family = FAMILIES[given.family]
    classes = family.classes if given.classes is None else given.classes
    drawn = describe(
        given.family, given.alpha, given.resolution, channels=given.channels, classes=given.classes
    )
    cost = model_cost(drawn)
    network = Network(
        name=drawn.name,
        family=family.title,
        alpha=f"{given.alpha:g}",
        description="",
        build=BUILDERS[given.family](given.alpha, given.channels),
        seed=given.seed,
        parameters=cost.parameters,
        weight_bytes=cost.weight_bytes,
        macs={given.resolution: cost.counted_macs},
        channels=given.channels,
        classes=classes,
        fixed_batch=True,
        variants=("int8",),
    )
    data = build(network, given.resolution)["int8"]
    check(drawn.name, network, given.resolution, "int8", data)
    if parse_model(data, str(given.out)).graph_sha256 != drawn.graph_sha256:
        raise SystemExit(f"{drawn.name}: the converter's graph is not the one that the package describes")
    write_atomic(given.out, data)


if __name__ == "__main__":
    main()
