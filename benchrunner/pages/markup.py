"""HTML and SVG written so that nothing from a record can become markup: text is escaped unless made here."""

from __future__ import annotations

from html import escape


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str | int | float | bool | None) -> Markup:
    """`<name ...>children</name>`; children that are not `Markup` are escaped.

    A trailing underscore of an attribute's name is dropped and the others become hyphens; `None` and `False`
    leave it away, `True` gives it without a value.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        words.append(attribute if value is True else f'{attribute}="{_attribute(value)}"')
    content = "".join(text(child) for child in children)
    return Markup(f"<{' '.join(words)}>{content}</{name}>")


def text(child: str) -> str:
    return child if isinstance(child, Markup) else escape(child, quote=False)


def join(children: list[Markup]) -> Markup:
    return Markup("".join(children))


def _attribute(value: str | float) -> str:
    return escape(f"{value:g}" if isinstance(value, float) else str(value))
