"""Opening a port by its URL: a tty, a pty, a serial port server, a TCP port."""

from __future__ import annotations

from urllib.parse import urlsplit

from benchrunner.errors import PortError
from benchrunner.transport import Lines, Parity, Transport


def open_transport(
    url: str, *, baud_hz: int = 115200, parity: Parity = Parity.NONE, lines: Lines | None = None
) -> Transport:
    """Open `url`: a device path (`/dev/ttyACM0`, `/dev/pts/3`), `rfc2217://host:port` or `socket://host:port`.

    `lines` says how BOOT0 and NRST are wired; None leaves the modem lines alone. Opening rests the lines
    at BOOT0 low and NRST released, so that a running board runs on. Raises `PortError` with the fix when the
    port is missing, in use, forbidden, or not what the URL says.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        from benchrunner.transport.tty import TtyTransport

        return TtyTransport(url, baud_hz=baud_hz, parity=parity, lines=lines)

    from benchrunner.transport.network import Rfc2217Transport, SocketTransport

    host, port = _address(url)
    match scheme:
        case "rfc2217":
            return Rfc2217Transport(url, host, port, baud_hz=baud_hz, parity=parity, lines=lines)
        case "socket":
            return SocketTransport(url, host, port)
        case _:
            raise PortError(
                f"{url}: unknown kind of port {scheme!r}",
                hint="use a device path, rfc2217://host:port or socket://host:port",
            )


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise PortError(f"{url}: needs a host and a port number", hint="write rfc2217://127.0.0.1:2217")
    return host, port
