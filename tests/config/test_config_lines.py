"""The line of every key of a TOML document."""

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from benchrunner.config.lines import key_positions

DOCUMENT = '''# a comment with = and [brackets]
title = "a [not a table] # not a comment"
"quoted.key" = 1
deep.inside.key = 2
text = """
[not.a.table]
key = "no" \\"""
still text"""
raw = \'\'\'
x = 1 \'\'\'

numbers = [ # comment ]
  1,
  [2, 3], # after
  { x = 4, "y z" = [5, 6] },
]
when = 1979-05-27 07:32:00

[table.sub] # trailing
a = 1
[[many]]
a = "1"
[many.under]
b = 2
[[many]]
[[many.inner]]
c = 3
'''


def test_every_key_of_a_document_has_its_line() -> None:
    assert {path: position.line for path, position in key_positions(DOCUMENT).items()} == {
        (): 1,
        ("title",): 2,
        ("quoted.key",): 3,
        ("deep",): 4,
        ("deep", "inside"): 4,
        ("deep", "inside", "key"): 4,
        ("text",): 5,
        ("raw",): 9,
        ("numbers",): 12,
        ("numbers", 0): 13,
        ("numbers", 1): 14,
        ("numbers", 1, 0): 14,
        ("numbers", 1, 1): 14,
        ("numbers", 2): 15,
        ("numbers", 2, "x"): 15,
        ("numbers", 2, "y z"): 15,
        ("numbers", 2, "y z", 0): 15,
        ("numbers", 2, "y z", 1): 15,
        ("when",): 17,
        ("table",): 19,
        ("table", "sub"): 19,
        ("table", "sub", "a"): 20,
        ("many",): 21,
        ("many", 0): 21,
        ("many", 0, "a"): 22,
        ("many", 0, "under"): 23,
        ("many", 0, "under", "b"): 24,
        ("many", 1): 25,
        ("many", 1, "inner"): 26,
        ("many", 1, "inner", 0): 26,
        ("many", 1, "inner", 0, "c"): 27,
    }


def test_strings_that_end_in_quotes_of_their_own_do_not_run_on() -> None:
    text = 'a = """x"" """\nb = \'\'\'y\'\'\'\'\nc = """"""\nd = ""\ne = "\\\\"\nf = 1\n'
    assert tomllib.loads(text)["f"] == 1
    assert {path[0]: position.line for path, position in key_positions(text).items() if path} == {
        "a": 1,
        "b": 2,
        "c": 3,
        "d": 4,
        "e": 5,
        "f": 6,
    }


def test_every_key_of_a_document_has_its_column() -> None:
    positions = key_positions('a = 1\n  b = { c = 2, d = [3,\n 4] }\n[[t]]\n"x y" = 5\n')
    assert {path: position.column for path, position in positions.items()} == {
        (): 1,
        ("a",): 1,
        ("b",): 3,
        ("b", "c"): 9,
        ("b", "d"): 16,
        ("b", "d", 0): 21,
        ("b", "d", 1): 2,
        ("t",): 1,
        ("t", 0): 1,
        ("t", 0, "x y"): 1,
    }


KEYS = st.sampled_from(["a", "b-1", '"c.d"', "'e f'"])
SCALARS = st.sampled_from(
    ["1", "0x1F", "-2.5", "true", '"s,]}#"', "'l\"'", '"""m\n#\n"""', "'''n\n]'''", "07:32:00", "inf"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: "[\n" + ", # c\n".join(each) + "\n]")
        | st.dictionaries(KEYS, SCALARS, max_size=3).map(
            lambda pairs: "{ " + ", ".join(f"{key} = {value}" for key, value in pairs.items()) + " }"
        )
    ),
    max_leaves=5,
)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(KEYS, VALUES), max_size=5))
def test_every_path_that_the_parser_finds_has_a_line(tables: list[tuple[str, str]]) -> None:
    text = "".join(f"[[t]]\n\n{key} = {value} # c\n" for key, value in tables)
    lines = {path: position.line for path, position in key_positions(text).items()}
    found: set[tuple[str | int, ...]] = set()

    def walk(value: object, path: tuple[str | int, ...]) -> None:
        found.add(path)
        match value:
            case dict():
                for key, inner in value.items():
                    walk(inner, (*path, key))
            case list():
                for index, inner in enumerate(value):
                    walk(inner, (*path, index))

    walk(tomllib.loads(text), ())
    assert set(lines) == found
    source = text.splitlines()
    for index, (key, _) in enumerate(tables):
        line = lines["t", index]
        assert source[line - 1] == "[[t]]"
        assert source[line + 1].startswith(key)
