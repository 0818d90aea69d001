"""A static site of a whole history: an index of nights and boards, and a page for each board."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchrunner.durable import write_atomic
from benchrunner.pages.gather import Content
from benchrunner.pages.markup import Markup, tag
from benchrunner.pages.page import page
from benchrunner.wording import counted


@dataclass(frozen=True, slots=True)
class Written:
    path: Path
    cases: int


def write_site(folder: Path, content: Content) -> list[Written]:
    """Write `index.html` and `boards/<id>.html`; pages of boards that are gone are removed.

    Each page opens without a server and without any other file. Raises `OSError`.
    """
    boards = sorted({one.row.board for one in content.cards})
    for name in boards:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
            raise ValueError(f"board id {name!r}")
    written = []
    for board in boards:
        cards = tuple(one for one in content.cards if one.row.board == board)
        part = replace(content, title=cards[0].row.board_name, cards=cards)
        back = [tag("p", tag("a", "all boards", href="../index.html"))]
        path = folder / "boards" / f"{board}.html"
        write_atomic(path, page(part, back).encode())
        written.append(Written(path, len(cards)))
    for path in (folder / "boards").glob("*.html"):
        if path.stem not in boards:
            path.unlink()
    index = folder / "index.html"
    write_atomic(index, page(content, [_links(content, boards)]).encode())
    return [Written(index, len(content.cards)), *written]


def _links(content: Content, boards: Sequence[str]) -> Markup:
    names = {one.row.board: one.row.board_name for one in content.cards}
    links = [tag("li", tag("a", names[board], href=f"boards/{board}.html")) for board in boards]
    return tag("details", tag("summary", counted(len(boards), "board")), tag("div", tag("ul", *links)))
