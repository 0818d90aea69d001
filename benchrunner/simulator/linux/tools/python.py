"""The program python3 of a simulated board: it runs the project's runner, and nothing else."""

from __future__ import annotations

import hashlib
import re

from benchrunner.simulator.linux.process import Process, encode
from benchrunner.simulator.linux.tools.runner import Runner

_RUNNER_MARKS = (b"MAX_REQUEST_BYTES", b'"hello"', b"invokes_per_sample")


def python(process: Process) -> int:
    """The program python3."""
    words = process.arguments[1:]
    while words and words[0] in ("-u", "-I", "-S", "-B", "-E", "-s"):
        words = words[1:]
    version = process.machine.profile.python
    if words[:1] in (["-V"], ["--version"]):
        process.out(f"Python {version}\n")
        return 0
    if words[:1] == ["-c"] and len(words) > 1:
        return _one_liner(process, words[1], words[2:])
    if not words:
        return _refused(process, "an interactive Python")
    try:
        script = process.machine.files.read(process.path(words[0]))
    except OSError as error:
        process.stderr.write(
            encode(
                f"python3: can't open '{process.path(words[0])}': [Errno {error.errno}] {error.strerror}\n"
            )
        )
        return 2
    if not all(mark in script for mark in _RUNNER_MARKS):
        return _refused(process, words[0])
    return Runner(process, script).run()


def _refused(process: Process, what: str) -> int:
    process.stderr.write(
        encode(f"python3: {what}: this simulated board runs no Python but benchrunner's own runner\n")
    )
    return 1


def _one_liner(process: Process, code: str, words: list[str]) -> int:
    """The two that a harness needs: a hash, and the version of the runtime."""
    profile = process.machine.profile
    if "hashlib.sha256" in code and "sys.argv[1]" in code and words:
        try:
            data = process.machine.files.read(process.path(words[0]))
        except OSError as error:
            process.stderr.write(encode(f"[Errno {error.errno}] {error.strerror}: '{words[0]}'\n"))
            return 1
        process.out(hashlib.sha256(data).hexdigest() + "\n")
        return 0
    match = re.fullmatch(r"import (\w+); ?print\((\w+)\.__version__\)", code.strip())
    known = {"tflite_runtime": profile.tflite, "onnxruntime": profile.onnxruntime, "numpy": "1.26.4"}
    if match and match[1] == match[2]:
        missing = process.machine.faults.no_runtime and match[1] == "tflite_runtime"
        if match[1] in known and not missing:
            process.out(known[match[1]] + "\n")
            return 0
        process.stderr.write(encode(f"ModuleNotFoundError: No module named '{match[1]}'\n"))
        return 1
    return _refused(process, "-c")
