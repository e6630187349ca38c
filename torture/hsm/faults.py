"""Every fault that is known of modules: the error that it ends in, by when, and that it passes."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from strongroom.home import open_room
from strongroom.providers.pkcs11.module import module

from torture.hsm.trial import Trial, impatient, misjudged, outcome
from torture.tokens import PIN, SO_PIN, Token, pin_file, run


def provoke(trial: Trial) -> None:
    """Each fault at a token and a room of its own."""
    with impatient() as bound, silent():
        for name, fault in FAULTS.items():
            trial.proxy.does()
            stand = Stand(trial, bound)
            trial.report.count(f"fault: {name}", fault(stand))
            trial.report.found.extend(f"{name}: {line}" for line in stand.found)
        trial.proxy.does()
        codes = by_code(trial, bound)
        trial.report.count("return codes of single functions", codes)
        control = Stand(trial, bound)
        control.ends("a healthy token", "ProviderUnavailable")
        control.found.extend(misjudged("a slow one", "fine", 0, control.asks))
        trial.report.controls["another error than the right one, and one that is late"] = len(control.found) == 2
    trial.proxy.does()


class Stand:
    """A token, a room with its root in it, and what was found wrong."""

    def __init__(self, trial: Trial, bound: float, *, between: bool = True) -> None:
        self.trial, self.bound = trial, bound
        self.proxy = trial.proxy
        self.token: Token = trial.new_token()
        self.found: list[str] = []
        self.module = self.proxy.module if between else self.token.module
        self.uri = self.token.uri(module=self.module)
        self.home = trial.new_room(self.uri)

    def opens(self) -> None:
        """A room that is opened asks the token, and lets it go."""
        open_room(self.home).close()

    asks = opens

    def ends(self, what: str, wanted: str, work: Callable[[], object] | None = None) -> None:
        """Opening, or something else, ends as it should, in time."""
        self.found.extend(misjudged(what, wanted, self.bound, work or self.opens))

    @contextmanager
    def at_work(self) -> Iterator[Callable[[], None]]:
        """A room that is open already, and what asks its token."""
        service = open_room(self.home)
        try:
            yield lambda: service._root.backup_key().close()
        finally:
            service.close()

    def objects(self) -> list[Path]:
        """The files of the token's keys."""
        folder = self.trial.softhsm.tokens
        return [path for path in folder.glob("*/*.object") if path.name != "token.object" and self.owns(path.parent)]

    def owns(self, folder: Path) -> bool:
        """Whether a folder is that of the token."""
        return self.token.label.encode() in (folder / "token.object").read_bytes()


def wrong_pin(stand: Stand) -> int:
    """A PIN that is wrong, and one that the token has locked."""
    right = stand.token.pin_file.read_text()
    pin_file(stand.token.pin_file, "9999")
    stand.ends("wrong", "BadPassphrase")
    pin_file(stand.token.pin_file, right.strip())
    stand.proxy.does("C_Login 0xa4")
    stand.ends("locked", "BadPassphrase")
    stand.proxy.does()
    # the file has to change before the same PIN is tried again
    os.utime(stand.token.pin_file)
    stand.ends("right again", "fine")
    return 3


def session_limit(stand: Stand) -> int:
    """A token without sessions left, for a moment and for good."""
    stand.proxy.does("C_OpenSession 0xb1 2")
    stand.ends("for a moment", "fine")
    stand.proxy.does("C_OpenSession 0xb1")
    stand.ends("for good", "ProviderUnavailable")
    stand.proxy.does()
    stand.ends("afterwards", "fine")
    return 3


def key_deleted(stand: Stand) -> int:
    """The key is deleted by another process, under a room that is open."""
    tool = ("--module", stand.token.module, "--token-label", stand.token.label, "--login", "--pin", PIN)
    with stand.at_work() as ask:
        run("pkcs11-tool", *tool, "--delete-object", "--type", "secrkey", "--label", "root")
        stand.ends("at work", "KeyNotFound", ask)
        stand.ends("again", "KeyNotFound", ask)
    stand.ends("opened anew", "KeyNotFound")
    if stand.objects():
        stand.found.append("a key was made in the place of the one that is gone")
    return 3


def key_without_use(stand: Stand) -> int:
    """A key that encrypts and must not decrypt, and one that the token will not let be used."""
    import pkcs11

    loaded = module(stand.module)
    [token] = [found for found in loaded.tokens() if found.label.strip() == stand.token.label]
    session = token.open(rw=True, user_pin=PIN)
    session.generate_key(
        pkcs11.KeyType.AES, 256, label="one-way", store=True, capabilities=pkcs11.MechanismFlag.ENCRYPT,
        template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
    )  # fmt: skip
    session.close()
    from strongroom.home import init_room

    uri = stand.token.uri("one-way", module=stand.module)
    place = stand.trial.folder / "never"
    stand.ends("one way", "Misuse", lambda: init_room(place, root=uri, existing=True, recovery=False))
    stand.proxy.does("C_DecryptInit 0x68")
    stand.ends("not permitted", "Misuse")
    return 2


