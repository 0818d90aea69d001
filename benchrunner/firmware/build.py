"""Compiles a project without CMake: in parallel, and only what changed. The same sources, flags and bytes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchrunner import image
from benchrunner.durable import write_atomic
from benchrunner.errors import DoesNotFitError, UsageError
from benchrunner.firmware.elf import Elf, read_elf
from benchrunner.firmware.project import BLOCK, INCLUDES, LINKER_SCRIPT, ZIG_INCLUDE, Project
from benchrunner.firmware.toolchain import Flags, Toolchain, ToolchainKind, flags_for
from benchrunner.resources import user_cache_folder

BUILD = "build"
_TIMEOUT_S = 300.0  # of one compiler run
_RECIPE = "2"  # changes when the compiler is called in another way, so that older objects are not taken
_OVERFLOW = re.compile(r"region [`'\"](\w+)[`'\"] overflowed by (\d+) bytes")
_INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Firmware:
    """A built image. `binary` is what is flashed at the start of flash; its checksums were checked."""

    binary: bytes
    info: image.ImageInfo
    elf: Elf
    map_text: str
    toolchain: Toolchain
    folder: Path  # with image.elf, image.bin, image.map

    @property
    def elf_path(self) -> Path:
        return self.folder / "image.elf"


def cache_folder() -> Path:
    """Where objects are kept between builds: BENCHRUNNER_CACHE, or the user's cache folder."""
    named = os.environ.get("BENCHRUNNER_CACHE")
    return Path(named) if named else user_cache_folder() / "objects"


def build(project: Project, folder: Path, toolchain: Toolchain) -> Firmware:
    """Compile and link the project that `write_project` left in `folder`.

    Leaves `build/image.elf`, `.bin` and `.map` in it. Raises `UsageError` with the compiler's first lines and
    the path of its whole log, `DoesNotFitError` where the linker says so.
    """
    driver = _Driver(project, folder, toolchain)
    return driver.build()


