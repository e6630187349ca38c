"""Makes the pictures of docs/guides/audit.md: a room with a quarter of history, its report, and what a browser shows of it.

    python docs/build_report.py [FOLDER]

Wants Debian's `faketime`, `chromium` and `poppler-utils`. The room and its report are left in FOLDER, /tmp/strongroom by default.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from torture.witness import Witness, serving

PICTURES = Path(__file__).parent / "guides"
CHROMIUM = (
    *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)
# what happens on a day of the quarter; the day of the week and of the month make it differ
DAY = """
import datetime, pathlib, sys
import strongroom
from strongroom import errors, recovery

number, data = int(sys.argv[1]), pathlib.Path("data")
today = datetime.date.today()
data.mkdir(exist_ok=True)
pathlib.Path("plain").write_bytes(b"x" * 40_000 * (1 + number % 5))


def use(room, principal, purpose, reason, data_class, times):
    acting = room.acting_as(principal=principal, purpose=purpose)
    for at in range(times):
        name = data / f"{purpose}-{number}-{at}.sr".replace(" ", "-")
        acting.encrypt_file("plain", name, data_class=data_class, context={"day": str(number), "at": str(at)}, reason=reason)


with strongroom.open(key_file="key") as room:
    if number == 0:
        room.classes.create("pii", rotate_every=60 * 86_400, originator_usage=90 * 86_400)
        room.classes.create("payments", rotate_every=30 * 86_400, originator_usage=60 * 86_400, recipient_usage=730 * 86_400)
        room.classes.set("default", rotate_every=365 * 86_400, originator_usage=730 * 86_400)
        for key in room.keys.list():
            room.keys.set(key.id, owner={"pii": "Customer data", "payments": "Payments"}.get(key.data_class, "Platform"))
    weekday = today.weekday() < 5
    use(room, "etl", "nightly export", "nightly export to the warehouse", "pii", 5 + number % 4 if weekday else 2)
    use(room, "billing", "invoices", "month-end run" if today.day > 27 else "daily run", "payments", 3 if weekday else 1)
    use(room, "backup", "encrypt", "home directories", "default", 2)
    if weekday:
        support = room.acting_as(principal="support", purpose="decrypt")
        support.decrypt_file(next(data.glob("nightly-export-*")), "back", reason=f"ticket {4100 + number // 7}", force=True)
    if number % 9 == 4:
        try:
            room.acting_as(principal="intern", purpose="export").encrypt(b"x", data_class="payroll", reason="trying")
        except errors.KeyNotFound:
            pass
    if number in (30, 58):
        payments = next(key for key in room.keys.list() if key.data_class == "payments")
        room.keys.rotate(payments.id, reason="the month's rotation")
    if number == 60:
        pii = next(key for key in room.keys.list() if key.data_class == "pii")
        room.keys.rotate(pii.id, reason="the quarter's rotation")
    if number in (61, 85):
        room.census([data], reason="weekly census")
        recovery.create_backup(room, f"backup-{number}", reason="before the audit")
if number in (61, 85):
    recovery.verify_backup(f"backup-{number}", None, strongroom.home.Unlock(key_file="key"), reason="before the audit")
"""
DAYS, FIRST = 89, "2026-07-01"


def main() -> None:
    """Make the pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "/tmp/strongroom").absolute()  # noqa: S108 - nothing of worth is in it
    folder.mkdir()
    environment = os.environ | {"STRONGROOM_HOME": str(folder / "room"), "STRONGROOM_STATE": str(folder / "state")}

    def run(*command: object) -> None:
        subprocess.run([*map(str, command)], cwd=folder, env=environment, check=True, stderr=subprocess.DEVNULL)

    run("faketime", "-f", moment(0), "strongroom", "init", "--make-key-file", "key", "--recovery-file", "kit")
    for number in range(DAYS):
        run("faketime", "-f", moment(number), sys.executable, "-W", "ignore", "-c", DAY, number)
    period = ("--from", FIRST, "--to", "2026-09-30", "--key-file", "key", "--data", "data")
    with serving(Witness(logs=[(folder / "room/audit/vkey").read_text().strip()])) as witness:
        # cosigned at the time of the room
        witness.clock = lambda: datetime.fromisoformat(FIRST).timestamp() + DAYS * 86_400
        unlocking = ("--key-file", "key")
        add = ("strongroom", "audit", "witness", "add", witness.vkey, witness.url, *unlocking)
        run("faketime", "-f", moment(DAYS), *add)
        run("faketime", "-f", moment(DAYS), "strongroom", "audit", "witness", "push", *unlocking)
    run("faketime", "-f", moment(DAYS), "strongroom", "report", *period, "-o", "report.html")
    page, profile = (folder / "report.html").as_uri(), f"--user-data-dir={folder / 'profile'}"
    run(*CHROMIUM, profile, "--window-size=1000,1010", f"--screenshot={PICTURES / 'report.png'}", page)
    run(*CHROMIUM, profile, "--no-pdf-header-footer", "--print-to-pdf=report.pdf", page)
    run("pdftoppm", "-png", "-singlefile", "-r", "72", "-f", "3", "report.pdf", PICTURES / "report-use")


def moment(day: int) -> str:
    """A day of the quarter, as faketime takes it."""
    return f"@{datetime.fromisoformat(FIRST) + timedelta(days=day, hours=2)}"


if __name__ == "__main__":
    main()
