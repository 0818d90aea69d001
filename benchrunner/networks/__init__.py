"""Networks described in Python, without a file: the known families at any width, resolution and channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchrunner.errors import UsageError
from benchrunner.model import Model
from benchrunner.networks import mobilenets
from benchrunner.networks.sketch import Sketch

_RESOLUTION_LIMIT = 4_096  # a larger camera is not looked at in one piece
_ALPHA_LIMIT = 4.0
_CLASSES_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Family:
    """A network with a width multiplier. `alphas` are those that are published or asked for."""

    name: str
    title: str
    draw: Callable[[Sketch, float, int], None]  # sketch, alpha, classes
    alphas: tuple[float, ...]
    resolutions: tuple[int, ...]
    least_alpha: float  # below, a layer would have no channel
    classes: int = 5

    @property
    def in_eights(self) -> bool:
        """Whether channels are rounded as in MobileNetV2: to multiples of 8; else down to whole numbers."""
        return self.name in ("mobilenet_v2", "fomo", "mobilenet_v3_small")


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            "fdmobilenet",
            "FdMobileNet",
            mobilenets.fdmobilenet,
            (0.25, 0.5, 0.75, 1.0),
            (96, 128, 224),
            1 / 32,
        ),
        Family(
            "mobilenet_v1",
            "MobileNetV1",
            mobilenets.mobilenet_v1,
            (0.25, 0.5, 0.75, 1.0),
            (96, 128, 160, 192, 224),
            1 / 32,
        ),
        Family(
            "mobilenet_v2",
            "MobileNetV2",
            mobilenets.mobilenet_v2,
            (0.05, 0.1, 0.35, 0.5, 0.75, 1.0, 1.4),
            (96, 128, 160, 192, 224),
            0.01,
        ),
        Family("fomo", "FOMO", mobilenets.fomo, (0.05, 0.1, 0.35), (96, 160, 320), 0.01, classes=2),
        Family(
            "mobilenet_v3_small",
            "MobileNetV3 Small",
            mobilenets.mobilenet_v3_small,
            (0.35, 0.75, 1.0),
            (96, 128, 224),
            0.01,
        ),
    )
}


def describe(
    family: str, alpha: float, resolution: int, *, channels: int = 3, classes: int | None = None
) -> Model:
    """The network as a `Model` with zero weights: for cost, memory and plan, as a file would give them.

    Raises `UsageError` for a family that is not known and for sizes that make no network.
    """
    if family not in FAMILIES:
        raise UsageError(
            f"{family}: no family of networks of that name", hint=f"known: {', '.join(FAMILIES)}"
        )
    found = FAMILIES[family]
    if not found.least_alpha <= alpha <= _ALPHA_LIMIT:
        raise UsageError(
            f"{family}: width multiplier {alpha:g}", hint=f"{found.least_alpha:g} to {_ALPHA_LIMIT:g}"
        )
    wanted = found.classes if classes is None else classes
    for what, value, limit in (
        ("resolution", resolution, _RESOLUTION_LIMIT),
        ("channels", channels, 64),
        ("classes", wanted, _CLASSES_LIMIT),
    ):
        if not 1 <= value <= limit:
            raise UsageError(f"{family}: {what} {value}", hint=f"1 to {limit}")
    net = Sketch(f"{family}_{alpha:g}_{resolution}x{resolution}x{channels}", resolution, resolution, channels)
    found.draw(net, alpha, wanted)
    return net.model()


__all__ = ["FAMILIES", "Family", "describe"]
