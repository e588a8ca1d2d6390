# SPDX-License-Identifier: GPL-3.0-or-later
"""One request on its way through the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from incident_runbooks.lab.cluster.audit import STARTED, AuditLog, Record
from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.http import bodies
from incident_runbooks.lab.cluster.http.requests import RequestInfo
from incident_runbooks.lab.cluster.http.responses import Accepted
from incident_runbooks.lab.cluster.identities import Identities, User
from incident_runbooks.lab.cluster.resources import Resource
from incident_runbooks.lab.cluster.writes import options
from incident_runbooks.lab.cluster.writes.options import WriteOptions
from incident_runbooks.lab.cluster.writes.pipeline import Writer


@dataclass
class Call:
    """One request, authenticated and allowed.

    Attributes:
        cluster: what it is about.
        identities: issues tokens.
        request: as it came in.
        info: what it means.
        user: who sends it.
        accepted: in which form the answer is wanted.
        audit: where it is recorded.
        record: see *audit*.
        warnings: what the client should be told beside the answer.
    """

    cluster: Cluster
    identities: Identities
    request: web.Request
    info: RequestInfo
    user: User
    accepted: Accepted
    audit: AuditLog
    record: Record
    warnings: list[str] = field(default_factory=list)

    @property
    def namespace(self) -> str | None:
        """The namespace that is named, ``None`` for all or where there is none."""
        return self.info.namespace or None

    @property
    def options(self) -> WriteOptions:
        """What a writer asks for beside the object.

        Raises:
            ApiError: 422, a parameter has a value that does not exist.
        """
        return options.read(self.info, self.request.headers.get("User-Agent", ""), bodies.content_type(self.request))

    def writer(self, resource: Resource, subresource: str = "") -> Writer:
        """Return what writes objects of a type for this request."""
        return Writer(self.cluster.store, resource, self.options, self.warnings, subresource)

    async def start(self, response: web.StreamResponse) -> None:
        """Begin an answer that takes its time."""
        self.started(response.status)
        await response.prepare(self.request)

    def started(self, status: int) -> None:
        """Record that an answer has begun that takes its time."""
        self.record.status = status
        self.audit.write(self.record, STARTED, status)
