# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Take, keep and give back one Lease: the right to act, for one run among those of all machines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, TypeVar

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import lease as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import may_have_happened
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.lease import Json, Verdict
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

T = TypeVar("T")

ATTEMPTS = 5  # others may write it at the same moment


class LeaseHeldError(IncidentsError):
    """Another run holds the Lease; ``details`` carry ``previous``, as :func:`decisions.facts` gives it."""


class LeaseLostError(IncidentsError):
    """The Lease was this run's and is not any more; ``details`` carry ``previous``, the holder of now."""


class Lease:
    """One Lease and one who may hold it.

    Args:
        cluster: where.
        name: of the Lease.
        identity: ``holderIdentity``; different for each run.
        duration_s: seconds for which a renewal is good.
    """

    def __init__(self, cluster: Cluster, name: str, identity: str, duration_s: int) -> None:
        self._cluster = cluster
        self._name = name
        self._identity = identity
        self._duration_s = duration_s
        self._list = cluster.path(decisions.API_VERSION, "leases")
        self._path = cluster.path(decisions.API_VERSION, "leases", name)
        self.text = f"the Lease {name} in namespace {cluster.namespace}"

    def look(self, *, take_over: bool = False) -> Verdict:
        """Return what :meth:`acquire` would do now.

        Raises:
            KubernetesError: the cluster cannot be asked.
        """
        lease, now = self._read()
        return decisions.judge(lease, self._identity, now, take_over=take_over)

    def acquire(self, *, take_over: bool = False) -> Verdict:
        """Become its holder.

        Args:
            take_over: take it from one who still renews it as well.

        Returns:
            What it was: see :class:`Verdict`; never ``locked``.

        Raises:
            LeaseHeldError: another one holds it.
            KubernetesError: the cluster cannot be asked, or does not take it.
        """
        seen: list[Verdict] = []

        def attempt() -> Verdict:
            lease, now = self._read()
            verdict = decisions.judge(lease, self._identity, now, take_over=take_over)
            seen.append(verdict)
            if verdict.step == "locked":
                raise LeaseHeldError(self._held(verdict), previous=verdict.previous)
            self._write(lease, decisions.body(lease, self._name, self._identity, now, self._duration_s))
            return verdict

        verdict = self._repeated(attempt)
        # an answer that did not come may have been a success: then the second look finds it ours, but what it was
        # before is what the first one saw
        return seen[0] if verdict.step == "renew" else verdict

    def renew(self) -> None:
        """Stay its holder.

        Raises:
            LeaseLostError: somebody else has it, or it is gone.
            KubernetesError: the cluster cannot be asked.
        """

        def attempt() -> None:
            lease, now = self._read()
            verdict = decisions.judge(lease, self._identity, now)
            if lease is None or verdict.step != "renew":
                raise LeaseLostError(self._lost(verdict), previous=verdict.previous)
            self._write(lease, decisions.body(lease, self._name, self._identity, now, self._duration_s))

        self._repeated(attempt)

    def release(self) -> bool:
        """Give it back; return whether it was ours to give.

        Raises:
            KubernetesError: the cluster cannot be asked.
        """

        def attempt() -> bool:
            lease, now = self._read()
            if lease is None or decisions.judge(lease, self._identity, now).step != "renew":
                return False
            self._write(lease, decisions.released(lease, now))
            return True

        return self._repeated(attempt)

    def _repeated(self, attempt: Callable[[], T]) -> T:
        for number in range(1, ATTEMPTS + 1):
            try:
                return attempt()
            except KubernetesError as error:
                failure = error.failure
                unclear = may_have_happened(failure.cause, failure.status)
                if number == ATTEMPTS or not (failure.cause == "conflict" or (unclear and number == 1)):
                    raise
        raise AssertionError("the loop returns or raises")

    def _read(self) -> tuple[Json | None, dt.datetime]:
        """Return the Lease and the server's time when it answered."""
        lease: Json | None = None
        try:
            lease = self._cluster.get(self._path)
        except KubernetesError as error:
            if error.failure.cause != "not_found" or error.failure.reason != "NotFound":
                raise
        now = self._cluster.answered_at
        if now is None:
            failure = Failure("bad_answer", "the answer does not say what time it is, so no Lease can be judged")
            raise KubernetesError(f"Reading {self.text} on {self._cluster.server}", failure)
        return lease, now

    def _write(self, lease: Json | None, content: Json) -> Any:
        if lease is None:
            return self._cluster.create(self._list, content)
        return self._cluster.replace(self._path, content)

    def _held(self, verdict: Verdict) -> str:
        previous = verdict.previous or {}
        return (
            f"Taking {self.text}: another run acts ({decisions.held_text(previous)}), "
            f"{decisions.expiry_text(previous)}; wait for it, or take it over with --take-over "
            "(-e runbook_take_over=true) if it hangs"
        )

    def _lost(self, verdict: Verdict) -> str:
        holder = f"{decisions.held_text(verdict.previous)} holds it now" if verdict.previous else "nobody holds it now"
        return f"Keeping {self.text}: it is not this run's any more, {holder}; look at what the other run has done"
