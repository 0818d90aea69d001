"""What the bytes of an image are for: every byte of every section of the ELF belongs to one part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchrunner.firmware.elf import Elf, Section
from benchrunner.firmware.linkmap import Piece, pieces

# Parts, in the order in which they are shown, and what they are.
PARTS: Mapping[str, str] = {
    "weights": "constants of the layers, as the kernels want them",
    "kernels": "code and tables of the operators",
    "graph": "the calls, layer by layer",
    "runtime": "start-up, port, protocol, bench loop",
    "library": "the compiler's library",
    "manifest": "the block that identifies the image",
    "activations": "the arena where tensors lie, inputs and outputs included",
    "scratch": "the rest of the arena, for the kernels",
    "kept inputs": "inputs that an inference overwrites",
    "static data": "variables of runtime and library",
    "stack": "as reserved; the device reports how much was used",
    "padding": "alignment, and the gap between vector table and manifest",
    "unattributed": "bytes that the linker's map does not explain",
}
# Section of the ELF -> part of all its bytes.
_WHOLE = {".image_block": "manifest", ".stack": "stack", ".kept_inputs": "kept inputs"}
_FOLDERS = (
    ("model_model_data", "weights"),
    ("model_", "graph"),
    ("kernels_", "kernels"),
    ("core_", "runtime"),
    ("mlperf_tiny_", "runtime"),
    ("port_", "runtime"),
    ("image_", "manifest"),
)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes by part. Flash sums up to the image, RAM to the sections that take RAM."""

    flash_bytes: Mapping[str, int]
    ram_bytes: Mapping[str, int]
    sections: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # name -> flash, RAM, from the ELF

    @property
    def flash_total_bytes(self) -> int:
        return sum(self.flash_bytes.values())

    @property
    def ram_total_bytes(self) -> int:
        return sum(self.ram_bytes.values())

    @property
    def code_flash_bytes(self) -> int:
        """All flash but the weights."""
        return self.flash_total_bytes - self.flash_bytes.get("weights", 0)

    @property
    def runtime_ram_bytes(self) -> int:
        """RAM that is there for any model, without the stack."""
        parts = ("static data", "padding", "unattributed")
        return sum(self.ram_bytes.get(part, 0) for part in parts)

    @property
    def unattributed_bytes(self) -> int:
        return self.flash_bytes.get("unattributed", 0) + self.ram_bytes.get("unattributed", 0)


def footprint(elf: Elf, map_text: str, *, activation_bytes: int, image_bytes: int) -> Footprint:
    """Attribute every byte of the ELF's allocated sections.

    `activation_bytes` of the arena hold tensors, the rest is scratch. `image_bytes` is the length of the
    image: what it has beyond its sections is padding.
    """
    flash: dict[str, int] = {}
    ram: dict[str, int] = {}
    sections: dict[str, tuple[int, int]] = {}
    known = list(pieces(map_text))
    for section in elf.sections:
        if not section.allocated or not section.size_bytes:
            continue
        parts = _parts(section, known, activation_bytes)
        assert sum(parts.values()) == section.size_bytes
        in_ram = not section.loaded or section.name == ".data"
        for part, size in parts.items():
            if section.loaded:
                _add(flash, part, size)
            if in_ram:
                _add(
                    ram,
                    "static data" if part in ("runtime", "library", "graph", "kernels", "manifest") else part,
                    size,
                )
        sections[section.name] = (
            section.size_bytes if section.loaded else 0,
            section.size_bytes if in_ram else 0,
        )
    _add(flash, "padding", image_bytes - sum(flash.values()))
    return Footprint(_ordered(flash), _ordered(ram), sections)


def _parts(section: Section, known: list[Piece], activation_bytes: int) -> dict[str, int]:
    if section.name in _WHOLE:
        return {_WHOLE[section.name]: section.size_bytes}
    if section.name == ".arena":
        tensors = min(activation_bytes, section.size_bytes)
        return {"activations": tensors, "scratch": section.size_bytes - tensors}
    end = section.address + section.size_bytes
    inside = sorted(
        (piece for piece in known if section.address <= piece.address < end),
        key=lambda piece: (piece.address, piece.size_bytes),
    )
    parts: dict[str, int] = {}
    at = section.address
    for piece in inside:
        start, stop = max(piece.address, at), min(piece.address + piece.size_bytes, end)
        if start > at:
            _add(parts, _gap(start - at), start - at)
        if stop > start:
            _add(parts, _part_of(piece), stop - start)
            at = stop
    _add(parts, _gap(end - at), end - at)
    return parts


def _gap(size_bytes: int) -> str:
    """Less than the largest alignment of a section is padding: lld's map does not mention it."""
    return "padding" if size_bytes < 64 else "unattributed"


def _part_of(piece: Piece) -> str:
    if not piece.origin:
        return "padding"
    name = piece.origin.rsplit("/", 1)[-1]
    for prefix, part in _FOLDERS:
        if name.startswith(prefix):
            return part
    return "library"


def _add(parts: dict[str, int], part: str, size_bytes: int) -> None:
    if size_bytes:
        parts[part] = parts.get(part, 0) + size_bytes


def _ordered(parts: Mapping[str, int]) -> dict[str, int]:
    return {part: parts[part] for part in PARTS if part in parts}