class _Driver:
    def __init__(self, project: Project, folder: Path, toolchain: Toolchain) -> None:
        self.project, self.toolchain = project, toolchain
        self.root = folder.resolve()
        self.build_folder = self.root / BUILD
        self.flags: Flags = flags_for(toolchain.kind, project.mcu.chip.core)
        folders = (*INCLUDES, ZIG_INCLUDE) if toolchain.kind is ToolchainKind.ZIG else INCLUDES
        self.include_flags = [flag for name in folders for flag in ("-I", name)]
        self.cache = cache_folder()

    def build(self) -> Firmware:
        (self.build_folder / "objects").mkdir(parents=True, exist_ok=True)
        sources = (BLOCK, *self.project.sources)  # as CMake orders them: lld merges strings in that order
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
            keyed = list(pool.map(self._compile, sources))
        linked = self._link([key for key, _ in keyed], [path for _, path in keyed])
        elf = read_elf(linked[0])
        flash = self.project.mcu.flash
        binary = image.seal(elf.binary(flash.base), flash.write_bytes)
        elf = read_elf(elf.with_binary(flash.base, binary))
        info = image.read(binary)
        for name, content in (("image.elf", elf.data), ("image.bin", binary), ("image.map", linked[1])):
            write_atomic(self.build_folder / name, content)
        return Firmware(
            binary, info, elf, linked[1].decode(errors="replace"), self.toolchain, self.build_folder
        )

    def _compile(self, source: str) -> tuple[str, Path]:
        """The object of `source`, from the cache where it is there."""
        options = [*self.flags.compile, *self.include_flags, f"-ffile-prefix-map={self.root}=."]
        digest = hashlib.sha256(
            "\n".join(
                (self.toolchain.title, *self.flags.compile, *self.include_flags, source, _RECIPE)
            ).encode()
        )
        for name in self._closure(source):
            digest.update(name.encode() + b"\0" + hashlib.sha256(self.project.files[name]).digest())
        key = digest.hexdigest()
        target = self.build_folder / "objects" / (source.replace("/", "_") + ".o")
        kept = self.cache / key[:2] / f"{key}.o"
        if not kept.is_file():
            with _temporary(kept) as made:
                # Without -MD, which CMake gives, zig passes objects through its linker, which sorts strings.
                depends = made.with_suffix(".d")
                zig = ("-MD", "-MF", str(depends)) if self.toolchain.kind is ToolchainKind.ZIG else ()
                self._run([*options, *zig, "-c", source, "-o", str(made)], source, self.root)
                depends.unlink(missing_ok=True)
                made.replace(kept)
        shutil.copyfile(kept, target)
        return key, target

    def _closure(self, source: str) -> list[str]:
        """`source` and every file of the project that it includes, by whatever path."""
        files = self.project.files
        by_name: dict[str, list[str]] = {}
        for path in files:
            by_name.setdefault(path.rsplit("/", 1)[-1], []).append(path)
        left, seen = [source], set[str]()
        while left:
            name = left.pop()
            if name not in seen:
                seen.add(name)
                for found in _INCLUDE.findall(files[name]):
                    left += by_name.get(found.decode(errors="replace").rsplit("/", 1)[-1], [])
        return sorted(seen)

    def _link(self, keys: Sequence[str], objects: Sequence[Path]) -> tuple[bytes, bytes]:
        """ELF and map."""
        zig = self.toolchain.kind is ToolchainKind.ZIG
        arguments = [
            *self.flags.link,
            *(() if not zig else ("-Wl,--print-map",)),
            *(() if zig else ("-Wl,-Map=image.map",)),
            "-T",
            str(self.root / LINKER_SCRIPT),
            *(str(path.relative_to(self.build_folder)) for path in objects),
            *self.flags.libraries,
            "-o",
            "image.elf",
        ]
        scripts = [self.project.files[name] for name in (LINKER_SCRIPT, "board/memory.ld")]
        digest = hashlib.sha256("\n".join((self.toolchain.title, *keys, *self.flags.link)).encode())
        digest.update(b"\0".join(scripts))
        key = digest.hexdigest()
        kept = self.cache / key[:2] / f"{key}.elf"
        kept_map = kept.with_suffix(".map")
        if not (kept.is_file() and kept_map.is_file()):
            # Where every linker looks for what a script includes: zig hands no -L to its linker.
            shutil.copyfile(self.root / "board" / "memory.ld", self.build_folder / "memory.ld")
            printed = self._run(arguments, "link", self.build_folder)
            link_map = printed.encode() if zig else (self.build_folder / "image.map").read_bytes()
            write_atomic(kept_map, link_map)
            write_atomic(kept, (self.build_folder / "image.elf").read_bytes())
        return kept.read_bytes(), kept_map.read_bytes()

    def _run(self, arguments: Sequence[str], what: str, folder: Path) -> str:
        command = [*self.toolchain.command, *arguments]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise UsageError(f"{self.toolchain.title}: {what} took longer than {_TIMEOUT_S:.0f} s") from error
        except OSError as error:
            raise UsageError(f"{self.toolchain.title}: cannot be started: {error.strerror}") from error
        if done.returncode == 0:
            return done.stdout
        log = self.build_folder / f"{what.replace('/', '_')}.log"
        log.write_text(f"{' '.join(command)}\n\n{done.stdout}{done.stderr}", encoding="utf-8")
        overflow = _OVERFLOW.search(done.stderr)
        if overflow:
            raise self._too_large(overflow[1], int(overflow[2]), log)
        first = [line for line in done.stderr.splitlines() if line.strip()][:5]
        raise UsageError(
            f"{what}: {self.toolchain.title} failed with status {done.returncode}:\n" + "\n".join(first),
            hint=f"whole log: {log}",
        )

    def _too_large(self, region: str, excess: int, log: Path) -> DoesNotFitError:
        board, placement = self.project.board, self.project.placement
        memories = {"RAM": placement.ram, "ARENA": placement.arena, "KEPT": placement.kept or placement.arena}
        name = f"RAM {memories[region].name}" if region in memories else "flash"
        return DoesNotFitError(
            f"{self.project.compiled.model.source} does not fit board {board.id}: "
            f"{name} is {excess:,} bytes too small",
            hint=f"take a smaller model or a board with more of it (benchrunner boards); whole log: {log}",
        )


class _temporary:  # noqa: N801
    """A file beside `path`, on the same file system, that is gone afterwards unless it was moved."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(descriptor)
        self.path = Path(name)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)
