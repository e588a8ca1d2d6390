# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The result that all modules return that change something. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_NO_ANSWER = frozenset({"timeout", "connection_lost"})
_NOT_OF_THE_SERVER = frozenset({502, 504})  # of a proxy that gave up waiting


@dataclass
class Report:
    """What was seen, planned and done so far.

    Attributes:
        status: ``failed`` until :meth:`end` says ``planned``, ``done``, ``partial``, ``nothing_to_do``, ``refused`` or
            ``unknown``.
        reason: why, in one sentence.
        refusal: a stable word for ``refused`` and ``nothing_to_do``.
        changed: whether something was changed, or would be in check mode.
    """

    started_at: dt.datetime
    status: str = "failed"
    reason: str = ""
    refusal: str | None = None
    changed: bool = False
    targets: list[Json] = field(default_factory=list)
    before: Json = field(default_factory=dict)
    after: Json = field(default_factory=dict)
    results: list[Json] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)

    def end(self, status: str, reason: str, refusal: str | None = None) -> None:
        """Note how it ended."""
        self.status, self.reason, self.refusal = status, reason, refusal

    def plain(self) -> Json:
        """The result."""
        return {
            "changed": self.changed,
            "status": self.status,
            "reason": self.reason,
            "refusal": self.refusal,
            "started_at": self.started_at,
            "targets": self.targets,
            "before": self.before,
            "after": self.after,
            "results": self.results,
            "caveats": self.caveats,
        }


def may_have_happened(cause: str, status: int | None) -> bool:
    """Whether a request that failed may have changed something all the same, because no answer came."""
    return cause in _NO_ANSWER or status in _NOT_OF_THE_SERVER


def same_targets(given: Iterable[Mapping[str, Any]] | None, now: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the approved targets, where there are any, are those of now; order counts not."""
    if given is None:
        return True
    return sorted(map(_canonical, given)) == sorted(map(_canonical, now))


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)
