"""What this machine and this room look like, as far as it can be seen without a key: the checks of `doctor`."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from strongroom.cli.periods import moment
from strongroom.cli.words import count, shown, size

OK, WARN, FAIL = "ok", "warn", "fail"

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")

Aes = Literal["vaes-avx512", "vaes-avx2", "aes-ni", "arm-aes", "none"]
"""Which instructions AES-GCM runs on, fastest first (on x86-64)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: a verdict, a sentence, and what mends it."""

    name: str
    verdict: str
    sentence: str
    fix: str | None = None


def room_of(home: str | None) -> Path:
    """Where the room is, or would be."""
    from strongroom.home import default_home

    return default_home() if home is None else Path(home)


def locked_memory(status: Mapping[str, int]) -> Check:
    """Whether keys can be kept out of swap, by what happened in this process and by the limit."""
    refused = status.get("refused_bytes", 0)
    if refused:
        return Check("memory locking", WARN, f"locking was refused for {size(refused)} of keys", RAISE_MEMLOCK)
    soft, _hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == resource.RLIM_INFINITY:
        return Check("memory locking", OK, "keys can be locked in memory without a limit")
    if soft < ENOUGH_LOCKED:
        return Check("memory locking", WARN, f"only {size(soft)} of memory can be locked", RAISE_MEMLOCK)
    return Check("memory locking", OK, f"keys can be locked in memory, up to {size(soft)}")


def swap(swaps: Path = Path("/proc/swaps")) -> Check:
    """Whether plaintext buffers could reach a disk in the clear."""
    devices = [line.split()[0] for line in read(swaps).splitlines()[1:]]
    plain = [device for device in devices if not keeps_to_itself(device)]
    if plain:
        fix = "encrypt it (dm-crypt), use zram, or turn it off: swapoff -a"
        return Check("swap", WARN, f"plaintext in use could be swapped to {', '.join(plain)} in the clear", fix)
    return Check("swap", OK, "swap is encrypted or in memory" if devices else "there is no swap")


def keeps_to_itself(device: str) -> bool:
    """Whether a swap device is encrypted or in memory."""
    name = Path(os.path.realpath(device)).name
    return name.startswith("zram") or read(Path("/sys/class/block", name, "dm", "uuid")).startswith("CRYPT-")


def core_dumps(pattern: Path = Path("/proc/sys/kernel/core_pattern")) -> Check:
    """Where a crash of a program that uses the library would leave its memory."""
    goes_to = read(pattern).strip()
    if resource.getrlimit(resource.RLIMIT_CORE)[0] == 0:
        return Check("core dumps", OK, "off for this command; pages with keys are never dumped")
    return Check(
        "core dumps",
        WARN,
        f"a crash would write plaintext in use to {goes_to or 'a core file'} (pages with keys are never dumped)",
        "turn them off where plaintext is handled: ulimit -c 0",
    )


def huge_pages(setting: Path = HUGE_PAGES) -> Check:
    """Whether large buffers can have large pages, which makes them faster."""
    mode = huge_page_mode(setting)
    if mode == "never":
        sentence = "transparent huge pages are off; large buffers are slower"
        return Check("huge pages", WARN, sentence, f"echo madvise > {setting}")
    if mode == "none":
        return Check("huge pages", WARN, "this kernel has no transparent huge pages; large buffers are slower")
    if mode == "reported":
        sentence = "the host takes free huge pages back: ordinary ones are faster here, and large results use those"
        return Check("huge pages", OK, sentence)
    return Check("huge pages", OK, f"transparent huge pages: {mode}")


def huge_page_mode(setting: Path = HUGE_PAGES) -> str:
    """Who may have huge pages: `always`, `madvise`, `never`, or `none` in a kernel that does not know them.

    `reported` is a virtual machine whose host takes back free ones, so that large results do without.
    """
    from strongroom.crypto import huge_pages_pay

    chosen = read(setting).partition("[")[2].partition("]")[0]
    if chosen in {"always", "madvise"} and not huge_pages_pay():
        return "reported"
    return chosen or "none"


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> Check:
    """Which instructions AES-GCM runs on."""
    match aes_path(flags_of(read(cpuinfo))):
        case "vaes-avx512":
            return Check("processor", OK, "AES-GCM runs on VAES with AVX-512, the fastest path")
        case "vaes-avx2":
            return Check("processor", OK, "AES-GCM runs on VAES with AVX2")
        case "none":
            sentence = "no AES instructions are visible: AES-GCM is many times slower"
            return Check("processor", WARN, sentence, SHOW_AES)
        case _:
            return Check("processor", OK, "AES-GCM runs on the processor's AES instructions")


def aes_path(flags: set[str]) -> Aes:
    """Find the fastest way to do AES-GCM that these instruction sets allow."""
    if {"vaes", "vpclmulqdq", "avx512f"} <= flags:
        return "vaes-avx512"
    if {"vaes", "vpclmulqdq", "avx2"} <= flags:
        return "vaes-avx2"
    if {"aes", "pclmulqdq"} <= flags:
        return "aes-ni"
    return "arm-aes" if {"aes", "pmull"} <= flags else "none"


def flags_of(cpuinfo: str) -> set[str]:
    """Find the instruction sets of the first processor (`flags` on x86-64, `Features` on aarch64)."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return set(value.split())
    return set()


