"""Reading flatbuffer tables from bytes that nobody vouches for: every offset, length, alignment is checked.

The generated accessors of the schema package follow whatever an offset says. Here a field is read only after
the checks that the C++ verifier makes, and reading stops after an amount of work that the file's size allows,
so that tables which share their parts cannot make a small file take long.
"""

from __future__ import annotations

import struct

from benchrunner.errors import ModelError

# Networks for these boards have up to some thousand tables; reading this many takes about a second.
_TABLES_LIMIT = 1 << 16
_SHARING_FACTOR = 4  # writers share equal vectors and strings, but not many times over
_OFFSET_LIMIT = 0x7FFFFFFF


class Source:
    """The bytes of one file and how much of them may still be read."""

    __slots__ = ("bytes_left", "data", "name", "tables_left")

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        self.tables_left = _TABLES_LIMIT
        self.bytes_left = _SHARING_FACTOR * len(data) + 4096

    def error(self, where: str, problem: str) -> ModelError:
        """The error for `problem` at `where`, a layer, a tensor or a part of the file."""
        return ModelError(
            f"{self.name}: {where}: {problem}",
            hint="the file is damaged or was not written by a TensorFlow Lite converter: export it again",
        )

    def charge(self, size_bytes: int, where: str) -> None:
        """Count `size_bytes` as read."""
        self.bytes_left -= size_bytes
        if self.bytes_left < 0:
            raise self.error(where, "the parts of the file overlap too often to be a real model")


class Table:
    """One table; fields are addressed by their slot, the position of the field in the schema.

    Every method raises `ModelError` where the file breaks the format. An absent field gives its default.
    """

    __slots__ = ("_position", "_size", "_vtable", "_vtable_size", "source", "where")

    def __init__(self, source: Source, position: int, where: str) -> None:
        source.tables_left -= 1
        if source.tables_left < 0:
            raise source.error(where, f"more than {_TABLES_LIMIT} tables")
        data, end = source.data, len(source.data)
        if position % 4 or position < 0 or position + 4 > end:
            raise source.error(where, f"table at {position} does not lie in the file's {end} bytes")
        vtable = position - int(struct.unpack_from("<i", data, position)[0])
        if vtable % 2 or vtable < 0 or vtable + 4 > end:
            raise source.error(where, f"field list at {vtable} does not lie in the file's {end} bytes")
        vtable_size, size = struct.unpack_from("<HH", data, vtable)
        if vtable_size < 4 or vtable_size % 2 or vtable + vtable_size > end:
            raise source.error(where, f"field list of {vtable_size} bytes at {vtable} leaves the file")
        if size < 4 or position + size > end:
            raise source.error(where, f"table of {size} bytes at {position} leaves the file")
        self.source, self.where = source, where
        self._position, self._size, self._vtable, self._vtable_size = position, size, vtable, vtable_size

    def error(self, problem: str) -> ModelError:
        return self.source.error(self.where, problem)

    def _field(self, slot: int, width: int) -> int | None:
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_size:
            return None
        offset = int(struct.unpack_from("<H", self.source.data, self._vtable + entry)[0])
        if offset == 0:
            return None
        at = self._position + offset
        if offset < 4 or offset + width > self._size or at % width:
            raise self.error(f"field {slot} lies outside its table or is misaligned")
        return at

    def _target(self, at: int) -> int:
        offset = int(struct.unpack_from("<I", self.source.data, at)[0])
        target = at + offset
        if not 0 < offset <= _OFFSET_LIMIT or target % 4 or target + 4 > len(self.source.data):
            raise self.error(f"offset at {at} points to {target}, outside the file")
        return target

    def _vector(self, slot: int, width: int) -> tuple[int, int]:
        """Position of the first element and number of elements."""
        at = self._field(slot, 4)
        if at is None:
            return 0, 0
        start = self._target(at)
        count = int(struct.unpack_from("<I", self.source.data, start)[0])
        first = start + 4
        if first + count * width > len(self.source.data) or (count and first % width):
            raise self.error(f"vector at {start} of {count} elements leaves the file or is misaligned")
        return first, count

    def integer(self, slot: int, code: str, default: int = 0) -> int:
        """A scalar field; `code` is the struct format of its type."""
        at = self._field(slot, struct.calcsize("<" + code))
        return default if at is None else int(struct.unpack_from("<" + code, self.source.data, at)[0])

    def real(self, slot: int, default: float = 0.0) -> float:
        at = self._field(slot, 4)
        return default if at is None else float(struct.unpack_from("<f", self.source.data, at)[0])

    def has(self, slot: int) -> bool:
        return self._field(slot, 1) is not None

    def integers(self, slot: int, code: str) -> tuple[int, ...]:
        return self._numbers(slot, code)

    def reals(self, slot: int) -> tuple[float, ...]:
        return self._numbers(slot, "f")

    def _numbers(self, slot: int, code: str) -> tuple[int, ...]:
        width = struct.calcsize("<" + code)
        first, count = self._vector(slot, width)
        self.source.charge(count * width, self.where)
        return struct.unpack_from(f"<{count}{code}", self.source.data, first)

    def octets(self, slot: int) -> memoryview:
        """A vector of bytes, not copied."""
        first, count = self._vector(slot, 1)
        return memoryview(self.source.data)[first : first + count]

    def text(self, slot: int) -> str:
        """A string; what a terminal would act on is escaped."""
        raw = self.octets(slot)
        self.source.charge(len(raw), self.where)
        text = bytes(raw).decode("utf-8", errors="backslashreplace")
        if text.isprintable():
            return text
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

    def table(self, slot: int, where: str) -> Table | None:
        at = self._field(slot, 4)
        return None if at is None else Table(self.source, self._target(at), where)

    def tables(self, slot: int, what: str) -> list[Table]:
        """A vector of tables, each named `what` and its index."""
        first, count = self._vector(slot, 4)
        if count > self.source.tables_left:
            raise self.error(f"{count} {what}s, the limit is {_TABLES_LIMIT} tables")
        return [Table(self.source, self._target(first + 4 * i), f"{what} {i}") for i in range(count)]

    def inline_bytes(self) -> bytes:
        """What the table holds beside its field list."""
        self.source.charge(self._size, self.where)
        return self.source.data[self._position + 4 : self._position + self._size]


def root(source: Source) -> Table:
    """The root table."""
    if len(source.data) < 8:
        raise source.error("header", f"a file of {len(source.data)} bytes holds no table")
    return Table(source, int(struct.unpack_from("<I", source.data, 0)[0]), "root table")
