"""Tokens to try things on: SoftHSM's and opencryptoki's, and a module between that does what a file of rules says."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
OPENCRYPTOKI = next(
    iter(map(str, Path("/usr/lib").glob("*/pkcs11/libopencryptoki.so"))), "/usr/lib/pkcs11/libopencryptoki.so"
)
# some distributions keep it in a folder of its own
NSS = next(
    (str(path) for where in ("*/", "*/nss/") for path in Path("/usr/lib").glob(f"{where}libsoftokn3.so")),
    "/usr/lib/libsoftokn3.so",
)
LABEL = "strongroom-test"
PIN, SO_PIN = "1234", "12345678"


@dataclass(frozen=True)
class Token:
    """A token that is initialised, and a file with its PIN."""

    label: str
    module: str
    pin_file: Path
    names: set[str] = field(default_factory=set)

    def uri(self, name: str = "root", module: str | None = None) -> str:
        """The URI of a key in it."""
        self.names.add(name)
        where = f"module-path={module or self.module}&pin-source=file:{self.pin_file}"
        return f"pkcs11:token={self.label};object={name}?{where}"


@dataclass(frozen=True)
class SoftHsm:
    """SoftHSM's tokens of this run, in a directory of their own."""

    directory: Path

    @property
    def tokens(self) -> Path:
        """Where they are."""
        return self.directory / "tokens"

    @property
    def settings(self) -> Path:
        """What the environment variable SOFTHSM2_CONF has to name."""
        return self.directory / "softhsm2.conf"

    def new_token(self, label: str, pin: str = PIN) -> Token:
        """Another token. SOFTHSM2_CONF names the settings already."""
        run("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", pin)
        return Token(label, SOFTHSM, pin_file(self.directory / f"{label}.pin", pin))


@dataclass(frozen=True)
class Proxy:
    """A module between SoftHSM and its caller."""

    module: str
    rules: Path
    log: Path

    @property
    def variables(self) -> dict[str, str]:
        """What the environment has to say to the module."""
        return {"FAULT_MODULE": SOFTHSM, "FAULT_FILE": str(self.rules), "FAULT_LOG": str(self.log)}

    def does(self, *rules: str) -> None:
        """From now on."""
        self.rules.write_text("\n".join(rules) + "\n" if rules else "")

    def calls(self, function: str) -> int:
        """How often a function was called."""
        return self.log.read_text().splitlines().count(function) if self.log.exists() else 0


class NoToken(Exception):
    """There is no token of this kind to be had here, and why."""


def new_softhsm(directory: Path) -> SoftHsm:
    """No tokens yet, in an empty directory."""
    made = SoftHsm(directory)
    made.tokens.mkdir()
    made.settings.write_text(f"directories.tokendir = {made.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    return made


def opencryptoki(directory: Path) -> Token:
    """Give opencryptoki's software token, of which there is one for the whole system. Raises NoToken where it is somebody's."""
    if os.geteuid() != 0:
        raise NoToken("opencryptoki's daemon wants root")
    if not any(path.read_text() == "pkcsslotd\n" for path in Path("/proc").glob("[0-9]*/comm")):
        run("pkcsslotd")
        time.sleep(1)
    slots = run("pkcsconf", "-t").split("Token #")[1:]
    soft = next(text for text in slots if "SoftTok" in text)
    slot = soft.split(" ", 1)[0]
    if "IBM OS PKCS#11" in soft:
        run("pkcsconf", "-I", "-c", slot, "-S", "87654321", given=f"{LABEL}\n")
        run("pkcsconf", "-P", "-c", slot, "-S", "87654321", "-n", SO_PIN)
        run("pkcsconf", "-u", "-c", slot, "-S", SO_PIN, "-n", PIN)
    elif LABEL not in soft:
        raise NoToken("opencryptoki's token is somebody's, and left alone")
    else:
        # a login ends the count of wrong PINs, which a test that was killed may have left
        run("pkcs11-tool", "--module", OPENCRYPTOKI, "--token-label", LABEL, "--login", "--pin", PIN, "--list-objects")
    return Token(LABEL, OPENCRYPTOKI, pin_file(directory / "pin", PIN))


def nss(directory: Path) -> Token:
    """Give a token of NSS's, in a directory of its own. NSS_LIB_PARAMS has to be what `nss_parameters` says of that."""
    file = pin_file(directory / "pin", "pin-of-12345")
    run("certutil", "-N", "-d", f"sql:{directory}", "-f", str(file))
    return Token("NSS%20Certificate%20DB", NSS, file)


def nss_parameters(directory: Path) -> str:
    """What the environment variable NSS_LIB_PARAMS has to say."""
    return f"configdir='sql:{directory}' certPrefix='' keyPrefix='' secmod='secmod.db'"


def proxy_module() -> str:
    """Build the module between, and say where it is."""
    subprocess.run(["cargo", "build", "--quiet", "-p", "pkcs11-proxy"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return str(target / "debug" / "libpkcs11_proxy.so")


def imported(token: Token, key: Path, name: str) -> str:
    """The raw key in a file put into SoftHSM, sensitive and not extractable; and its URI."""
    pin = token.pin_file.read_text().strip()
    run(
        *("pkcs11-tool", "--module", SOFTHSM, "--token-label", token.label, "--login", "--pin", pin),
        *("--write-object", str(key), "--type", "secrkey", "--key-type", "AES:32", "--label", name, "--id", "0b"),
        *("--sensitive", "--usage-decrypt"),
    )
    return token.uri(name)


def pin_file(path: Path, pin: str) -> Path:
    """A file with a PIN, which only we can read."""
    path.write_text(f"{pin}\n")
    path.chmod(0o600)
    return path


def unique(name: str) -> str:
    """A name for a key in a token that outlives the test."""
    return f"{name}-{os.urandom(4).hex()}"


def run(*command: str, given: str | None = None) -> str:
    """What a command prints that has to work."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr or done.stdout}")
    return done.stdout
