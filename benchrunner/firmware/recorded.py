"""What a project folder was made from, as it says itself, and whether it is still so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from benchrunner import image
from benchrunner.errors import UsageError, WrongImageError

FACTS = "build.json"  # what the project was made from; also the list of its files
IMAGE = Path("build") / "image.bin"


def recorded_files(folder: Path) -> dict[str, str]:
    """File -> SHA-256 of the project in `folder`; empty where there is none."""
    try:
        document = json.loads((folder / FACTS).read_bytes())
        return {str(name): str(digest) for name, digest in document["files"].items() if _inside(str(name))}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def check_project(folder: Path, image_text: Mapping[str, str]) -> int:
    """Whether the sources in `folder` are those that the image with `image_text` was built from.

    Returns their number. Raises `WrongImageError` naming the files that differ, `UsageError` for a folder
    that is no project.
    """
    recorded = recorded_files(folder)
    if not recorded:
        raise UsageError(f"{folder}: has no {FACTS}: not a project that benchrunner made")
    changed = [
        name
        for name, digest in sorted(recorded.items())
        if not (folder / name).is_file() or _sha256(folder / name) != digest
    ]
    if changed:
        raise WrongImageError(
            f"{folder}: {len(changed)} of {len(recorded)} files are not as recorded: {', '.join(changed)}",
            hint="build again; the image in flash is from other sources",
        )
    sources = json.loads((folder / FACTS).read_bytes()).get("sources_sha256", "")
    if image_text.get("sources") != sources:
        raise WrongImageError(
            f"{folder}: the image was built from sources {image_text.get('sources', 'unknown')[:16]}, "
            f"the folder has {sources[:16]}",
            hint="build again",
        )
    return len(recorded)


def check_built(folder: Path) -> tuple[image.ImageInfo, int]:
    """The image in the project, and the number of files that it was built from.

    Raises `UsageError` where there is no project or no image, `WrongImageError` for a damaged image, and as
    `check_project`.
    """
    if not recorded_files(folder):
        raise UsageError(f"{folder}: has no {FACTS}: not a project that benchrunner made")
    try:
        binary = (folder / IMAGE).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{folder / IMAGE}: cannot be read: {error.strerror}",
            hint=f"build it: cmake -S {folder} -B {folder / IMAGE.parent} && cmake --build "
            f"{folder / IMAGE.parent}",
        ) from error
    info = image.read(binary)
    return info, check_project(folder, info.text)


def project_of(file: Path) -> Path | None:
    """The project in whose build folder `file` lies; None for any other file."""
    folder = file.resolve().parent.parent
    return folder if file.name == IMAGE.name and recorded_files(folder) else None


def _inside(name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
