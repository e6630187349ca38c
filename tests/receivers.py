"""Receivers of forwarded entries: sockets of this host that keep what comes, and read it as RFC 5424 says."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# section 6: PRI VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD MSG
MESSAGE = re.compile(
    rb"<(\d{1,3})>1 (-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48})"
    rb" ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) - (.*)"
)


@dataclass
class Received:
    """What has come: whole messages, in order. `limit` ends a connection early, as a receiver that dies does."""

    url: str
    messages: list[bytes] = field(default_factory=list)
    limit: int | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)

    def lines(self) -> list[dict[str, Any]]:
        """The JSON in each message, which has to be one."""
        found = []
        for message in self.messages:
            match = MESSAGE.fullmatch(message)
            assert match is not None, message
            found.append(json.loads(match[7]))
        return found

    def indexes(self) -> list[int]:
        return [line["index"] for line in self.lines()]

    def take(self, connection: socket.socket) -> None:
        """A connection of octet-counted messages."""
        content = b""
        while piece := connection.recv(65536):
            content += piece
            if self.limit is not None and len(content) > self.limit:
                # reset, not closed
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
        with self.turn:
            while content:
                length, _, content = content.partition(b" ")
                self.messages.append(content[: int(length)])
                content = content[int(length) :]


@contextmanager
def tcp(certificate: tuple[Path, Path] | None = None) -> Iterator[Received]:
    """A receiver of streams, by TLS with a certificate."""
    server = socket.create_server(("127.0.0.1", 0))
    kind = "tls" if certificate else "tcp"
    received = Received(f"syslog+{kind}://localhost:{server.getsockname()[1]}")

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            try:
                with secured(connection, certificate) as open_connection:
                    received.take(open_connection)
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        # wakes the thread, which a close alone does not
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def secured(connection: socket.socket, certificate: tuple[Path, Path] | None) -> socket.socket:
    if certificate is None:
        return connection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context.wrap_socket(connection, server_side=True)


@contextmanager
def datagrams(path: Path | None = None) -> Iterator[Received]:
    """A receiver of datagrams: UDP, or a socket at `path`."""
    if path is None:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        server.bind(("127.0.0.1", 0))
        received = Received(f"syslog+udp://127.0.0.1:{server.getsockname()[1]}")
    else:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        server.bind(str(path))
        received = Received(f"unix://{path}")
    server.settimeout(0.1)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                received.messages.append(server.recv(1 << 18))
            except TimeoutError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        stop.set()
        thread.join(5)
        server.close()


def certificate_in(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that nobody else has signed, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
