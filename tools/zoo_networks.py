"""The networks of the zoo as Keras graphs, one builder per family, and the seeded weights that they get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

CLASSIFIER = "classifier"  # the name of the last layer with weights, in every family


@dataclass(frozen=True)
class Network:
    """One network of the zoo, and the counts that its files must have.

    Sources: FD-MobileNet, arXiv 1802.03750; the ST variants, `image_classification` of the ST model zoo.
    """

    name: str
    family: str
    alpha: str
    description: str
    build: Callable[[int, int], keras.Model]  # resolution, classes; leaves the batch open
    seed: int
    parameters: int  # batch normalisation folded, with `classes` classes
    weight_bytes: int
    macs: dict[int, int]  # by resolution
    channels: int = 3
    classes: int = 5
    fixed_batch: bool = False  # the shipped file is for one image; else its batch is open, as ST publishes it
    variants: tuple[str, ...] = ("int8", "uint8")


# --- FD-MobileNet ---------------------------------------------------------------------------------------

_FD_POINTWISE = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 1024)
_FD_STRIDES = (2, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1)


def _fd_mobilenet(name: str, alphas: tuple[float, ...]) -> Callable[[int, int], keras.Model]:
    """`alphas` has one width multiplier per stage: the first convolution, then each block."""

    def build(resolution: int, classes: int) -> keras.Model:
        image = keras.Input((resolution, resolution, 3), name="image")
        x = _convolution(image, int(32 * alphas[0]), 3, 2, "conv1")
        for block, (width, stride) in enumerate(zip(_FD_POINTWISE, _FD_STRIDES, strict=True), start=1):
            # The published graph has a bias here, and neither normalisation nor activation.
            x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=True, name=f"dw{block}")(x)
            x = _convolution(x, int(width * alphas[block]), 1, 1, f"pw{block}")
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Reshape((1, 1, x.shape[-1]), name="to_map")(x)
        x = layers.Dropout(1e-3, name="dropout")(x)
        x = layers.Conv2D(classes, 1, padding="same", name=CLASSIFIER)(x)
        x = layers.Softmax(name="probabilities")(x)
        return keras.Model(image, layers.Reshape((classes,), name="to_classes")(x), name=name)

    return build


def _convolution(x: keras.KerasTensor, filters: int, size: int, stride: int, name: str) -> keras.KerasTensor:
    x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


NETWORKS = (
    Network(
        name="fdmobilenet_0.25",
        family="FdMobileNet",
        alpha="0.25",
        description="FD-MobileNet (arXiv 1802.03750), width multiplier 0.25",
        build=_fd_mobilenet("fdmobilenet", (0.25,) * 12),
        seed=1,
        parameters=125_477,
        weight_bytes=131_396,
        macs={128: 3_848_448, 224: 11_783_232},
    ),
    Network(
        name="st_fdmobilenet_v1",
        family="ST FdMobileNet v1",
        alpha="0.5-0.25",
        description="FD-MobileNet with wider early stages, as in the ST model zoo",
        build=_fd_mobilenet("st_fdmobilenet_v1", (0.5, 0.75, 0.625, 0.5, 0.375, *(0.25,) * 7)),
        seed=2,
        parameters=141_573,
        weight_bytes=148_404,
        macs={128: 7_977_216, 224: 24_427_584},
    ),
)


# --- weights, for every family --------------------------------------------------------------------------


def seed_weights(model: keras.Model, seed: int, images: np.ndarray) -> None:
    """Give `model` weights that are random and still make it answer differently to different images.

    Random weights alone make every image look the same after ten layers. So batch normalisation gets the
    statistics of `images`, and the classifier looks along the directions in which their features differ most.
    """
    for index, layer in enumerate(model.layers):
        draw = np.random.default_rng([seed, index])
        match layer:
            case layers.DepthwiseConv2D():
                kernel, *bias = layer.get_weights()
                # A blur plus noise: purely random filters pass only edges, which fade from block to block.
                values = draw.normal(1 / 9, 1 / 6, kernel.shape)
                layer.set_weights([values, *(draw.normal(0, 0.1, b.shape) for b in bias)])
            case layers.Conv2D() | layers.Dense():
                kernel, *bias = layer.get_weights()
                fan_in = int(np.prod(kernel.shape[:-1]))
                values = draw.normal(0, np.sqrt(2 / fan_in), kernel.shape)
                layer.set_weights([values, *(draw.normal(0, 0.1, b.shape) for b in bias)])
            case layers.BatchNormalization():
                gamma, beta, mean, variance = layer.get_weights()
                gamma = draw.uniform(0.7, 1.3, gamma.shape)
                layer.set_weights([gamma, draw.normal(0, 0.3, beta.shape), mean, variance])
    _set_normalisation(model, images)
    _spread_classes(model, seed, images)


def _set_normalisation(model: keras.Model, images: np.ndarray) -> None:
    """Fixes the moving statistics of every batch normalisation to those of `images`."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0  # one pass in training mode replaces the statistics
    model(images, training=True)


def _spread_classes(model: keras.Model, seed: int, images: np.ndarray) -> None:
    classifier = model.get_layer(CLASSIFIER)
    features = np.asarray(keras.Model(model.input, classifier.input)(images))
    features = features.reshape(-1, features.shape[-1])  # of a map, every cell is classified by itself
    classes = classifier.get_weights()[1].shape[0]
    centre = features.mean(axis=0)
    _, spread, directions = np.linalg.svd(features - centre, full_matrices=False)
    # Unit variance of the features along each direction, rotated so that no class owns a direction.
    whitening = directions[:classes].T / spread[:classes] * np.sqrt(len(features))
    rotation, _ = np.linalg.qr(np.random.default_rng([seed, 1000]).normal(size=(classes, classes)))
    kernel = 2.0 * whitening @ rotation  # logits with a standard deviation of 2: a softmax in between
    bias = -centre @ kernel
    old_kernel, _ = classifier.get_weights()
    classifier.set_weights([kernel.reshape(old_kernel.shape), bias])
