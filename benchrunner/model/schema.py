"""The TensorFlow Lite schema as data: names of its enumerations, and the option fields of each operator.

Source: tensorflow/lite/schema/schema.fbs. Slots are the positions of the fields there; the tests write every
one of them with the generated code of the `tflite` package and read it back here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path

IDENTIFIER = b"TFL3"

# An option field: name, slot, and its type: a struct code, "f" for float, "*i" for a vector of integers, or
# the enumeration whose name the value stands for. A default other than zero follows.
Field = tuple[str, int, str] | tuple[str, int, str, int]

_ACTIVATION = "ActivationFunctionType"
_STRIDES: tuple[Field, ...] = (("padding", 0, "Padding"), ("stride_w", 1, "i"), ("stride_h", 2, "i"))

OPTIONS: Mapping[str, tuple[Field, ...]] = {
    "Conv2DOptions": (
        *_STRIDES,
        ("activation", 3, _ACTIVATION),
        ("dilation_w", 4, "i", 1),
        ("dilation_h", 5, "i", 1),
    ),
    "DepthwiseConv2DOptions": (
        *_STRIDES,
        ("depth_multiplier", 3, "i"),
        ("activation", 4, _ACTIVATION),
        ("dilation_w", 5, "i", 1),
        ("dilation_h", 6, "i", 1),
    ),
    "Pool2DOptions": (
        *_STRIDES,
        ("filter_w", 3, "i"),
        ("filter_h", 4, "i"),
        ("activation", 5, _ACTIVATION),
    ),
    "TransposeConvOptions": (*_STRIDES, ("activation", 3, _ACTIVATION)),
    "Conv3DOptions": (
        ("padding", 0, "Padding"),
        ("stride_d", 1, "i"),
        ("stride_w", 2, "i"),
        ("stride_h", 3, "i"),
        ("activation", 4, _ACTIVATION),
        ("dilation_d", 5, "i", 1),
        ("dilation_w", 6, "i", 1),
        ("dilation_h", 7, "i", 1),
    ),
    "FullyConnectedOptions": (
        ("activation", 0, _ACTIVATION),
        ("weights_format", 1, "b"),
        ("keep_num_dims", 2, "?"),
    ),
    "BatchMatMulOptions": (("adj_x", 0, "?"), ("adj_y", 1, "?")),
    "AddOptions": (("activation", 0, _ACTIVATION),),
    "SubOptions": (("activation", 0, _ACTIVATION),),
    "MulOptions": (("activation", 0, _ACTIVATION),),
    "DivOptions": (("activation", 0, _ACTIVATION),),
    "L2NormOptions": (("activation", 0, _ACTIVATION),),
    "SoftmaxOptions": (("beta", 0, "f"),),
    "LeakyReluOptions": (("alpha", 0, "f"),),
    "GeluOptions": (("approximate", 0, "?"),),
    "ReshapeOptions": (("new_shape", 0, "*i"),),
    "SqueezeOptions": (("squeeze_dims", 0, "*i"),),
    "ConcatenationOptions": (("axis", 0, "i"), ("activation", 1, _ACTIVATION)),
    "ReducerOptions": (("keep_dims", 0, "?"),),
    "ArgMaxOptions": (("output_type", 0, "TensorType"),),
    "ArgMinOptions": (("output_type", 0, "TensorType"),),
    "CastOptions": (("in_data_type", 0, "TensorType"), ("out_data_type", 1, "TensorType")),
    "ShapeOptions": (("out_type", 0, "TensorType"),),
    "StridedSliceOptions": (
        ("begin_mask", 0, "i"),
        ("end_mask", 1, "i"),
        ("ellipsis_mask", 2, "i"),
        ("new_axis_mask", 3, "i"),
        ("shrink_axis_mask", 4, "i"),
        ("offset", 5, "?"),
    ),
    "PackOptions": (("values_count", 0, "i"), ("axis", 1, "i")),
    "UnpackOptions": (("num", 0, "i"), ("axis", 1, "i")),
    "SplitOptions": (("num_splits", 0, "i"),),
    "SplitVOptions": (("num_splits", 0, "i"),),
    "GatherOptions": (("axis", 0, "i"), ("batch_dims", 1, "i")),
    "MirrorPadOptions": (("mode", 0, "MirrorPadMode"),),
    "SpaceToDepthOptions": (("block_size", 0, "i"),),
    "DepthToSpaceOptions": (("block_size", 0, "i"),),
    "ResizeBilinearOptions": (("align_corners", 2, "?"), ("half_pixel_centers", 3, "?")),
    "ResizeNearestNeighborOptions": (("align_corners", 0, "?"), ("half_pixel_centers", 1, "?")),
    "PadOptions": (),
    "PadV2Options": (),
    "QuantizeOptions": (),
    "DequantizeOptions": (),
    "TransposeOptions": (),
    "SliceOptions": (),
    "ExpandDimsOptions": (),
    "HardSwishOptions": (),
    "MaximumMinimumOptions": (),
}


@cache
def enum_names(enumeration: str) -> Mapping[int, str]:
    """Value -> name of an enumeration of the schema (`BuiltinOperator`, `TensorType` ...).

    The module is loaded by its file: importing the `tflite` package loads numpy and 190 modules with it,
    0.27 s that `analyze` would otherwise spend for seven lists of names.
    """
    package = importlib.util.find_spec("tflite")
    if package is None or not package.submodule_search_locations:
        raise ImportError("the package tflite is not installed")
    path = Path(package.submodule_search_locations[0]) / f"{enumeration}.py"
    spec = importlib.util.spec_from_file_location(f"_tflite_{enumeration}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    values = vars(getattr(module, enumeration))
    return {value: name for name, value in values.items() if isinstance(value, int)}
