"""Reads 32-bit little-endian ELF files of the linker: sections, symbols, and the bytes that go to flash."""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass

from benchrunner.errors import UsageError

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<IIIIIIIIII")
_SEGMENT = struct.Struct("<IIIIIIII")
_SYMBOL = struct.Struct("<IIIBBH")
_PT_LOAD, _SHT_SYMTAB, _SHT_NOBITS, _SHF_ALLOC = 1, 2, 8, 2
_STT_FUNC = 2


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    address: int
    size_bytes: int
    file_offset: int
    allocated: bool  # takes memory on the target
    loaded: bool  # has content in the file, so that it takes flash


@dataclass(frozen=True, slots=True)
class Symbol:
    name: str
    address: int
    size_bytes: int
    function: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """`data` is loaded at `load_address`, where flash is."""

    load_address: int
    file_offset: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Elf:
    data: bytes
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    segments: tuple[Segment, ...]

    def section(self, name: str) -> Section:
        """Raises `KeyError` for a section that is not there."""
        for section in self.sections:
            if section.name == name:
                return section
        raise KeyError(name)

    def symbol(self, name: str) -> Symbol:
        """Raises `KeyError` for a symbol that is not there."""
        for symbol in self.symbols:
            if symbol.name == name:
                return symbol
        raise KeyError(name)

    def function_at(self, address: int) -> str | None:
        """The function that `address` lies in; the Thumb bit does not matter."""
        functions = sorted((s.address & ~1, s.size_bytes, s.name) for s in self.symbols if s.function)
        position = bisect_right(functions, (address & ~1, 1 << 32, "")) - 1
        if position < 0:
            return None
        start, size, name = functions[position]
        return name if start <= address & ~1 < start + max(size, 2) else None

    def binary(self, base: int) -> bytes:
        """What lies in flash from `base` on; gaps are zero, as objcopy fills them."""
        loaded = [segment for segment in self.segments if segment.file_bytes]
        image = bytearray(max((s.load_address + s.file_bytes - base for s in loaded), default=0))
        for segment in loaded:
            start = segment.load_address - base
            if start < 0:
                raise UsageError(
                    f"ELF: a segment is loaded at {segment.load_address:#x}, below flash at {base:#x}"
                )
            content = self.data[segment.file_offset : segment.file_offset + segment.file_bytes]
            image[start : start + segment.file_bytes] = content
        return bytes(image)

    def with_binary(self, base: int, image: bytes) -> bytes:
        """The file with the loaded bytes replaced by those of `image`, as `binary` lays them out."""
        data = bytearray(self.data)
        for segment in self.segments:
            start = segment.load_address - base
            if segment.file_bytes:
                data[segment.file_offset : segment.file_offset + segment.file_bytes] = image[
                    start : start + segment.file_bytes
                ]
        return bytes(data)


def read_elf(data: bytes) -> Elf:
    """Raises `UsageError` for what is no such file, or is damaged."""
    try:
        return _read(data)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise UsageError(f"ELF file is damaged: {error}") from error


def _read(data: bytes) -> Elf:
    header = _HEADER.unpack_from(data)
    if header[0][:6] != b"\x7fELF\x01\x01":
        raise UsageError(f"not a 32-bit little-endian ELF file: it starts with {header[0][:6].hex()}")
    program_at, sections_at = header[5], header[6]
    program_size, program_count, section_size, section_count, names_index = header[9:14]
    raw = [_SECTION.unpack_from(data, sections_at + i * section_size) for i in range(section_count)]
    names = raw[names_index][4]
    sections = tuple(
        Section(
            _text(data, names + entry[0]),
            entry[3],
            entry[5],
            entry[4],
            bool(entry[2] & _SHF_ALLOC),
            bool(entry[2] & _SHF_ALLOC) and entry[1] != _SHT_NOBITS,
        )
        for entry in raw[1:]
    )
    symbols: list[Symbol] = []
    for entry in raw:
        if entry[1] == _SHT_SYMTAB:
            strings = raw[entry[6]][4]
            for at in range(entry[4], entry[4] + entry[5], _SYMBOL.size):
                name, value, size, info, _, index = _SYMBOL.unpack_from(data, at)
                if index:
                    symbols.append(Symbol(_text(data, strings + name), value, size, info & 15 == _STT_FUNC))
    segments = []
    for i in range(program_count):
        kind, offset, _, physical, file_bytes, *_ = _SEGMENT.unpack_from(data, program_at + i * program_size)
        if kind == _PT_LOAD:
            segments.append(Segment(physical, offset, file_bytes))
    return Elf(data, sections, tuple(symbols), tuple(segments))


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()