def two_of_one_name(stand: Stand) -> int:
    """Another key of the same name: who names the key by its id is not disturbed."""
    tool = ("--module", stand.token.module, "--token-label", stand.token.label, "--login", "--pin", PIN)
    run("pkcs11-tool", *tool, "--keygen", "--key-type", "AES:32", "--label", "root", "--id", "77", "--sensitive")
    from strongroom.home import init_room

    place = stand.trial.folder / "never"
    stand.ends("by name", "Misuse", lambda: init_room(place, root=stand.uri, existing=True, recovery=False))
    stand.ends("by id", "fine")
    return 2


def tokens_vanish(stand: Stand) -> int:
    """All tokens are gone and come back, under one thread and under eight."""
    tokens, away = stand.trial.softhsm.tokens, stand.trial.folder / "away"
    with stand.at_work() as ask:
        tokens.rename(away)
        tokens.mkdir()
        stand.ends("at work", "ProviderUnavailable", ask)
        stand.ends("opened anew", "ProviderUnavailable")
        ended = by_threads(ask)
        stand.found.extend(f"by threads: {name}" for name, _ in ended if name != "ProviderUnavailable")
        tokens.rmdir()
        away.rename(tokens)
        stand.found.extend(f"back, by threads: {name}" for name, _ in by_threads(ask) if name != "fine")
        stand.ends("back", "fine", ask)
    return 3 + 2 * EIGHT


def object_truncated(stand: Stand) -> int:
    """The file of the key is cut: whoever is at work goes on, others find no key."""
    with stand.at_work() as ask:
        for path in stand.objects():
            path.write_bytes(b"")
        stand.ends("at work", "KeyNotFound", ask)
    elsewhere(stand, "KeyNotFound")
    return 2


def token_truncated(stand: Stand) -> int:
    """The file of the token itself is cut."""
    for path in stand.trial.softhsm.tokens.glob("*/token.object"):
        if stand.owns(path.parent):
            path.write_bytes(b"")
    elsewhere(stand, "ProviderUnavailable")
    return 1


def made_anew(stand: Stand) -> int:
    """The token is initialised again under its name: it is another one."""
    label = stand.token.label
    with stand.at_work() as ask:
        tool = ("softhsm2-util", "--init-token", "--token", label, "--label", label)
        run(*tool, "--so-pin", SO_PIN, "--pin", PIN)
        stand.ends("at work", "KeyNotFound", ask)
    stand.ends("opened anew", "KeyNotFound")
    if stand.objects():
        stand.found.append("a key was made in it")
    return 2


def pin_changed(stand: Stand) -> int:
    """The PIN is changed by another process: who is in stays in, until it has to log in again."""
    tool = ("--module", stand.token.module, "--token-label", stand.token.label)
    with stand.at_work() as ask:
        run("pkcs11-tool", *tool, "--login", "--pin", PIN, "--change-pin", "--new-pin", "5678")
        stand.ends("at work", "fine", ask)
        stand.proxy.does("C_DecryptInit 0x190 1")
        stand.ends("after a new login", "BadPassphrase", ask)
    pin_file(stand.token.pin_file, "5678")
    stand.ends("with the new PIN", "fine")
    return 3


def finalized(stand: Stand) -> int:
    """Somebody else in the process ends the module's state."""
    with stand.at_work() as ask:
        ctypes.CDLL(stand.token.module).C_Finalize(None)
        stand.ends("at work", "fine", ask)
        ctypes.CDLL(stand.token.module).C_Finalize(None)
        stand.found.extend(f"by threads: {name}" for name, _ in by_threads(ask) if name != "fine")
    return 1 + EIGHT


def forked(stand: Stand) -> int:
    """Children of an idle process, and of one whose threads are inside the module."""
    with stand.at_work() as ask:
        stand.found.extend(f"idle: {line}" for line in children(ask) if line != "fine")
        stop = threading.Event()
        busy = [threading.Thread(target=asks_until, args=(stop, ask)) for _ in range(4)]
        for thread in busy:
            thread.start()
        stand.found.extend(f"busy: {line}" for line in children(ask) if line != "fine")
        stop.set()
        for thread in busy:
            thread.join()
        stand.ends("the parent", "fine", ask)
    return 2 * FORKS + 1


