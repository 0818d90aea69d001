"""What a line for the shell is made of: the tree that the parser makes and the interpreter walks."""

from __future__ import annotations

from dataclasses import dataclass


class ShellSyntaxError(Exception):
    """The text is no command; `incomplete` where more lines could make it one."""

    def __init__(self, message: str, *, incomplete: bool = False) -> None:
        super().__init__(message)
        self.incomplete = incomplete


@dataclass(frozen=True, slots=True)
class Literal:
    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """$NAME, or ${NAME OP WORD}. `op` is one of - = ? + (with `:` before), # ## % %%, "length" or empty."""

    name: str
    op: str
    word: Word | None
    quoted: bool


@dataclass(frozen=True, slots=True)
class Substitution:
    """$(...) or `...`."""

    program: Sequence
    quoted: bool


@dataclass(frozen=True, slots=True)
class Arithmetic:
    word: Word
    quoted: bool


Part = Literal | Parameter | Substitution | Arithmetic


@dataclass(frozen=True, slots=True)
class Word:
    parts: tuple[Part, ...]

    @property
    def plain(self) -> str | None:
        """The text where it is one unquoted piece: what may be a keyword."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Literal) and not self.parts[0].quoted:
            return self.parts[0].text
        return None


@dataclass(slots=True)
class Redirection:
    """`op` is < > >> >| <> >& <& or <<; the text of a here-document is filled in when its lines come."""

    stream: int
    op: str
    word: Word


@dataclass(frozen=True, slots=True)
class Simple:
    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """{ ...; } or ( ... )."""

    body: Sequence
    subshell: bool
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class If:
    branches: tuple[tuple[Sequence, Sequence], ...]
    otherwise: Sequence | None
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    condition: Sequence
    body: Sequence
    until: bool
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class For:
    name: str
    words: tuple[Word, ...] | None  # None: the positional parameters
    body: Sequence
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class Case:
    subject: Word
    arms: tuple[tuple[tuple[Word, ...], Sequence], ...]
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    body: Command


Command = Simple | Group | If | Loop | For | Case | Function


@dataclass(frozen=True, slots=True)
class Pipeline:
    commands: tuple[Command, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class AndOr:
    """Pipelines with && or || before each but the first."""

    first: Pipeline
    rest: tuple[tuple[str, Pipeline], ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Commands one after the other; the flag: in the background."""

    items: tuple[tuple[AndOr, bool], ...]
