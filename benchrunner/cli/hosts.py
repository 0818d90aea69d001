"""`benchrunner accept-host-key`: trust the host key of a Linux board, once somebody has compared it."""

from __future__ import annotations

import re
from pathlib import Path

import click

from benchrunner.deadline import Deadline
from benchrunner.errors import UsageError
from benchrunner.transport.known_hosts import own_known_hosts
from benchrunner.transport.ssh import accept_host_key
from benchrunner.transport.ssh_target import ssh_target

_CONNECT_S = 60.0

_EPILOG = """\b
Examples:
  benchrunner accept-host-key root@192.168.7.1 SHA256:9nUGvwuDZwTgOYHTQ8O8fk8+gj5e0ZsYAu/mTjFyJTo

The fingerprint is the one that a refused connection shows. Compare it with the board's own, on its console:
`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`. Keys that ssh knows already need not be accepted.
"""


@click.command(epilog=_EPILOG)
@click.argument("host")
@click.argument("fingerprint")
@click.option("--jump", metavar="HOSTS", help="Hosts on the way, separated by commas, the nearest first.")
@click.option(
    "--ssh-config",
    "config_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Instead of ~/.ssh/config.",
)
def command(host: str, fingerprint: str, jump: str | None, config_file: Path | None) -> None:
    """Store the host key of a Linux board, if it has this FINGERPRINT."""
    if not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", fingerprint):
        raise UsageError(
            f"{fingerprint!r}: expected a fingerprint: SHA256: and 43 characters",
            hint="copy it from the message of the refused connection",
        )
    key = accept_host_key(
        ssh_target(host, config_file=config_file, jump=jump), fingerprint, Deadline(_CONNECT_S)
    )
    click.echo(f"{host}: {key.kind} {key.fingerprint} is known now ({own_known_hosts()})")