def logins_at_once(stand: Stand) -> int:
    """Four processes log in at the same time, often: SoftHSM loses its own file for an instant at each."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        ended = [name for ends in pool.map(open_often, [str(stand.home)] * 4, [LOGINS] * 4) for name, _ in ends]
    stand.found.extend(name for name in ended if name != "fine")
    return len(ended)


def hangs(stand: Stand) -> int:
    """Any function takes too long, and then does not any more."""
    names = (
        "C_Decrypt",
        "C_DecryptInit",
        "C_OpenSession",
        "C_Login",
        "C_GetSlotList",
        "C_GetTokenInfo",
        "C_FindObjectsInit",
    )
    for name in names:
        stand.proxy.does(f"{name} sleep 1.5")
        stand.ends(name, "ProviderUnavailable")
        stand.proxy.does()
        wait_until_idle(stand.module)
        stand.ends(f"after {name}", "fine")
    return 2 * len(names)


def vendors_nonces(stand: Stand) -> int:
    """GCM as two vendors have it, and none at all."""
    for way in ("zeros", "appended", "none"):
        stand.proxy.does(f"gcm {way}")
        stand.ends(way, "fine", lambda: Stand(stand.trial, stand.bound).opens())
    return 3


def by_code(trial: Trial, bound: float) -> int:
    """Every function that opening calls returns each code once, then always: mended, or the right error; and fine afterwards."""
    stand, tried = Stand(trial, bound), 0
    for function in ("C_DecryptInit", "C_Decrypt", "C_OpenSession", "C_FindObjectsInit", "C_Login"):
        for code, always in CODES.items():
            stand.proxy.does(f"{function} {code:#x} 1")
            name, seconds = outcome(stand.opens)
            if name not in {"fine", *always} or seconds > bound:
                stand.found.append(f"{function} {code:#x} once: {name}, {seconds:.1f} s")
            stand.proxy.does(f"{function} {code:#x}")
            name, seconds = outcome(stand.opens)
            if name not in always or seconds > bound:
                stand.found.append(f"{function} {code:#x}: {name}, {seconds:.1f} s")
            stand.proxy.does()
            os.utime(stand.token.pin_file)
            stand.ends(f"after {function} {code:#x}", "fine")
            tried += 3
    trial.report.found.extend(stand.found)
    return tried


@contextmanager
def silent() -> Iterator[None]:
    """python-pkcs11 ends a search that did not begin, and prints that it cannot."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: None if "OperationContext" in str(unraisable.object) else hook(unraisable)
    try:
        yield
    finally:
        sys.unraisablehook = hook


def by_threads(ask: Callable[[], None]) -> list[tuple[str, float]]:
    """How eight threads end that ask at once."""
    ended: list[tuple[str, float]] = []
    threads = [threading.Thread(target=lambda: ended.append(outcome(ask))) for _ in range(EIGHT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ended


def asks_until(stop: threading.Event, ask: Callable[[], None]) -> None:
    """Asks again and again."""
    while not stop.is_set():
        ask()


def children(ask: Callable[[], None]) -> list[str]:
    """How the same ends in forked children."""
    ended = []
    for _ in range(FORKS):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writer, outcome(ask)[0].encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            ended.append(answer.read())
        os.waitpid(child, 0)
    return ended


def elsewhere(stand: Stand, wanted: str) -> None:
    """Opens the room in a process that has not seen the token before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        [(got, seconds)] = pool.submit(open_often, str(stand.home), 1).result()
    # its deadlines are those of everybody
    if got != wanted or seconds > ORDINARY:
        stand.found.append(f"another process: {got}, not {wanted}, after {seconds:.1f} s")


def open_often(home: str, times: int) -> list[tuple[str, float]]:
    """How opening a room ends, so often, and how long that takes."""
    return [outcome(lambda: open_room(home).close()) for _ in range(times)]


def wait_until_idle(path: str) -> None:
    """Until nobody is inside a module."""
    loaded = module(path)
    pause = threading.Event()
    while not loaded.idle:
        pause.wait(0.02)


EIGHT, FORKS, LOGINS = 8, 5, 25
ORDINARY = 30.0
FAULTS: dict[str, Callable[[Stand], int]] = {
    "wrong or locked PIN": wrong_pin,
    "session limit": session_limit,
    "key deleted by another process": key_deleted,
    "key without its use": key_without_use,
    "two keys with one name": two_of_one_name,
    "tokens gone and back": tokens_vanish,
    "key's file cut": object_truncated,
    "token's file cut": token_truncated,
    "token made anew": made_anew,
    "PIN changed meanwhile": pin_changed,
    "somebody else's C_Finalize": finalized,
    "fork, idle and busy": forked,
    "processes that log in at once": logins_at_once,
    "hangs": hangs,
    "nonces of vendors": vendors_nonces,
}
UNAVAILABLE, SETTING = {"ProviderUnavailable"}, {"Misuse"}
CHANGED, DAMAGED = {"RoomTampered"}, {"RoomTampered", "ProviderUnavailable"}
CODES: dict[int, set[str]] = {
    **dict.fromkeys(
        (0x30, 0x31, 0x32, 0x60, 0x82, 0x90, 0x91, 0xB0, 0xB1, 0xB3, 0xE0, 0xE1, 0x101, 0x190), UNAVAILABLE
    ),
    **dict.fromkeys((0x1B, 0x54, 0x63, 0x68, 0x70, 0x71), SETTING),
    **dict.fromkeys((0x35, 0x40, 0x41), CHANGED),
    **dict.fromkeys((0x5, 0x6, 0x7, 0x80000001), DAMAGED),
}
