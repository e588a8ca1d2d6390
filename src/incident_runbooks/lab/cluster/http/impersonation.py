# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests in somebody else's name: ``kubectl --as``, ``--as-group``."""

from __future__ import annotations

from aiohttp import web

from incident_runbooks.lab.cluster import access, identities
from incident_runbooks.lab.cluster.access import Attributes
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.identities import User
from incident_runbooks.lab.cluster.store import Store

_USER, _GROUP = "Impersonate-User", "Impersonate-Group"
_ACCOUNT = "system:serviceaccount:"


def resolve(store: Store, user: User, request: web.Request) -> User | None:
    """Return in whose name *user* sends a request, ``None`` for his own.

    Raises:
        ApiError: 403, he may not; 400, groups without a user.
    """
    name = request.headers.get(_USER, "")
    groups = tuple(request.headers.getall(_GROUP, ()))
    if not name:
        if groups:
            raise ApiError(400, "BadRequest", "requested impersonation without impersonating a user")
        return None
    access.require(store, user, _attributes(name))
    for group in groups:
        access.require(store, user, Attributes("impersonate", resource="groups", name=group))
    parts = name.removeprefix(_ACCOUNT).split(":")
    if name.startswith(_ACCOUNT) and len(parts) == 2 and not groups:  # noqa: PLR2004 - namespace and name
        return identities.service_account(*parts)
    return User(name, (*dict.fromkeys([*groups, identities.AUTHENTICATED]),))


def _attributes(name: str) -> Attributes:
    parts = name.removeprefix(_ACCOUNT).split(":")
    if name.startswith(_ACCOUNT) and len(parts) == 2:  # noqa: PLR2004 - namespace and name
        return Attributes("impersonate", resource="serviceaccounts", namespace=parts[0], name=parts[1])
    return Attributes("impersonate", resource="users", name=name)
