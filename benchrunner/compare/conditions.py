"""What must be equal for two results to be comparable, and the name of what is not."""

from __future__ import annotations

from collections.abc import Iterator

from benchrunner.history import METRICS, Point

# What decides about memory, which follows from the image: nothing of where and when it ran.
_BUILT = ("compiler", "flags")


def differences(before: Point, after: Point) -> dict[str, str]:
    """Differing conditions by their names, each with both values; empty when comparable."""
    return dict(_differences(before, after))


def _differences(before: Point, after: Point) -> Iterator[tuple[str, str]]:
    static = METRICS[before.key.metric].static if before.key.metric in METRICS else False
    if before.key.fidelity != after.key.fidelity:
        yield "fidelity", f"{before.key.fidelity} -> {after.key.fidelity}"
    if before.key.unit != after.key.unit:
        yield "unit", f"{before.key.unit} -> {after.key.unit}"
    if before.model_sha256 != after.model_sha256:
        yield "model_sha256", f"{before.model_sha256[:12]} -> {after.model_sha256[:12]}"
    if not static and before.input_sha256 != after.input_sha256:
        yield "input_sha256", f"{before.input_sha256[:12]} -> {after.input_sha256[:12]}"
    for name in sorted(before.environment.keys() | after.environment.keys()):
        if static and not any(word in name for word in _BUILT):
            continue
        one, other = before.environment.get(name, "unknown"), after.environment.get(name, "unknown")
        if one != other:
            yield name, f"{one} -> {other}"


def recorded_changes(before: Point, after: Point) -> str:
    """What the records say is another than it was, also of what need not be equal, as one line."""
    found = dict(_differences(before, after))
    for name in ("tool_version", "revision", "quality"):
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            found[name] = f"{one or 'unknown'} -> {other or 'unknown'}"
    if not found:
        return "nothing recorded differs"
    return "recorded as differing: " + ", ".join(f"{name} {both}" for name, both in found.items())
