"""What the answers depend on, and where they were made."""

from __future__ import annotations

import hashlib
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchrunner import __version__
from benchrunner.accuracy.classifier import Classifier
from benchrunner.accuracy.comparison import References
from benchrunner.accuracy.dataset import Dataset
from benchrunner.accuracy.preprocessing import stated
from benchrunner.run.linux.prepare import PreparedLinux
from benchrunner.run.prepare import Prepared
from benchrunner.run.provenance import installed_packages, revision

if TYPE_CHECKING:
    from benchrunner.accuracy.measure import AccuracyRequest


def chosen_images(count: int, limit: int | None) -> list[int]:
    """All images, or `limit` of them at equal distances, so that every class has its share."""
    if limit is None or limit >= count:
        return list(range(count))
    return [index * count // limit for index in range(limit)]


def identity_of(
    request: AccuracyRequest,
    dataset: Dataset,
    chosen: list[int],
    host: Classifier,
    twin: Classifier | None,
    prepared: Prepared | PreparedLinux | None,
    references: References,
) -> dict[str, Any]:
    """All that the answers depend on; what is not in here may change between two starts."""
    listing = hashlib.sha256()
    for index in chosen:
        item = dataset.items[index]
        listing.update(f"{item.name}\0{item.label}\0{item.stamp}\n".encode("utf-8", "replace"))
    device = request.device
    return {
        "model": asdict(host.facts),
        "float_model": asdict(twin.facts) if twin else None,
        "preprocessing": stated(request.preprocessing, host.tensor, dataset.array_shape),
        "classes": list(dataset.classes),
        "listing_sha256": listing.hexdigest(),
        "images": len(chosen),
        "tool_version": __version__,
        "board": None
        if device is None
        else {
            "board": device.board.id,
            "board_file_sha256": device.board_file_sha256,
            "engine": device.engine,
            "options": dict(prepared.case.options) if prepared else {},
            "references": list(references.names),
            "local": "simulated" if device.simulate else "emulated" if device.emulate else "",
        },
    }


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def provenance_of(
    request: AccuracyRequest, began: datetime
) -> dict[str, str | int | list[str] | dict[str, str]]:
    return {
        "tool_version": __version__,
        "revision": revision(),
        "started_at": began.isoformat(timespec="milliseconds"),
        "finished_at": now(),
        "host": f"{platform.node()} {platform.system()} {platform.release()} {platform.machine()}",
        "python": sys.version.split()[0],
        "packages": installed_packages(),
        "command": list(request.command),
    }
