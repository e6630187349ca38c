"""What time wants done: what is due, and the doing of it for a scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from strongroom.errors import StrongroomError
from strongroom.keys import Asker, KeyName, Task, due
from strongroom.keyservice import moves
from strongroom.keyservice.desk import Desk
from strongroom.policy import Action, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from strongroom.keyservice.draft import Draft
    from strongroom.keystore import Snapshot
    from strongroom.model import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTask:
    """Something that is due for a key version now or on a date to come, and why.

    `task` is `rotate`, `activate`, `deactivate`, `destroy`, or `retire`: nobody may decrypt under it from then on.
    """

    task: Task
    data_class: str
    key_id: str
    version: int
    when: datetime
    why: str
    overdue: bool


class Scheduling(Desk):
    """The part of the keyservice that looks at the calendar."""

    def due(self, request: Request, within: timedelta) -> tuple[DueTask, ...]:
        """See KeyService.due."""
        with self._turn(), self._case(request, Action.DESCRIBE) as case:
            self._authorise(case, Resource())
            snapshot = self._snapshot()
            now = self._now(snapshot)
            return tuple(task for task in self._tasks(snapshot, now) if task.when <= now + within)

    def do_due(
        self, request: Request, tasks: frozenset[Task]
    ) -> tuple[tuple[DueTask, ...], tuple[tuple[DueTask, Exception], ...]]:
        """See KeyService.do_due."""
        done: list[DueTask] = []
        failed: list[tuple[DueTask, Exception]] = []
        for task in self.due(request, timedelta(0)):
            if task.task not in tasks or task.task not in DOING:
                continue
            try:
                self._do(request, task)
            except StrongroomError as error:
                failed.append((task, error))
            else:
                done.append(task)
        return tuple(done), tuple(failed)

    def _do(self, request: Request, task: DueTask) -> None:
        action = DOING[task.task]
        with self._turn(), self._case(request, action) as case:
            self._authorise(case, Resource(task.data_class, task.key_id, task.version))

            def fill(draft: Draft) -> None:
                record = draft.version(task.key_id, task.version)
                if task.task is Task.DESTROY:
                    moves.erase(draft, record)
                elif draft.key(task.key_id).primary_version == task.version:
                    moves.rotate(draft, draft.key(task.key_id), asker=Asker.ROTATION)

            self._draft(request, fill)
        if task.task is Task.DESTROY:
            self._keks.forget(KeyName(task.key_id, task.version))

    def _tasks(self, snapshot: Snapshot, now: datetime) -> list[DueTask]:
        """Everything with a date, in the order of the dates."""
        wraps = self._keystore.wraps()
        tasks = [task for key_id in snapshot.keys for task in tasks_of(snapshot, key_id, wraps, now)]
        return sorted(tasks, key=lambda task: (task.when, task.key_id, task.version))


def tasks_of(snapshot: Snapshot, key_id: str, wraps: Mapping[tuple[str, int], int], now: datetime) -> list[DueTask]:
    """What is due for the versions of a key. A key that is not current is rotated no more."""
    key = snapshot.key(key_id)
    data_class = snapshot.data_class(key.data_class)
    return [
        DueTask(
            task=found.task,
            data_class=key.data_class,
            key_id=key_id,
            version=record.version,
            when=found.when,
            why=found.why,
            overdue=found.when <= now,
        )
        for record in snapshot.versions_of(key_id)
        for found in due(
            record,
            data_class,
            primary=key.current and record.version == key.primary_version,
            wraps=wraps.get((key_id, record.version), 0),
            now=now,
        )
    ]


# what policy is asked; the other tasks come by themselves, or want a person
DOING = {Task.ROTATE: Action.ROTATE, Task.DESTROY: Action.ERASE}
