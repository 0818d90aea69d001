"""What a dataclass expects at a path of the file that is read into it, in words."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import Enum

from benchrunner.config.lines import Path

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text in quotes"}


def type_at(shape: object, path: Path) -> object:
    """The annotation at `path` of the dataclass `shape`; raises `KeyError` where it has no such key."""
    shape = _required(shape)
    if not path:
        return shape
    key, *rest = path
    match typing.get_origin(shape), key:
        case origin, _ if origin is dict:
            inner = typing.get_args(shape)[1]
        case origin, int() if origin is tuple:
            inner = typing.get_args(shape)[0]
        case _, str() if dataclasses.is_dataclass(shape):
            inner = typing.get_type_hints(shape)[key]
        case _:
            raise KeyError(key)
    return type_at(inner, tuple(rest))


def keys_of(shape: object) -> list[str]:
    """The keys of a table that is read into the dataclass `shape`, in its order."""
    return [field.name for field in dataclasses.fields(shape)] if dataclasses.is_dataclass(shape) else []


def in_words(shape: object) -> str:
    """`a whole number`, `a list of tables`, `"mcu" or "linux"` ..."""
    shape = _required(shape)
    origin = typing.get_origin(shape)
    if origin is tuple:
        return f"a list, each element {in_words(typing.get_args(shape)[0])}"
    if origin is dict or dataclasses.is_dataclass(shape):
        return "a table"
    if origin is typing.Literal:
        return choices(typing.get_args(shape))
    if isinstance(shape, type) and issubclass(shape, Enum):
        return choices([member.value for member in shape])
    return _WORDS[shape]  # type: ignore[index]


def choices(values: typing.Iterable[object]) -> str:
    """`"rts" or "dtr"`."""
    return " or ".join(show(value) for value in values)


def show(value: object) -> str:
    """A value of the file as a person would recognise it, shortened."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            text = '"' + value + '"'
        case dict():
            return "a table"
        case list() | tuple():
            return "a list"
        case _:
            text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _required(shape: object) -> object:
    """`X` of `X | None`."""
    if typing.get_origin(shape) in (types.UnionType, typing.Union):
        return next(each for each in typing.get_args(shape) if each is not types.NoneType)
    return shape
