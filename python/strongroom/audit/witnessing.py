"""A witness asked for its cosignature: the client of C2SP tlog-witness.

```
POST URL/add-checkpoint    old SIZE │ consistency proof, a hash a line │ empty line │ checkpoint
200  cosignature lines     409  SIZE: it has seen another one last; asked once more with the proof from there
403  unknown key           404  unknown log           422  the proof does not verify
```
No answer is believed that its key has not signed, and none is waited for longer than `PATIENCE`.
"""

from __future__ import annotations

import base64
import http.client
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from strongroom.audit.checkpoint import Tree, Verifier, verify
from strongroom.audit.cosigning import Cosigned, Cosigner, cosigned, keep, last_cosigned
from strongroom.audit.locks import Lock
from strongroom.crypto import merkle_consistency
from strongroom.errors import AuditTampered, AuditUnavailable, Misuse
from strongroom.files import DIRECTORY_MODE

if TYPE_CHECKING:
    from pathlib import Path


def witnessed(folder: Path, verifier: Verifier, cosigner: Cosigner, url: str) -> Cosigned:
    """Have the newest checkpoint of the log in `folder` cosigned, and keep what comes back.

    Raises AuditTampered where the witness has seen a log of which this is no continuation, and AuditUnavailable where it does
    not answer, or does not know the log.
    """
    place = folder / "witness"
    place.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    # else another process could have a longer one cosigned meanwhile, and this one would look like an older log
    lock = Lock(place / "lock")
    try:
        with lock.held():
            return cosigned_now(folder, verifier, cosigner, url)
    finally:
        lock.close()


def cosigned_now(folder: Path, verifier: Verifier, cosigner: Cosigner, url: str) -> Cosigned:
    """The same, alone."""
    try:
        note = (folder / "checkpoint").read_bytes()
    except FileNotFoundError:
        raise AuditUnavailable(f"{folder} has no checkpoint yet: use the room once") from None
    tree, last = verify(note, verifier), last_cosigned(folder, verifier, cosigner)
    old = last.tree.size if last is not None and last.tree.size <= tree.size else 0
    status, answer = ask(folder, note, tree, old, url)
    if status == http.client.CONFLICT:
        seen = size_in(answer)
        if seen is None or seen == old or seen > tree.size:
            raise AuditTampered(
                f"{cosigner.name} has seen {'another' if seen is None or seen == old else 'a longer'} log"
                f" than {folder}, which has {tree.size} entries: it was rewritten, or an older one was put back"
            )
        status, answer = ask(folder, note, tree, seen, url)
    check_status(status, folder, cosigner)
    lines = [line for line in answer.splitlines(keepends=True) if line.startswith(f"— {cosigner.name} ".encode())]
    found = cosigned(note + b"".join(lines), verifier, cosigner)
    keep(folder, note + b"".join(lines), cosigner)
    return found


def check_url(url: str) -> None:
    """Raises Misuse for what is not https, or http to this host, or has more in it than a place."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise Misuse("the URL of a witness has no user, password, query or fragment")
    if parts.scheme == "http" and parts.hostname in LOOPBACK:
        return
    if parts.scheme != "https" or not parts.hostname:
        raise Misuse("a witness is asked at https://…, or at http:// on this host")


def ask(folder: Path, note: bytes, tree: Tree, old: int, url: str) -> tuple[int, bytes]:
    """The answer to one request."""
    proof = merkle_consistency(folder, old, tree.size) if 0 < old < tree.size else []
    lines = [f"old {old}", *(base64.b64encode(each).decode() for each in proof), "", ""]
    return post(f"{url.rstrip('/')}/add-checkpoint", "\n".join(lines).encode() + note)


def post(url: str, body: bytes) -> tuple[int, bytes]:
    """Status and content of the answer. Redirections are answers, too. Raises AuditUnavailable."""
    check_url(url)
    parts, end = urlsplit(url), time.monotonic() + PATIENCE
    if parts.scheme == "https":
        context = ssl.create_default_context()
        host: http.client.HTTPConnection = http.client.HTTPSConnection(parts.netloc, timeout=PATIENCE, context=context)
    else:
        host = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
    try:
        host.request("POST", parts.path, body, {"Content-Type": "text/plain; charset=utf-8"})
        answer = host.getresponse()
        content = b""
        while piece := answer.read1(MOST - len(content)):
            content += piece
            if time.monotonic() > end:
                raise TimeoutError("it takes too long")
        return answer.status, content
    except (OSError, http.client.HTTPException) as error:
        raise AuditUnavailable(f"the witness at {parts.netloc} does not answer: {error}") from error
    finally:
        host.close()


def check_status(status: int, folder: Path, cosigner: Cosigner) -> None:
    """Raises what an answer means that is no cosignature."""
    match status:
        case http.client.OK:
            return
        case http.client.FORBIDDEN | http.client.NOT_FOUND:
            raise AuditUnavailable(
                f"{cosigner.name} does not know this log: give its operator the key in {folder / 'vkey'}"
            )
        case http.client.CONFLICT | http.client.UNPROCESSABLE_ENTITY:
            raise AuditTampered(
                f"{cosigner.name} has seen another log than {folder}: it was rewritten, or an older one was put back"
            )
        case _:
            raise AuditUnavailable(f"{cosigner.name} answered with status {status}")


def size_in(answer: bytes) -> int | None:
    """The size that a witness has seen last, None if it says none."""
    said = answer.removesuffix(b"\n")
    return int(said) if said.isdigit() and len(said) < LONGEST else None


LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PATIENCE = 5.0
MOST = 1 << 16
LONGEST = 20
