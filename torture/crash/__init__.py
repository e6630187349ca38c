"""SIGKILL at random instants: nothing under its name is ever half, and whoever goes on gets there.

Trees are encrypted and decrypted with `--resume` over what earlier runs left, while sources change between runs, and
re-encrypted after rotations; rooms are made; keys and roots are rotated; backups are made and restored; the plain trails of
older rooms become logs, which is also killed at every system call between the two.
"""

from __future__ import annotations

import argparse
import random
import secrets
from contextlib import nullcontext
from pathlib import Path

from torture.crash.aiming import aim
from torture.crash.carrying import Carry, control_carry
from torture.crash.controls import (
    control_backup,
    control_init,
    control_moved,
    control_restore,
    control_root,
    control_rotate,
    control_tree,
)
from torture.crash.killing import bombard
from torture.crash.moving import ReencryptTree
from torture.crash.recovery import Back, Restore, RotateRoot
from torture.crash.rooms import Init, Rotate
from torture.crash.sources import Source
from torture.crash.trees import DecryptTree, EncryptTree
from torture.place import Place, new_place
from torture.postgres import new_server
from torture.report import Report

PROMISE = "outputs are whole or absent, a run that goes on completes, and nothing acknowledged is lost"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: the defaults take half a minute, 300 kills of each job some minutes."""
    parser.add_argument("--kills", type=int, default=8, metavar="N", help="of each job (default: %(default)s)")
    parser.add_argument("--every-call", action="store_true", help="carry: also at each system call of all the command")
    parser.add_argument("--files", type=int, default=2000, metavar="N", help="in a tree (default: %(default)s)")
    parser.add_argument("--jobs", nargs="+", choices=sorted(JOBS), default=sorted(JOBS), help="default: all")
    parser.add_argument(
        "--database",
        choices=["sqlite", "postgres"],
        default="sqlite",
        help="of the keystores; init and rotate are for sqlite, `keystore` does rotations on both (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=None, help="of every random choice (default: a new one)")
    parser.add_argument("--dir", type=Path, default=None, help="where to work (default: where temporary files go)")


def run(options: argparse.Namespace) -> Report:
    """Kill each job as often as asked for."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    report = Report("crash", PROMISE, notes=[f"--seed {seed}, trees of {options.files:,} files, {options.database}"])
    with new_server() if options.database == "postgres" else nullcontext() as server:
        for name in options.jobs:
            with new_place(options.dir, server=server) as place:
                JOBS[name](place, random.Random(f"{seed} {name}"), options, report)
    return report


def kill_encrypt(place: Place, dice: random.Random, options: argparse.Namespace, report: Report) -> None:
    """Trees being encrypted."""
    job = EncryptTree(place, source(place, dice, options))
    kill_tree(job, dice, options, report)


def kill_decrypt(place: Place, dice: random.Random, options: argparse.Namespace, report: Report) -> None:
    """Trees being decrypted."""
    job = DecryptTree(place, source(place, dice, options))
    kill_tree(job, dice, options, report)


def kill_reencrypt(place: Place, dice: random.Random, options: argparse.Namespace, report: Report) -> None:
    """Trees being moved to another key version."""
    job = ReencryptTree(place, source(place, dice, options))
    kill_tree(job, dice, options, report)
    control_moved(job, report)


def kill_tree(job: EncryptTree | DecryptTree, dice: random.Random, options: argparse.Namespace, report: Report) -> None:
    """Trees, either way."""
    bombard(job, options.kills, dice, report)
    report.notes.append(f"{job.name}: {job.midway} of the kills fell between the first output and the last")
    control_tree(job, dice, report)


def kill_init(place: Place, dice: random.Random, options: argparse.Namespace, report: Report) -> None:
    """Rooms being made."""
    job = Init(place)
    bombard(job, options.kills, dice, report)
    report.notes.append(f"{job.name}: {job.midway} of the kills fell while the room was being built")
    control_init(job, report)


def kill_rotate(place: Place, dice: random.Random, options: argparse.Namespace, report: Report) -> None:
    """Keys being rotated."""
    job = Rotate(place)
    bombard(job, options.kills, dice, report)
    report.notes.append(f"{job.name}: {job.midway} of the kills fell between the commit and the audit entry")
    control_rotate(job, report)


def kill_root(place: Place, dice: random.Random, options: argparse.Namespace, report: Report) -> None:
    """Roots being rotated."""
    job = RotateRoot(place)
    bombard(job, options.kills, dice, report)
    report.notes.append(f"{job.name}: {job.midway} of the kills left two roots in root.json")
    control_root(job, report)


def kill_backup(place: Place, dice: random.Random, options: argparse.Namespace, report: Report) -> None:
    """Backups being written."""
    job = Back(place)
    bombard(job, options.kills, dice, report)
    report.notes.append(f"{job.name}: {job.midway} of the kills fell after the file had its name")
    control_backup(job, report)


def kill_restore(place: Place, dice: random.Random, options: argparse.Namespace, report: Report) -> None:
    """Rooms being restored."""
    job = Restore(place)
    bombard(job, options.kills, dice, report)
    report.notes.append(f"{job.name}: {job.midway} of the kills fell while the room was being built")
    control_restore(job, report)


def kill_carry(place: Place, dice: random.Random, options: argparse.Namespace, report: Report) -> None:
    """Plain trails being carried into logs."""
    job = Carry(place)
    bombard(job, options.kills, dice, report)
    report.notes.append(f"{job.name}: {job.midway} of the kills fell between the entries and the first checkpoint")
    aim(job, report, everywhere=options.every_call)
    control_carry(job, report)


def source(place: Place, dice: random.Random, options: argparse.Namespace) -> Source:
    """The tree that is to be encrypted."""
    marker = b"plaintext of a torture " + secrets.token_hex(16).encode()
    return Source(place.folder / "source", marker, dice, options.files)


JOBS = {
    "encrypt": kill_encrypt,
    "decrypt": kill_decrypt,
    "reencrypt": kill_reencrypt,
    "init": kill_init,
    "rotate": kill_rotate,
    "root": kill_root,
    "backup": kill_backup,
    "restore": kill_restore,
    "carry": kill_carry,
}
