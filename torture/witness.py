"""A witness: C2SP tlog-witness over HTTP, in a thread. It verifies for real, with no code of ours.

It keeps one state for each log, as a witness has to: the size and root that it has cosigned last.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DASH = "\u2014"


@dataclass
class Witness:
    """`logs` are the vkeys that it knows. `answer` is given instead of a cosignature, after `delay` seconds."""

    name: str = "witness.example/w1"
    logs: list[str] = field(default_factory=list)
    seen: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    requests: list[bytes] = field(default_factory=list)
    answer: tuple[int, bytes] | None = None
    delay: float = 0
    url: str = ""
    clock: Callable[[], float] = time.time
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def public_key(self) -> bytes:
        """Its key with the type of cosignatures before it."""
        return b"\x04" + self.key.public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        """What stands before its signatures."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.public_key).digest()[:4]

    @property
    def vkey(self) -> str:
        """What its operator gives to logs and auditors."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.public_key).decode()}"

    def handle(self, body: bytes) -> tuple[int, bytes]:
        """The answer to a request: status and content."""
        self.requests.append(body)
        time.sleep(self.delay)
        if self.answer is not None:
            return self.answer
        head, _, note = body.decode().partition("\n\n")
        old, *proof = head.split("\n")
        text, _, signatures = note.rpartition("\n\n")
        origin, size, root = text.split("\n")
        known = [vkey for vkey in self.logs if vkey.startswith(f"{origin}+")]
        if not known:
            return 404, b""
        if not any(signed(text + "\n", signatures, vkey) for vkey in known):
            return 403, b""
        path = [base64.b64decode(line) for line in proof]
        with self.turn:
            return self.judged(
                origin, int(old.removeprefix("old ")), path, int(size), base64.b64decode(root), text + "\n"
            )

    def judged(self, origin: str, old: int, proof: list[bytes], size: int, root: bytes, text: str) -> tuple[int, bytes]:
        """The answer to a checkpoint that its log has signed."""
        last = self.seen.get(origin, (0, b""))
        if old > size:
            return 400, b""
        if old != last[0] or (old == size and root != last[1]):
            return 409, b"%d\n" % last[0]
        if old not in {0, size} and not continues(old, last[1], size, root, proof):
            return 422, b""
        self.seen[origin] = (size, root)
        return 200, self.cosignature(text)

    def cosignature(self, text: str) -> bytes:
        """The line for a checkpoint, of now."""
        now = int(self.clock())
        signature = self.key.sign(f"cosignature/v1\ntime {now}\n{text}".encode())
        content = base64.b64encode(self.key_id + now.to_bytes(8, "big") + signature).decode()
        return f"{DASH} {self.name} {content}\n".encode()


@contextmanager
def serving(witness: Witness) -> Iterator[Witness]:
    """The witness at a port of this host."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/w/add-checkpoint"
            status, content = witness.handle(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    witness.url = f"http://127.0.0.1:{server.server_port}/w/"
    try:
        yield witness
    finally:
        server.shutdown()
        server.server_close()


def signed(text: str, signatures: str, vkey: str) -> bool:
    """Whether a log has signed a text: C2SP signed-note."""
    name, key_id, key = vkey.split("+", 2)
    for line in signatures.splitlines():
        _, who, content = line.split(" ")
        decoded = base64.b64decode(content)
        if (who, decoded[:4].hex()) == (name, key_id):
            try:
                Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:]).verify(decoded[4:], text.encode())
            except InvalidSignature:
                return False
            return True
    return False


def continues(old: int, old_root: bytes, size: int, root: bytes, proof: list[bytes]) -> bool:
    """Whether a tree goes on from an older one: RFC 9162, section 2.1.4.2."""
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node(each, first), node(each, second)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            second = node(second, each)
        at, last = at >> 1, last >> 1
    return (first, second, last) == (old_root, root, 0)


def node(left: bytes, right: bytes) -> bytes:
    """The hash of a node: RFC 9162, section 2.1.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()
