# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the collection ``brandconnect.incidents`` is: beside this package when installed, else in the checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from incident_runbooks.errors import RunbookError

FQCN = "brandconnect.incidents"
_IN_COLLECTIONS = Path("ansible_collections", "brandconnect", "incidents")


@cache
def collections_path() -> Path:
    """Return the directory that holds ``ansible_collections``, as ANSIBLE_COLLECTIONS_PATH wants it.

    Raises:
        RunbookError: the collection is neither installed nor in a checkout.
    """
    package = Path(__file__).resolve().parent
    checkout = package.parent.parent
    for candidate in (package.parent, checkout / ".collections"):
        if (candidate / _IN_COLLECTIONS / "roles").is_dir():
            return candidate
    raise RunbookError(
        f"Looking for the collection {FQCN} beside {package}: it is not there",
        hint="install incident-runbooks again; in a checkout, restore the link .collections",
    )


def collection_root() -> Path:
    """Return the directory of the collection itself."""
    return collections_path() / _IN_COLLECTIONS


def roles_path() -> Path:
    """Return the directory of the collection's roles."""
    return collection_root() / "roles"


def playbook(role: str) -> str:
    """Return the name under which ``ansible-playbook`` finds an incident type's playbook, from any directory."""
    return f"{FQCN}.{role}"
