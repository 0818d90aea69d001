"""The file system of a simulated Linux board: in memory, with volumes that fill up and files that are made on
reading."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

BLOCK_BYTES = 4096
_MAX_LINKS = 40  # as Linux has it, before ELOOP
_MAX_NAME_BYTES = 255


@dataclass(slots=True)
class Volume:
    """A mounted disk. `used_bytes` counts whole blocks."""

    device: str
    mount: str
    kind: str
    size_bytes: int
    used_bytes: int = 0
    read_only: bool = False

    @property
    def free_bytes(self) -> int:
        return max(0, self.size_bytes - self.used_bytes)

    def change(self, before: int, after: int) -> None:
        """A file goes from `before` to `after` bytes; raises ENOSPC where they do not fit."""
        more = _blocks(after) - _blocks(before)
        if more > self.free_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.used_bytes += more


def _blocks(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


@dataclass(slots=True, eq=False)
class Node:
    """A file, folder, link or device. `made` gives content at each reading, `taken` gets what is written."""

    mode: int  # type bits and permissions, as st_mode
    volume: Volume
    mtime: float = 0.0
    number: int = 0
    content: bytearray = field(default_factory=bytearray)
    children: dict[str, Node] = field(default_factory=dict)
    target: str = ""
    made: Callable[[], bytes] | None = None
    taken: Callable[[bytes], None] | None = None
    finder: Callable[[str], Node | None] | None = None  # children that come and go, as in /proc
    program: str = ""  # name of the program that this file is
    shown_bytes: int | None = None  # size in listings, where it is not the content's

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def size_bytes(self) -> int:
        if self.is_folder:
            return BLOCK_BYTES
        if self.is_link:
            return len(self.target.encode())
        return len(self.content) if self.shown_bytes is None else self.shown_bytes

    def read(self) -> bytes:
        return bytes(self.content) if self.made is None else self.made()


class Files:
    """The tree. Paths are absolute; errors are `OSError` with the number that Linux gives."""

    def __init__(self, root: Volume, now: Callable[[], float]) -> None:
        self.lock = threading.RLock()
        self._now = now
        self._count = 1
        self.volumes = [root]
        self.root = self._node(stat.S_IFDIR | 0o755, root)

    def _node(self, mode: int, volume: Volume) -> Node:
        self._count += 1
        return Node(mode, volume, self._now(), self._count)

    def mount(self, volume: Volume) -> None:
        """Make an empty folder, and the parents that are missing, which belongs to `volume`."""
        with self.lock:
            self.make_folders(posixpath.dirname(volume.mount))
            parent, name = self._parent(volume.mount)
            parent.children[name] = self._node(stat.S_IFDIR | 0o755, volume)
            self.volumes.append(volume)

    def find(self, path: str, *, follow: bool = True) -> Node:
        with self.lock:
            return self._walk(path, follow, [0])[0]

    def exists(self, path: str) -> bool:
        try:
            self.find(path)
        except OSError:
            return False
        return True

    def real_path(self, path: str) -> str:
        """`path` without links and dots; the last part may be missing."""
        with self.lock:
            return self._walk(path, True, [0], missing_ok=True)[1]

    def _walk(
        self, path: str, follow: bool, links: list[int], *, missing_ok: bool = False
    ) -> tuple[Node, str]:
        trail: list[tuple[str, Node]] = [("", self.root)]
        parts = [part for part in path.split("/") if part not in ("", ".")]
        for index, part in enumerate(parts):
            if part == "..":
                del trail[max(1, len(trail) - 1) :]
                continue
            here = trail[-1][1]
            if not here.is_folder:
                raise _error(errno.ENOTDIR)
            child = here.children.get(part)
            if child is None and here.finder is not None:
                child = here.finder(part)
            if child is None:
                if missing_ok and index == len(parts) - 1:
                    return here, _path([*(name for name, _ in trail[1:]), part])
                raise _error(errno.ENOENT if len(part.encode(errors="replace")) <= _MAX_NAME_BYTES else 36)
            if child.is_link and (follow or index < len(parts) - 1):
                links[0] += 1
                if links[0] > _MAX_LINKS:
                    raise _error(errno.ELOOP)
                base = _path([name for name, _ in trail[1:]])
                rest = "/".join([child.target, *parts[index + 1 :]])
                return self._walk(posixpath.join(base, rest), follow, links, missing_ok=missing_ok)
            trail.append((part, child))
        if path.endswith("/") and not trail[-1][1].is_folder:
            raise _error(errno.ENOTDIR)
        return trail[-1][1], _path([name for name, _ in trail[1:]])

    def _parent(self, path: str) -> tuple[Node, str]:
        """The folder that holds `path`, and the last name."""
        path = path.rstrip("/")
        folder, name = posixpath.split(path)
        if name in ("", ".", ".."):
            raise _error(errno.EINVAL if name else errno.EBUSY)
        if len(name.encode(errors="replace")) > _MAX_NAME_BYTES:
            raise _error(errno.ENAMETOOLONG)
        if "\0" in name:
            raise _error(errno.EINVAL)
        node = self.find(folder or "/")
        if not node.is_folder:
            raise _error(errno.ENOTDIR)
        return node, name

    def read(self, path: str) -> bytes:
        with self.lock:
            node = self.find(path)
            if node.is_folder:
                raise _error(errno.EISDIR)
            if node.made is None:
                return bytes(node.content)
            made = node.made
        return made()  # outside the lock: it may look at files, or take its time

    def open_for_writing(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Node:
        """The file at `path`, made where it is missing; its content is kept."""
        with self.lock:
            try:
                node = self.find(path)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
                real = self.real_path(path)
                parent, name = self._parent(real)
                _writable(parent)
                parent.volume.change(0, 1)  # a file takes a block of its own for what it is called
                parent.volume.change(1, 0)
                node = self._node(stat.S_IFREG | (mode & 0o7777), parent.volume)
                parent.children[name] = node
                return node
            if exclusive:
                raise _error(errno.EEXIST)
            if node.is_folder:
                raise _error(errno.EISDIR)
            if node.made is not None and node.taken is None:
                raise _error(errno.EACCES)
            if node.taken is None:
                _writable(node)
            return node

    def write_at(self, node: Node, offset: int, data: bytes) -> None:
        with self.lock:
            if node.taken is not None:
                node.taken(data)
                return
            if offset > len(node.content) + node.volume.free_bytes:
                raise _error(errno.ENOSPC)
            after = max(len(node.content), offset + len(data))
            node.volume.change(len(node.content), after)
            if offset > len(node.content):
                node.content.extend(bytes(offset - len(node.content)))
            node.content[offset : offset + len(data)] = data
            node.mtime = self._now()

    def truncate(self, node: Node, size: int) -> None:
        with self.lock:
            if node.taken is not None:
                return
            if node.is_folder:
                raise _error(errno.EISDIR)
            if size > len(node.content):
                self.write_at(node, size, b"")
            else:
                node.volume.change(len(node.content), size)
                del node.content[size:]
            node.program = ""
            node.shown_bytes = None
            node.mtime = self._now()

    def write(self, path: str, data: bytes, *, mode: int = 0o644, append: bool = False) -> Node:
        with self.lock:
            node = self.open_for_writing(path, mode=mode)
            if not append:
                self.truncate(node, 0)
            self.write_at(node, len(node.content) if append else 0, data)
            return node

    def make_folder(self, path: str, mode: int = 0o755) -> None:
        with self.lock:
            if self._has(path):
                raise _error(errno.EEXIST)
            parent, name = self._parent(path)
            _writable(parent)
            parent.volume.change(0, 1)
            parent.children[name] = self._node(stat.S_IFDIR | (mode & 0o7777), parent.volume)

    def make_folders(self, path: str) -> None:
        with self.lock:
            parts = [part for part in path.split("/") if part]
            for count in range(1, len(parts) + 1):
                part = _path(parts[:count])
                if not self.exists(part):
                    self.make_folder(part)
                elif not self.find(part).is_folder:
                    raise _error(errno.ENOTDIR if count < len(parts) else errno.EEXIST)

    def link(self, target: str, path: str) -> None:
        with self.lock:
            if self._has(path):
                raise _error(errno.EEXIST)
            parent, name = self._parent(path)
            _writable(parent)
            node = self._node(stat.S_IFLNK | 0o777, parent.volume)
            node.target = target
            parent.children[name] = node

    def special(
        self,
        path: str,
        made: Callable[[], bytes],
        taken: Callable[[bytes], None] | None = None,
        *,
        shown_bytes: int = 0,
    ) -> None:
        """A file as /proc and /sys have them."""
        with self.lock:
            self.make_folders(posixpath.dirname(path))
            parent, name = self._parent(path)
            node = self._node(stat.S_IFREG | (0o444 if taken is None else 0o644), parent.volume)
            node.made, node.taken, node.shown_bytes = made, taken, shown_bytes
            parent.children[name] = node

    def device(self, path: str, made: Callable[[], bytes], taken: Callable[[bytes], None]) -> None:
        self.special(path, made, taken)
        self.find(path).mode = stat.S_IFCHR | 0o666

    def program(self, path: str, name: str, size_bytes: int) -> None:
        """An executable that the board knows by `name`."""
        with self.lock:
            self.make_folders(posixpath.dirname(path))
            node = self.write(path, b"\x7fELF: simulated board, no machine code here\n", mode=0o755)
            node.program, node.shown_bytes = name, size_bytes

    def remove(self, path: str) -> None:
        with self.lock:
            node = self.find(path, follow=False)
            if node.is_folder:
                raise _error(errno.EISDIR)
            parent, name = self._parent(path)
            if node.made is not None and not stat.S_ISCHR(node.mode):
                raise _error(errno.EPERM)
            _writable(parent)
            del parent.children[name]
            node.volume.change(len(node.content), 0)

    def remove_folder(self, path: str) -> None:
        with self.lock:
            node = self.find(path, follow=False)
            if not node.is_folder:
                raise _error(errno.ENOTDIR)
            if node is self.root or any(volume.mount == self.real_path(path) for volume in self.volumes):
                raise _error(errno.EBUSY)
            if node.children:
                raise _error(errno.ENOTEMPTY)
            parent, name = self._parent(path)
            _writable(parent)
            del parent.children[name]
            parent.volume.change(1, 0)

    def rename(self, old: str, new: str, *, replace: bool = True) -> None:
        with self.lock:
            node = self.find(old, follow=False)
            old_parent, old_name = self._parent(old)
            new_parent, new_name = self._parent(new)
            there = new_parent.children.get(new_name)
            if there is node:
                return
            if there is not None:
                if not replace:
                    raise _error(errno.EEXIST)
                if there.is_folder and not node.is_folder:
                    raise _error(errno.EISDIR)
                if node.is_folder and not there.is_folder:
                    raise _error(errno.ENOTDIR)
                if there.children:
                    raise _error(errno.ENOTEMPTY)
            if node.volume is not new_parent.volume:
                raise _error(errno.EXDEV)
            if node.is_folder and any(child is new_parent for child in _folders(node)):
                raise _error(errno.EINVAL)
            _writable(old_parent)
            if there is not None:
                there.volume.change(len(there.content), 0)
            del old_parent.children[old_name]
            new_parent.children[new_name] = node

    def _has(self, path: str) -> bool:
        try:
            self.find(path, follow=False)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return False
        return True

    def volume_of(self, path: str) -> Volume:
        return self.find(path).volume


def _folders(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children.values():
        if child.is_folder:
            yield from _folders(child)


def _path(parts: list[str]) -> str:
    return "/" + "/".join(parts)


def _writable(node: Node) -> None:
    if node.volume.read_only:
        raise _error(errno.EROFS)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
