"""Which host keys are known: files as OpenSSH writes them, and their answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from openssh_server import make_key

from benchrunner.errors import HostKeyError
from benchrunner.transport.known_hosts import HostKey, Verdict, accept, judge, known_kinds, read_entries


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, HostKey]:
    folder = tmp_path_factory.mktemp("keys")
    found = {}
    for name, kind in ("a", "ed25519"), ("b", "ed25519"), ("ecdsa", "ecdsa"), ("rsa", "rsa"):
        make_key(folder / name, kind=kind)
        found[name] = HostKey.parse((folder / f"{name}.pub").read_text())
    return found


def verdict(text: str, key: HostKey, tmp_path: Path, host: str = "board", port: int = 22) -> Verdict:
    path = tmp_path / "known_hosts"
    path.write_text(text)
    return judge(read_entries([path]), host, port, key).verdict


def test_the_fingerprint_is_the_one_that_ssh_prints(tmp_path: Path) -> None:
    for kind in "ed25519", "ecdsa", "rsa":
        make_key(tmp_path / kind, kind=kind)
        printed = subprocess.run(
            ["ssh-keygen", "-lf", tmp_path / f"{kind}.pub"], check=True, capture_output=True, text=True
        )
        key = HostKey.parse((tmp_path / f"{kind}.pub").read_text())
        assert key.fingerprint == printed.stdout.split()[1]


def test_a_key_is_known_unknown_changed_or_revoked(keys: dict[str, HostKey], tmp_path: Path) -> None:
    a, b = keys["a"], keys["b"]
    assert verdict("", a, tmp_path) is Verdict.UNKNOWN
    assert verdict(f"board {a.line}\n", a, tmp_path) is Verdict.KNOWN
    assert verdict(f"BOARD {a.line} comment\n", a, tmp_path) is Verdict.KNOWN
    assert verdict(f"board {b.line}\n", a, tmp_path) is Verdict.CHANGED
    assert verdict(f"board {b.line}\nboard {a.line}\n", a, tmp_path) is Verdict.KNOWN
    assert verdict(f"board {keys['rsa'].line}\n", a, tmp_path) is Verdict.UNKNOWN
    assert verdict(f"other {a.line}\n", a, tmp_path) is Verdict.UNKNOWN
    assert verdict(f"board {a.line}\n@revoked * {a.line}\n", a, tmp_path) is Verdict.REVOKED
    assert verdict(f"board {a.line}\n@revoked * {b.line}\n", a, tmp_path) is Verdict.KNOWN
    assert verdict(f"board {a.line}\n@revoked other {a.line}\n", a, tmp_path) is Verdict.KNOWN
    assert verdict(f"@cert-authority board {a.line}\n", a, tmp_path) is Verdict.UNKNOWN
    assert verdict(f"# board {a.line}\n", a, tmp_path) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("hosts", "known"),
    [
        ("board,10.0.0.1", True),
        ("10.0.0.?,boa*", True),
        ("boa*,!board", False),
        ("!board,*", False),
        ("[board]:22", False),
        ("b[a-z]ard", False),
        ("board.lan", False),
        ("", False),
    ],
)
def test_lists_and_patterns_are_read_as_openssh_reads_them(
    keys: dict[str, HostKey], tmp_path: Path, hosts: str, known: bool
) -> None:
    expected = Verdict.KNOWN if known else Verdict.UNKNOWN
    assert verdict(f"{hosts} {keys['a'].line}\n", keys["a"], tmp_path) is expected


def test_a_port_of_its_own_has_a_key_of_its_own(keys: dict[str, HostKey], tmp_path: Path) -> None:
    a, b = keys["a"], keys["b"]
    assert verdict(f"[board]:2222 {a.line}\n", a, tmp_path, port=2222) is Verdict.KNOWN
    assert verdict(f"[board]:2222 {a.line}\n", a, tmp_path) is Verdict.UNKNOWN
    assert verdict(f"[board]:2222 {b.line}\n", a, tmp_path, port=2222) is Verdict.CHANGED
    assert verdict(f"[board]:* {a.line}\n", a, tmp_path, port=2222) is Verdict.KNOWN
    # The host's own line vouches for its other ports, and another key there is no contradiction.
    assert verdict(f"board {a.line}\n", a, tmp_path, port=2222) is Verdict.KNOWN
    assert verdict(f"board {b.line}\n", a, tmp_path, port=2222) is Verdict.UNKNOWN


@pytest.mark.parametrize(("name", "port"), [("board", 22), ("[board]:2222", 2222)])
def test_hashed_lines_of_openssh_are_understood(
    keys: dict[str, HostKey], tmp_path: Path, name: str, port: int
) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"{name} {keys['a'].line}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    text = path.read_text()
    assert "board" not in text
    assert judge(read_entries([path]), "board", port, keys["a"]).verdict is Verdict.KNOWN
    assert judge(read_entries([path]), "board", port, keys["b"]).verdict is Verdict.CHANGED
    assert judge(read_entries([path]), "boar", port, keys["a"]).verdict is Verdict.UNKNOWN


def test_lines_that_mean_nothing_are_passed_over(keys: dict[str, HostKey], tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    line = f"board {keys['a'].line}".encode()
    path.write_bytes(
        b"\n\xff\xfe\nboard\nboard ssh-rsa\nboard ssh-rsa !!!\n@odd x\n|1|x|y ssh-rsa AAAA\n|2|a|b|c "
        + line
        + b"\nboard ssh-rsa "
        + line.split()[2]
        + b"\n"
        + line
        + b"\n"
    )
    assert [entry.key for entry in read_entries([path]) if entry.hosts == "board"] == [keys["a"]]
    assert judge(read_entries([path]), "board", 22, keys["a"]).verdict is Verdict.KNOWN
    assert read_entries([tmp_path / "missing", tmp_path]) == []


def test_the_types_that_are_known_are_asked_for_first(keys: dict[str, HostKey], tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text("".join(f"board {keys[name].line}\n" for name in ("rsa", "ecdsa", "rsa")))
    assert known_kinds(read_entries([path]), "board", 22) == ["ssh-rsa", "ecdsa-sha2-nistp256"]
    assert known_kinds(read_entries([path]), "other", 22) == []


def test_accepting_replaces_the_key_of_that_host_and_type_only(
    keys: dict[str, HostKey], tmp_path: Path
) -> None:
    path = tmp_path / "new" / "folder" / "known_hosts"
    accept("Board", 2222, keys["a"], path)
    assert path.read_text() == f"[board]:2222 {keys['a'].line}\n"
    kept = (
        f"# mine\n[board]:2222 {keys['rsa'].line}\nother {keys['b'].line}\n@revoked * {keys['ecdsa'].line}\n"
    )
    path.write_text(kept + f"[board]:2222 {keys['a'].line}\n")
    accept("board", 2222, keys["b"], path)
    assert path.read_text() == kept + f"[board]:2222 {keys['b'].line}\n"


def test_a_file_that_cannot_be_written_is_named(keys: dict[str, HostKey], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostKeyError, match="known_hosts: the key cannot be stored"):
        accept("board", 22, keys["a"], tmp_path / "file" / "known_hosts")
