"""The file that a tool takes, beside the `.tflite` of the case: given, or converted on this computer."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from benchrunner.errors import ModelError, ToolMissingError

MODEL_SUFFIXES = {"benchmark-model": ".tflite", "nbg": ".nb", "onnxruntime": ".onnx"}
_TARGET = "stm32mp25"  # the one family whose NPU and GPU run network binary graphs
_CONVERT_S = 600.0
_STEDGEAI = "stedgeai"


def model_for(engine: str, model: Path, into: Path) -> Path:
    """The file for `engine`: the model itself, its companion beside it, or a new network binary in `into`.

    Raises `ToolMissingError` where there is neither companion nor converter, `ModelError` where the converter
    refuses the model.
    """
    suffix = MODEL_SUFFIXES[engine]
    if model.suffix == suffix:
        return model
    companion = model.with_suffix(suffix)
    if companion.is_file():
        return companion
    if engine != "nbg":
        raise ToolMissingError(
            f"{companion} is missing: engine {engine} needs the model as {suffix} beside {model.name}",
            hint=f"convert it (tf2onnx does) and save it as {companion}",
        )
    program = shutil.which(_STEDGEAI)
    if program is None:
        raise ToolMissingError(
            f"{companion} is missing: engine nbg needs a network binary, and {_STEDGEAI}, which makes it, "
            "is not installed",
            hint=f"install ST Edge AI Core and put {_STEDGEAI} on the PATH, or make the file elsewhere "
            f"({_STEDGEAI} generate -m {model.name} --target {_TARGET}) and save it as {companion}",
        )
    return _convert(program, model, into)


def _convert(program: str, model: Path, into: Path) -> Path:
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        # It writes into the working folder; the output folder is asked for as well.
        command = [program, "generate", "-m", str(model.resolve()), "--target", _TARGET, "--output", scratch]
        try:
            done = subprocess.run(
                command, cwd=scratch, capture_output=True, text=True, errors="replace", timeout=_CONVERT_S
            )
        except subprocess.TimeoutExpired:
            raise ModelError(f"{model}: {_STEDGEAI} did not end within {_CONVERT_S:g} s") from None
        made = sorted(Path(scratch).rglob("*.nb"))
        if done.returncode or len(made) != 1:
            said = " / ".join((done.stdout + done.stderr).strip().splitlines()[-3:])[-400:]
            raise ModelError(
                f"{model}: {_STEDGEAI} made {len(made)} network binaries (status {done.returncode}): {said}",
                hint=f"try it by hand: {_STEDGEAI} generate -m {model} --target {_TARGET}",
            )
        target = into / f"{model.stem}.nb"
        shutil.move(made[0], target)
    return target
