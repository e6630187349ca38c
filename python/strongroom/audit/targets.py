"""Where entries are forwarded to, and how they are spelled there.

RFC 5424 over UDP (RFC 5426), TCP with octet counts (RFC 6587), TLS (RFC 5425) or the socket of this host; or JSON Lines.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from strongroom.errors import Misuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Numbered = Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Target:
    """A place: what kind it is, and either a path or a host and a port."""

    kind: str
    path: str = ""
    host: str = ""
    port: int = 0


def target_of(text: str) -> Target:
    """The place that a URL names. Raises Misuse."""
    try:
        parts = urlsplit(text)
        kind, host, port, path = parts.scheme, parts.hostname, parts.port, unquote(parts.path)
    except ValueError:
        kind, host, port, path = "", None, None, ""
    bare = not (parts.query or parts.fragment or "@" in parts.netloc) if kind else False
    if bare and kind in PORTS and host and path in {"", "/"}:
        return Target(kind, host=host, port=port or PORTS[kind])
    if bare and kind in {"unix", "file"} and not parts.netloc and path.startswith("/") and path != "/":
        return Target(kind, path=path)
    raise Misuse(
        f"{text!r} is no place to forward to: syslog+tls://HOST, syslog+tcp://HOST, syslog+udp://HOST, unix:///dev/log or"
        " file:///PATH"
    )


def deliver(target: Target, batch: Numbered, log: str) -> None:
    """Hand over a batch. Returns once the target has taken it, as far as its kind can tell. Raises OSError."""
    match target.kind:
        case "file":
            append(target.path, (line(number, entry, log) + b"\n" for number, entry in batch))
        case "unix" | "syslog+udp":
            datagrams(target, [syslog(number, entry, log, LARGEST[target.kind]) for number, entry in batch])
        case _:
            stream(target, [syslog(number, entry, log) for number, entry in batch])


def line(number: int, entry: bytes, log: str) -> bytes:
    """An entry with its place in the log around it, the entry itself byte for byte: so its hash can be made from the line."""
    return b'{"entry":%b,"index":%d,"log":%b}' % (entry, number, json.dumps(log).encode())


def syslog(number: int, entry: bytes, log: str, largest: int | None = None) -> bytes:
    """The message of RFC 5424 with the line in it. One too large for its way says which entry to look up in the log."""
    content = json.loads(entry)
    event = str(content.get("event"))
    head = b"<%d>1 %b %b strongroom %b %b - " % (
        FACILITY * 8 + SEVERITY.get(event, NOTICE),
        time_of(content.get("time")),
        word(content.get("host"), 255),
        word(content.get("process"), 128),
        word(event, 32),
    )
    said = head + line(number, entry, log)
    if largest is not None and len(said) > largest:
        known = {name: str(content.get(name))[:255] for name in ("event", "id", "time")}
        return head + line(number, json.dumps(known | {"too_large": len(entry)}, sort_keys=True).encode(), log)
    return said


def time_of(value: object) -> bytes:
    """A timestamp of RFC 5424, a dash for what is none."""
    text = str(value)
    return text.encode() if TIME.fullmatch(text) else b"-"


def word(value: object, longest: int) -> bytes:
    """A field of the head: printable ASCII without spaces, a dash for nothing."""
    return re.sub(r"[^\x21-\x7e]", "?", str(value))[:longest].encode() if value not in {None, ""} else b"-"


def append(path: str, lines: Iterable[bytes]) -> None:
    """Put lines behind those of a file, durable on return. What a crash has left of one is ended, so that it spoils no other."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "r+b") as file:
        if file.seek(0, os.SEEK_END) and os.pread(descriptor, 1, file.tell() - 1) != b"\n":
            file.write(b"\n")
        file.writelines(lines)
        file.flush()
        os.fsync(descriptor)


def datagrams(target: Target, messages: Iterable[bytes]) -> None:
    """A datagram for each message."""
    if target.kind == "unix":
        sock, address = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), target.path
        with closing(sock):
            sock.settimeout(PATIENCE)
            sock.connect(address)
            for message in messages:
                sock.send(message)
        return
    family, kind, protocol, _, place = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)[0]
    with closing(socket.socket(family, kind, protocol)) as sock:
        sock.connect(place)
        for message in messages:
            sock.send(message)


def stream(target: Target, messages: Iterable[bytes]) -> None:
    """A connection for the batch, each message behind its length. Over once the other side has read to the end and says so.

    Syslog has no acknowledgement of its own, and what a kernel has taken may be lost with the connection.
    """
    content = b"".join(b"%d %b" % (len(message), message) for message in messages)
    with socket.create_connection((target.host, target.port), timeout=PATIENCE) as plain:
        if target.kind == "syslog+tcp":
            plain.sendall(content)
            plain.shutdown(socket.SHUT_WR)
            wait_for_end(plain)
            return
        with ssl.create_default_context().wrap_socket(plain, server_hostname=target.host) as secured:
            secured.sendall(content)
            # many answer our goodbye by closing the connection
            with suppress(ssl.SSLEOFError, ConnectionResetError):
                wait_for_end(secured.unwrap())


def wait_for_end(sock: socket.socket) -> None:
    """Read until the other side closes. Raises TimeoutError."""
    for _ in range(MOST_ANSWERS):
        if not sock.recv(4096):
            return
    raise TimeoutError("the receiver goes on talking")


PORTS = {"syslog+udp": 514, "syslog+tcp": 601, "syslog+tls": 6514}
LARGEST = {"syslog+udp": 65_000, "unix": 200_000}
# 13 is the facility "log audit"; severities as in RFC 5424, section 6.2.1
FACILITY, NOTICE = 13, 5
SEVERITY = {"denied": 4, "failed": 4, "recovered": 4, "lease-opened": 6, "lease-closed": 6}
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII)
PATIENCE = 5.0
MOST_ANSWERS = 16
