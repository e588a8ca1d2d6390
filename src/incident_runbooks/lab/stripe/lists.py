# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists: pages, newest first. See docs.stripe.com/api/pagination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from incident_runbooks.lab.stripe.errors import error, missing
from incident_runbooks.lab.stripe.params import Params
from incident_runbooks.lab.stripe.world import Endpoint, Event, Intent

_DEFAULT, _MOST = 10, 100

Json = dict[str, Any]
Listed = Intent | Event | Endpoint


def page(
    ordered: Sequence[Listed], params: Params, *, kind: str, url: str, matches: Callable[[Any], bool]
) -> tuple[list[Any], Json]:
    """Return what is on the page that a request asks for, and the list's envelope, whose ``data`` is empty.

    Args:
        ordered: everything there is, newest first.
        params: ``limit``, ``starting_after``, ``ending_before``.
        kind: what errors call such an object.
        url: of the list.
        matches: the filters; a cursor need not match.

    Raises:
        RefusedError: a parameter is wrong, or a cursor is no object.
    """
    limit = params.integer("limit", least=1, most=_MOST) or _DEFAULT
    after, before = params.text("starting_after"), params.text("ending_before")
    if after and before:
        text = "You cannot parameterize both starting_after and ending_before."
        raise error(400, text, param="ending_before")
    rest = list(ordered)
    if after:
        rest = rest[_position(rest, after, kind, "starting_after") + 1 :]
    if before:
        rest = rest[: _position(rest, before, kind, "ending_before")]
    found = [each for each in rest if matches(each)]
    shown = found[-limit:] if before else found[:limit]
    return shown, {"object": "list", "data": [], "has_more": len(found) > len(shown), "url": url}


def within(at: int, bounds: Json) -> bool:
    """Return whether a time is within bounds, see :meth:`Params.created`."""
    return bool(
        at > bounds.get("gt", -1)
        and at >= bounds.get("gte", 0)
        and at < bounds.get("lt", 2**60)
        and at <= bounds.get("lte", 2**60)
    )


def _position(ordered: Sequence[Listed], id_: str, kind: str, param: str) -> int:
    for position, each in enumerate(ordered):
        if each.id == id_:
            return position
    raise missing(kind, id_, param, status=400)
