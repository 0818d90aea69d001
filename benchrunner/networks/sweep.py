"""What width and resolution do to a family: one row per network, and which rows are one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchrunner.errors import UsageError
from benchrunner.model import Model
from benchrunner.model.cost import model_cost
from benchrunner.networks import FAMILIES, describe
from benchrunner.networks.published import top1_percent

Shape = tuple[int, ...]

_POINTS_LIMIT = 200

# Of these families MobileNetV2's maps are shown: where FOMO cuts it, and at the end of its blocks.
_MAPS = {"fomo": "mobilenet_v2", "mobilenet_v2": "mobilenet_v2"}
CUT, LAST = "block_6_expand", "block_16_project"


@dataclass(frozen=True, slots=True)
class Point:
    """One network. `at_cut` and `at_last` are (height, width, channels) in the untruncated MobileNetV2."""

    family: str
    alpha: float
    resolution: int
    channels: int
    parameters: int
    weight_bytes: int
    macs: int
    live_peak_bytes: int  # no output over an input
    live_peak_layer: str
    naive_peak_bytes: int
    graph_sha256: str
    widths: Shape  # channels of every activation, in order
    at_cut: Shape | None
    at_last: Shape | None
    top1_percent: float | None  # as others published it

    @property
    def input_shape(self) -> Shape:
        return self.resolution, self.resolution, self.channels


@dataclass(frozen=True, slots=True)
class OneNetwork:
    """Width multipliers that give the same network, and why."""

    family: str
    resolution: int
    channels: int
    alphas: tuple[float, ...]
    graph_sha256: str
    widths: Shape  # the distinct widths, ascending
    reason: str


def sweep(
    family: str,
    *,
    alphas: Sequence[float] = (),
    resolutions: Sequence[int] = (),
    channels: int = 3,
    classes: int | None = None,
) -> tuple[Point, ...]:
    """A point for every width and resolution; those of the family where none are given.

    Raises `UsageError` as `describe` does, and for more points than anybody reads.
    """
    if family not in FAMILIES:
        raise UsageError(
            f"{family}: no family of networks of that name", hint=f"known: {', '.join(FAMILIES)}"
        )
    known = FAMILIES[family]
    wanted = [(a, r) for a in (alphas or known.alphas) for r in (resolutions or known.resolutions)]
    if len(wanted) > _POINTS_LIMIT:
        raise UsageError(f"{len(wanted)} networks to describe", hint=f"at most {_POINTS_LIMIT} at once")
    return tuple(_point(family, alpha, resolution, channels, classes) for alpha, resolution in wanted)


def _point(family: str, alpha: float, resolution: int, channels: int, classes: int | None) -> Point:
    model = describe(family, alpha, resolution, channels=channels, classes=classes)
    cost = model_cost(model)
    whole = None
    if family in _MAPS:
        base = _MAPS[family]
        whole = model if base == family else describe(base, alpha, resolution, channels=channels)
    graph, peak = model.graph, cost.live.peak_layer
    return Point(
        family=family,
        alpha=alpha,
        resolution=resolution,
        channels=channels,
        parameters=cost.parameters,
        weight_bytes=cost.weight_bytes,
        macs=cost.counted_macs,
        live_peak_bytes=cost.live.peak_bytes,
        live_peak_layer="" if peak is None else cost.layers[peak].name,
        naive_peak_bytes=cost.naive_peak_bytes,
        graph_sha256=model.graph_sha256,
        widths=tuple(graph.tensors[operator.outputs[0]].shape[-1] for operator in graph.operators),
        at_cut=None if whole is None else map_shape(whole, CUT),
        at_last=None if whole is None else map_shape(whole, LAST),
        top1_percent=top1_percent(family, alpha, resolution, channels),
    )


def map_shape(model: Model, layer: str) -> Shape | None:
    """(height, width, channels) of the activation `layer`; None where the network has none of that name."""
    return next((tensor.shape[1:] for tensor in model.graph.tensors if tensor.name == layer), None)


def same_networks(points: Sequence[Point]) -> tuple[OneNetwork, ...]:
    """Every group of points with equal graphs, with what makes them equal."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.graph_sha256, []).append(point)
    found = []
    for digest, members in groups.items():
        alphas = tuple(sorted({member.alpha for member in members}))
        if len(alphas) < 2:
            continue
        first = members[0]
        found.append(
            OneNetwork(
                first.family,
                first.resolution,
                first.channels,
                alphas,
                digest,
                tuple(sorted(set(first.widths))),
                _reason(first, alphas),
            )
        )
    return tuple(found)


def _reason(point: Point, alphas: tuple[float, ...]) -> str:
    listed = " and ".join(f"{alpha:g}" for alpha in alphas)
    rule = (
        "to a multiple of 8, 8 at the least" if FAMILIES[point.family].in_eights else "down to a whole number"
    )
    text = f"channels are rounded {rule}, so alpha {listed} give the same widths"
    if point.family == "fomo":
        text += " up to block_6_expand_relu, where FOMO cuts MobileNetV2; only what follows there differs"
    return text
