"""The models that ship with the project, and how a name or a path becomes a file."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchrunner.errors import ModelError

FOLDER = Path(__file__).resolve().parent
INDEX = FOLDER / "index.toml"
TRAINED = FOLDER / "trained.toml"


@dataclass(frozen=True, slots=True)
class ZooModel:
    """One shipped model; the fields of the index, which the tool that built it writes."""

    name: str
    family: str
    alpha: str  # width multiplier, or its range over the stages
    description: str
    resolution: str  # "128x128x3"
    classes: int
    input_type: str
    output_type: str
    parameters: int  # batch normalisation folded
    weight_bytes: int
    macs: int
    size_bytes: int
    sha256: str
    built_with: str
    default: bool  # what `benchrunner run` takes without --model

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.tflite"


@cache
def list_models() -> tuple[ZooModel, ...]:
    """Every shipped model, in the order of the indices: seeded networks first, then trained ones."""
    import tomllib

    entries = [
        entry for index in (INDEX, TRAINED) for entry in tomllib.loads(index.read_text("utf-8"))["model"]
    ]
    return tuple(ZooModel(**entry) for entry in entries)


def default_model() -> str:
    """The name of the model that is used when none is given."""
    return next(model.name for model in list_models() if model.default)


def resolve_model(name_or_path: str) -> Path:
    """The file that `name_or_path` means: a file if there is one, else the zoo's model of that name.

    A shipped file is checked against its hash. Raises `ModelError`, with the names that come close.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.is_dir():
        raise ModelError(f"{path}: expected a .tflite file, found a folder")
    known = {model.name: model for model in list_models()}
    if name_or_path in known:
        return _checked(known[name_or_path])
    close = difflib.get_close_matches(path.name.removesuffix(".tflite"), known, n=3, cutoff=0.5)
    meant = f"did you mean {', '.join(close)}? " if close else ""
    raise ModelError(
        f"{name_or_path}: neither a file nor a model of the zoo",
        hint=f"{meant}`benchrunner models` lists the zoo",
    )


def _checked(model: ZooModel) -> Path:
    hint = "install benchrunner again"
    try:
        found = hashlib.sha256(model.path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(
            f"{model.path}: the shipped model cannot be read: {error.strerror}", hint=hint
        ) from error
    if found != model.sha256:
        raise ModelError(
            f"{model.path}: the shipped model was changed: "
            f"SHA-256: expected {model.sha256[:16]}..., found {found[:16]}...",
            hint=hint,
        )
    return model.path
