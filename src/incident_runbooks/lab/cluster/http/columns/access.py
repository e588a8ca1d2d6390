# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of accounts and bindings; roles have the default ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incident_runbooks.lab.cluster.http.columns.column import AGE, NAME, Column, wide
from incident_runbooks.lab.cluster.resources import CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS, SERVICE_ACCOUNTS, Resource

Json = dict[str, Any]


def _role(binding: Json) -> str:
    return f"{binding['roleRef']['kind']}/{binding['roleRef']['name']}"


def _subjects(kind: str) -> Any:
    def cell(binding: Json) -> str:
        found = [each for each in binding.get("subjects") or () if each.get("kind") == kind]
        return ", ".join("/".join(filter(None, (each.get("namespace"), each["name"]))) for each in found)

    return cell


_BINDING = (
    NAME,
    Column("Role", _role),
    AGE,
    wide("Users", _subjects("User")),
    wide("Groups", _subjects("Group")),
    wide("ServiceAccounts", _subjects("ServiceAccount")),
)

COLUMNS: Mapping[Resource, tuple[Column, ...]] = {
    SERVICE_ACCOUNTS: (NAME, Column("Secrets", lambda obj: len(obj.get("secrets") or ()), "integer"), AGE),
    ROLE_BINDINGS: _BINDING,
    CLUSTER_ROLE_BINDINGS: _BINDING,
}