def sqlite() -> Check:
    """Which journal the keystore can use."""
    if sqlite3.sqlite_version_info >= SAFE_WAL:
        return Check("sqlite", OK, f"SQLite {sqlite3.sqlite_version}: write-ahead log")
    sentence = f"SQLite {sqlite3.sqlite_version}: rollback journal (its write-ahead log can corrupt before 3.51.3)"
    return Check("sqlite", OK, sentence)


def unlock_source(given: Mapping[str, str | None], environment: Mapping[str, str], room: Path) -> Check:
    """Say what would unlock the room without anybody typing."""
    for name, path in sources(given, environment):
        return readable(name, path)
    tokens = tokens_of(room)
    wrong = [what for what in tokens.values() if what is not None]
    if wrong:
        verdict = FAIL if len(wrong) == len(tokens) else WARN
        return Check("unlock source", verdict, wrong[0], "strongroom providers health asks every token")
    if tokens:
        return Check("unlock source", OK, "module and PIN of every token are there")
    fix = "set STRONGROOM_PASSPHRASE_FILE or STRONGROOM_KEY_FILE to a file of mode 0600, or be at a terminal"
    return Check("unlock source", WARN, "nothing is set up to unlock the room but a prompt", fix)


def sources(given: Mapping[str, str | None], environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Files that unlock, in the order in which they are tried."""
    yield from ((option, Path(path)) for option, path in given.items() if path)
    for variable in ("STRONGROOM_KEY_FILE", "STRONGROOM_PASSPHRASE_FILE"):
        if environment.get(variable):
            yield variable, Path(environment[variable])
    credentials = environment.get("CREDENTIALS_DIRECTORY")
    for credential in ("strongroom-key", "strongroom-passphrase"):
        if credentials and Path(credentials, credential).exists():
            yield "systemd credential", Path(credentials, credential)


def tokens_answer(room: Path) -> Iterator[Check]:
    """Whether the tokens that open the room give its root, which is wiped at once; nothing where there are none."""
    from strongroom.errors import StrongroomError
    from strongroom.home.tokens import check_health

    if not tokens_of(room):
        return
    try:
        found = check_health(room, within=PATIENCE)
    except (OSError, StrongroomError) as error:
        yield Check("tokens", FAIL, str(error), "strongroom providers list")
        return
    wrong = [health for health in found if health.error is not None]
    if not wrong:
        yield Check("tokens", OK, f"each of the room's tokens gives its root ({len(found)})")
        return
    verdict = FAIL if len(wrong) == len(found) else WARN
    sentence = f"{len(wrong)} of {len(found)} tokens do not give the room's root: {wrong[0].error}"
    yield Check("tokens", verdict, sentence, "strongroom providers health")


def log_leaves(room: Path) -> Iterator[Check]:
    """Whether each witness, and the place that entries are forwarded to, was reached when it was told last."""
    from strongroom.errors import StrongroomError
    from strongroom.home import told_lately

    try:
        found = told_lately(room)
    except (OSError, StrongroomError) as error:
        yield Check("audit log", FAIL, str(error), "strongroom audit verify")
        return
    for each in found:
        name, behind = ("witness" if each.is_witness else "forwarding"), f"{count(each.behind, 'entry')} behind"
        if each.works and each.reached is not None:
            yield Check(name, OK, f"{shown(each.name)} was reached {moment(each.reached)}, {behind}")
            continue
        since = "" if each.failing is None else f" since {moment(each.failing)}"
        fix = "strongroom audit witness push" if each.is_witness else "strongroom audit forward run"
        sentence = f"{shown(each.name)} was not reached{since}, {behind}: {shown(each.problem or 'nobody has tried')}"
        if each.alarm:
            sentence, fix = (
                f"{behind}{since}: {shown(each.problem or '')}",
                "compare the log with a copy: docs/guides/audit.md",
            )
        yield Check(name, FAIL if each.alarm else WARN, sentence, fix)


def tokens_of(room: Path) -> Mapping[str, str | None]:
    """The tokens that open the room, and what is wrong with each; none where nobody can say."""
    from strongroom.errors import StrongroomError
    from strongroom.home.tokens import complaints

    try:
        return complaints(room)
    except (OSError, StrongroomError):
        return {}


def readable(name: str, path: Path) -> Check:
    """Whether an unlock file is there, ours to read, and nobody else's."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return Check("unlock source", FAIL, f"{name}: {shown(path)}: {error.strerror}", "name a file that exists")
    if not os.access(path, os.R_OK):
        return Check("unlock source", FAIL, f"{name}: {shown(path)} cannot be read", "check its owner")
    if stat.S_ISREG(mode) and mode & 0o077:
        return Check("unlock source", WARN, f"{name}: {shown(path)} is open to others", f"chmod 600 {shown(path)}")
    return Check("unlock source", OK, f"{name}: {shown(path)}")


def permissions(room: Path) -> Check:
    """Whether the room is its owner's alone."""
    if not room.is_dir():
        return Check("room", WARN, f"there is no room in {shown(room)}", "strongroom init")
    loose = [path for path in (room, *room.rglob("*")) if not path.is_symlink() and path.lstat().st_mode & 0o077]
    if loose:
        fix = f"chmod -R go-rwx {shown(room)}"
        return Check("room", FAIL, f"{shown(loose[0])} is open to others ({len(loose)} in all)", fix)
    if room.stat().st_uid != os.geteuid():
        return Check("room", FAIL, f"{shown(room)} belongs to another user", f"chown -R $(id -un) {shown(room)}")
    return Check("room", OK, f"{shown(room)} is open to its owner only")


def clock(room: Path) -> Check:
    """Whether the clock agrees with what the room has seen."""
    newest = max((path.lstat().st_mtime for path in room.rglob("*")), default=0.0)
    ahead = newest - time.time()
    if ahead > CLOCK_SLACK:
        sentence = f"the room was written {ahead:,.0f} s in the future: the clock was set back"
        return Check("clock", FAIL, sentence, "set the clock (timedatectl set-ntp true)")
    if time.time() < FIRST_RELEASE:
        return Check("clock", FAIL, "the clock is before the first release", "set the clock (timedatectl set-ntp true)")
    return Check("clock", OK, "the clock is not behind the room")


def backup(room: Path) -> Check:
    """Whether the room could be restored as it is now, as far as it remembers."""
    from strongroom.home import last_verified, reminder

    words = reminder(room)
    if words is not None:
        return Check("backup", WARN, words, "strongroom backup create FILE, and strongroom backup verify FILE")
    standing = last_verified(room)
    if standing is None:
        return Check("backup", OK, "there is no room to back up")
    return Check("backup", OK, f"the backup of {standing.taken} holds every key, and was verified")


def read(path: Path) -> str:
    """Read a file of /proc or /sys; empty where this kernel has none."""
    try:
        return path.read_text()
    except OSError:
        return ""


ENOUGH_LOCKED = 1 << 20
PATIENCE = 5.0
SAFE_WAL = (3, 51, 3)
CLOCK_SLACK = 300
FIRST_RELEASE = 1_767_225_600  # 2026-01-01
RAISE_MEMLOCK = "raise it: ulimit -l, LimitMEMLOCK= in a systemd unit, or memlock in /etc/security/limits.conf"
SHOW_AES = (
    "pass the host's processor model through to this virtual machine, or move to a processor with AES instructions"
)
