"""ImageNet top-1 that others published for these networks: float, 1000 classes. None is measured here."""

from __future__ import annotations

from collections.abc import Mapping

# Family -> where the figures stand.
SOURCES: Mapping[str, str] = {
    "mobilenet_v1": "arXiv 1704.04861, tables 6 and 7",
    "mobilenet_v2": "TensorFlow's checkpoints, as the Keras documentation of MobileNetV2 lists them",
}

# Family -> (width multiplier, resolution) -> percent. Colour images; a width that nobody published is absent.
_TOP1: Mapping[str, Mapping[tuple[float, int], float]] = {
    "mobilenet_v1": {
        (1.0, 224): 70.6, (0.75, 224): 68.4, (0.5, 224): 63.7, (0.25, 224): 50.6,
        (1.0, 192): 69.1, (1.0, 160): 67.2, (1.0, 128): 64.4,
    },
    "mobilenet_v2": {
        (1.4, 224): 75.0,
        (1.0, 224): 71.8, (1.0, 192): 70.7, (1.0, 160): 68.8, (1.0, 128): 65.3, (1.0, 96): 60.3,
        (0.75, 224): 69.8, (0.75, 192): 68.7, (0.75, 160): 66.4, (0.75, 128): 63.2, (0.75, 96): 58.8,
        (0.5, 224): 65.4, (0.5, 192): 63.9, (0.5, 160): 61.0, (0.5, 128): 57.7, (0.5, 96): 51.2,
        (0.35, 224): 60.3, (0.35, 192): 58.2, (0.35, 160): 55.7, (0.35, 128): 50.8, (0.35, 96): 45.5,
    },
}  # fmt: skip


def top1_percent(family: str, alpha: float, resolution: int, channels: int) -> float | None:
    """The published figure, or None where there is none for exactly this network."""
    return _TOP1.get(family, {}).get((alpha, resolution)) if channels == 3 else None
