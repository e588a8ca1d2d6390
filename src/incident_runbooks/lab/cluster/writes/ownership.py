# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has set which field: ``metadata.managedFields``.

Every writer has one entry per operation and subresource; an update takes the fields that it changes from all others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from incident_runbooks.lab.cluster.store import now
from incident_runbooks.lab.cluster.writes import fields
from incident_runbooks.lab.cluster.writes.fields import Paths

Json = dict[str, Any]

APPLY = "Apply"
UPDATE = "Update"


@dataclass(frozen=True)
class Manager:
    """A writer of fields.

    Attributes:
        name: such as ``kubectl-set``.
        operation: ``Apply`` or ``Update``.
        api_version: of the type that it writes.
        subresource: through which it writes; empty for the object itself.
    """

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        """As conflicts name it."""
        said = f'"{self.name}"'
        if self.subresource:
            said += f' with subresource "{self.subresource}"'
        return f"{said} using {self.api_version}" if self.operation == UPDATE else said

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes two entries one; an applier stays the same whatever version it writes."""
        version = "" if self.operation == APPLY else self.api_version
        return self.name, self.operation, version, self.subresource


@dataclass(frozen=True)
class Entry:
    """The fields of a writer, and when it wrote last (RFC 3339)."""

    manager: Manager
    paths: Paths
    time: str

    def to_plain(self) -> Json:
        """Return it as an object holds it."""
        plain = {
            "manager": self.manager.name,
            "operation": self.manager.operation,
            "apiVersion": self.manager.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields.to_plain(self.paths),
        }
        return plain | ({"subresource": self.manager.subresource} if self.manager.subresource else {})


def entries(obj: Json | None) -> list[Entry]:
    """Return the writers of an object; entries that name nobody count as none."""
    listed = ((obj or {}).get("metadata") or {}).get("managedFields") or ()
    return [
        Entry(
            Manager(each["manager"], each["operation"], each.get("apiVersion", ""), each.get("subresource", "")),
            fields.from_plain(each.get("fieldsV1") or {}),
            each.get("time", now()),
        )
        for each in listed
        if each.get("manager") and each.get("operation")
    ]


def find(known: Iterable[Entry], manager: Manager) -> Entry | None:
    """Return a writer's entry."""
    return next((each for each in known if each.manager.key == manager.key), None)


def put(obj: Json, known: Iterable[Entry]) -> None:
    """Write the writers into an object, without those that own nothing."""
    listed = [each.to_plain() for each in known if each.paths]
    if listed:
        obj["metadata"]["managedFields"] = listed
    else:
        obj["metadata"].pop("managedFields", None)


def track(before: Json | None, after: Json, manager: Manager, schema: Json | None, *, has_status: bool) -> None:
    """Note in *after* which fields an update has set.

    Args:
        before: the object as stored; ``None`` when it is created.
        after: the object as it will be stored; altered.
        manager: who writes.
        schema: of the type.
        has_status: whether the type has a subresource ``status``.
    """
    known = _base(before, after)
    view = {"subresource": manager.subresource, "has_status": has_status}
    old = fields.flatten(before, schema, **view) if before else {}  # type: ignore[arg-type]
    new = fields.flatten(after, schema, **view)  # type: ignore[arg-type]
    changed, gone = fields.compare(old, new)
    if not changed and not gone:
        put(after, known)
        return
    mine = find(known, manager)
    owned = ((mine.paths if mine else frozenset()) | changed) - gone
    others = [
        Entry(each.manager, each.paths - changed - gone, each.time) for each in known if each.manager.key != manager.key
    ]
    put(after, [*others, Entry(manager, owned, now())])


def _base(before: Json | None, after: Json) -> list[Entry]:
    """Return the writers to begin with: a writer may hand in the list itself, ``[{}]`` clears it."""
    given = (after.get("metadata") or {}).get("managedFields")
    if before is None:
        return []
    return entries(after) if given else entries(before)
