"""The official AWS Encryption SDKs in other languages, as small programs that `make bench-sdks` builds."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benches.harness.row import Unavailable

BUILT = Path(__file__).resolve().parents[3] / "target" / "sdks"


@dataclass(frozen=True, slots=True)
class Sdk:
    """A program that encrypts or decrypts so many messages of one size, and prints the seconds that it took.

    It has checked before that it reads what it wrote, and has worked as long as it takes to be warm.
    """

    name: str
    arguments: tuple[str, ...]
    warm: float
    """Seconds: the time that a compiler takes which works as the program runs."""

    def seconds(self, side: str, size: int, frame_length: int, count: int) -> float:
        """Of one process, without its start."""
        numbers = (str(size), str(frame_length), str(count), str(self.warm))
        done = subprocess.run((*self.arguments, side, *numbers), stdout=subprocess.PIPE, check=True)
        return float(json.loads(done.stdout)["seconds"])


def rust() -> Sdk:
    """aws-esdk."""
    return Sdk("AWS Encryption SDK for Rust", (str(built("rust/release/sdk-rust")),), 0)


def go() -> Sdk:
    """github.com/aws/aws-encryption-sdk, release for Go."""
    return Sdk("AWS Encryption SDK for Go", (str(built("go/sdk-go")),), 0)


def java() -> Sdk:
    """aws-encryption-sdk-java under a keyring."""
    return on_jvm("AWS Encryption SDK for Java", "keyring")


def java_caching() -> Sdk:
    """The same with its cache of data keys on."""
    return on_jvm("AWS Encryption SDK for Java, caching", "caching")


def on_jvm(name: str, mode: str) -> Sdk:
    """Warm when what runs often has been compiled."""
    jar = built("java/sdk-java-0.jar")
    java = shutil.which("java")
    if java is None:
        raise Unavailable("apt install default-jre-headless")
    return Sdk(name, (java, "-cp", f"{jar}:{jar.parent}/lib/*", "Sdk", mode), 3)


def built(path: str) -> Path:
    """What `make bench-sdks` left."""
    if not (BUILT / path).exists():
        raise Unavailable("make bench-sdks")
    return BUILT / path
