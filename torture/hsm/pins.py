"""A wrong PIN reaches the token once, whoever asks, however often."""

from __future__ import annotations

from strongroom.crypto import Secret
from strongroom.errors import TokenFault
from strongroom.home import open_room
from strongroom.providers.pkcs11 import patience
from strongroom.providers.pkcs11.module import module

from torture.hsm.faults import Stand, by_threads, children
from torture.hsm.trial import Trial, outcome
from torture.tokens import PIN, Token, pin_file, run, unique


def count_logins(trial: Trial) -> None:
    """By counting C_Login, and by what opencryptoki remembers of wrong PINs."""
    stand = Stand(trial, 60)
    tries_of(stand, trial)
    reconnect(Stand(trial, 60), trial)
    other = trial.opencryptoki()
    if other is not None:
        flags_of(trial, other)
    control(stand, trial)


def tries_of(stand: Stand, trial: Trial) -> None:
    """Threads, retries and children of one process, with one wrong PIN."""
    pin_file(stand.token.pin_file, "9999")
    before = stand.proxy.calls("C_Login")
    ended = [name for name, _ in by_threads(stand.opens)]
    ended += [outcome(stand.opens)[0] for _ in range(5)]
    ended += children(stand.opens)
    judge(trial, "threads, retries and children", ended, stand.proxy.calls("C_Login") - before)


def reconnect(stand: Stand, trial: Trial) -> None:
    """A session that has to log in again, after the PIN behind it became wrong."""
    with stand.at_work() as ask:
        pin_file(stand.token.pin_file, "9999")
        before, ended = stand.proxy.calls("C_Login"), []
        for _ in range(3):
            stand.proxy.does("C_DecryptInit 0x190 1")
            ended.append(outcome(ask)[0])
            ended += [name for name, _ in by_threads(ask)]
        judge(trial, "reconnecting", ended, stand.proxy.calls("C_Login") - before)
    stand.proxy.does()


def judge(trial: Trial, what: str, ended: list[str], logins: int) -> None:
    """Every try ended with the error for it, and one reached the token."""
    trial.report.count(f"tries with a wrong PIN, {what}", len(ended))
    if set(ended) != {"BadPassphrase"} or logins != 1:
        trial.report.found.append(f"{what}: {logins} logins, and the tries ended with {sorted(set(ended))}")


def flags_of(trial: Trial, token: Token) -> None:
    """Opencryptoki says of itself that there was a wrong PIN, and not that one more would lock it."""
    home = trial.new_room(token.uri(unique("root")))
    pin_file(token.pin_file, "9999")
    ended = [outcome(lambda: open_room(home).close())[0] for _ in range(5)]
    said = flags(token)
    pin_file(token.pin_file, PIN)
    run(
        "pkcs11-tool", "--module", token.module, "--token-label", token.label, "--login", "--pin", PIN, "--list-objects"
    )
    trial.report.count("tries with a wrong PIN, opencryptoki", len(ended))
    if set(ended) != {"BadPassphrase"} or said != {"USER_PIN_COUNT_LOW"}:
        trial.report.found.append(f"opencryptoki: flags {sorted(said)}, and the tries ended with {sorted(set(ended))}")
    trial.report.controls["no flag once the PIN was right"] = not flags(token)


def flags(token: Token) -> set[str]:
    """What a token says of wrong PINs."""
    [found] = [one for one in module(token.module).tokens() if one.label.strip() == token.label]
    return {flag.name for flag in type(found.flags) if flag in found.flags and flag.name.startswith("USER_PIN_")} - {
        "USER_PIN_INITIALIZED"
    }


def control(stand: Stand, trial: Trial) -> None:
    """A careless login, twice, has to be counted twice."""
    loaded = module(stand.module)
    [slot] = [token.slot.slot_id for token in loaded.tokens() if token.label.strip() == stand.token.label]
    before = stand.proxy.calls("C_Login")
    for _ in range(2):
        session, wrong = loaded.door.open_session(slot, deadline=patience.CALL), Secret.from_caller(b"9999")
        try:
            session.login(wrong, deadline=patience.CALL)
        except TokenFault:
            session.close(deadline=patience.CALL)
    trial.report.controls["a PIN that is tried twice"] = stand.proxy.calls("C_Login") - before == 2
