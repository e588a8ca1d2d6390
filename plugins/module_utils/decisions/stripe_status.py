# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a status page of Stripe says: its shape, whether it is fresh, and whether it concerns us. Pure, no I/O.

Today's page is one of Atlassian's (https://metastatuspage.com/api). The earlier page of Stripe's own still answers,
with a time of its last change that may be years old; its two shapes are those that Stripe's command-line tool
(``pkg/status``) and other readers know.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

OK, DEGRADED, DOWN, UNKNOWN = "ok", "degraded", "down", "unknown"
MOST_INCIDENTS = 20
MOST_COMPONENTS = 50
CLOCK_SKEW_S = 300
_INDICATORS = {"none": OK, "minor": DEGRADED, "major": DOWN, "critical": DOWN}
_LEGACY = {"up": OK, "degraded": DEGRADED, "down": DOWN}
_LEGACY_COMPONENTS = {"up": "operational", "degraded": "degraded_performance", "down": "major_outage"}
_ENDED = frozenset({"resolved", "postmortem", "completed"})
_OPERATIONAL = "operational"

Json = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """What a document says.

    Attributes:
        status: ``ok``, ``degraded``, ``down`` or ``unknown``.
        cause: why it is unknown, ``stale``, ``unknown_indicator`` or ``unknown_shape``; ``None`` otherwise.
        shape: ``statuspage``, ``legacy`` or ``legacy_full``; ``None`` for none of them.
        indicator: the page's own word.
        affected_relevant: whether something that is not resolved touches a relevant component; ``None`` when the
            document does not say, as one without components and incidents cannot, nor one with an incident that names
            no components, nor one that is not well and names nothing at all.
        incidents: those that are not resolved.
        components: those that are relevant or not operational.
        fresh: whether it is no older than it may be; ``None`` where the page does not have to say.
        message: what is wrong with it or what it does not say, in one line.
    """

    status: str
    cause: str | None = None
    shape: str | None = None
    indicator: str | None = None
    affected_relevant: bool | None = None
    incidents: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    fresh: bool | None = None
    message: str | None = None


def read(document: Any, relevant: Sequence[str], max_age_s: int, now: dt.datetime) -> Reading:
    """Read a document.

    Args:
        document: the JSON of an answer.
        relevant: beginnings of the names of components that matter; see :func:`is_relevant`.
        max_age_s: how old one of the earlier page's may be, in seconds.
        now: the time to compare with.
    """
    if not isinstance(document, Mapping):
        return _shapeless()
    status = document.get("status")
    if isinstance(status, Mapping) and isinstance(status.get("indicator"), str):
        return _statuspage(document, str(status["indicator"]), relevant)
    for shape, key in (("legacy_full", "UptimeStatus"), ("legacy", "largestatus")):
        if isinstance(document.get(key), str):
            said = _legacy(document, str(document[key]), shape, relevant)
            return _of_age(said, document.get("time"), max_age_s, now)
    return _shapeless()


def best(readings: Iterable[Reading]) -> Reading | None:
    """Return the first reading that says something, else the one that says most clearly why not."""
    found = list(readings)
    for wanted in (lambda each: each.status != UNKNOWN, lambda each: each.cause == "stale", lambda each: each.shape):
        chosen = next(filter(wanted, found), None)
        if chosen:
            return chosen
    return found[0] if found else None


def is_relevant(name: str, relevant: Sequence[str]) -> bool:
    """Whether a component's name begins with the words of an entry, letter case ignored.

    "Payments" is also "Payments API", but not "Klarna payments": those do not explain why cards fail.
    """
    return any(re.match(rf"{re.escape(entry.strip())}\b", name.strip(), re.IGNORECASE) for entry in relevant)


def _shapeless() -> Reading:
    return Reading(UNKNOWN, "unknown_shape", message="the document has none of the shapes of a status page of Stripe")


def _statuspage(document: Mapping[str, Any], indicator: str, relevant: Sequence[str]) -> Reading:
    components = _components(_list(document, "components"), relevant)
    incidents = [_incident(each, relevant) for each in _list(document, "incidents") if each.get("status") not in _ENDED]
    works = [each for each in _list(document, "scheduled_maintenances") if each.get("status") == "in_progress"]
    says_more = "components" in document or "incidents" in document
    affected = _any([_touched(components), *(each["relevant"] for each in incidents)]) if says_more else None
    if indicator == "maintenance":
        maintained = _any([_touched(components), *(_incident(each, relevant)["relevant"] for each in works)])
        status, affected = (OK, affected) if maintained is False else (DEGRADED, _any([maintained, affected]))
    else:
        status = _INDICATORS.get(indicator, UNKNOWN)
    if status != OK and not affected and not incidents and all(each["status"] == _OPERATIONAL for each in components):
        affected = None  # whatever it speaks of, it names nothing
    known = status != UNKNOWN
    return Reading(
        status=status,
        cause=None if known else "unknown_indicator",
        shape="statuspage",
        indicator=plain_line(indicator, 40),
        affected_relevant=affected,
        incidents=incidents[:MOST_INCIDENTS],
        components=_notable(components),
        fresh=True,
        message=_unclear(status, affected, incidents) if known else _no_indicator(indicator),
    )


def _any(answers: Iterable[bool | None]) -> bool | None:
    """Whether one of them is true; ``None`` where that hangs on one that is not known."""
    given = set(answers)
    return True if True in given else None if None in given else False


def _no_indicator(indicator: str) -> str:
    return f"the page's indicator is {plain_line(indicator, 40)!r}"


def _unclear(status: str, affected: bool | None, incidents: Iterable[Json]) -> str | None:
    if affected is not None:
        return None
    if any(each["relevant"] is None for each in incidents):
        return "an unresolved incident does not say which components it concerns"
    return None if status == OK else "the page does not say which components are concerned"


def _list(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = document.get(name)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _components(listed: Iterable[Mapping[str, Any]], relevant: Sequence[str]) -> list[Json]:
    named = [(plain_line(str(each.get("name") or ""), 120), each) for each in listed]
    return [
        {
            "name": name,
            "status": plain_line(str(each.get("status") or UNKNOWN), 40),
            "relevant": is_relevant(name, relevant),
        }
        for name, each in named
    ]


def _touched(components: Iterable[Json]) -> bool:
    return any(each["relevant"] and each["status"] != _OPERATIONAL for each in components)


def _notable(components: Iterable[Json]) -> list[Json]:
    kept = [each for each in components if each["relevant"] or each["status"] != _OPERATIONAL]
    return kept[:MOST_COMPONENTS]


def _incident(each: Mapping[str, Any], relevant: Sequence[str]) -> Json:
    """One that names no components may concern any, unless it has no impact by the page's own word.

    Its title alone explains nothing: "Payments" may be those of another method.
    """
    listed = (plain_line(str(part.get("name") or ""), 120) for part in _list(each, "components"))
    names = [name for name in listed if name.strip()]
    unclear = None if each.get("impact") != "none" else False
    return {
        "id": plain_line(str(each.get("id") or ""), 40),
        "name": plain_line(str(each.get("name") or ""), 200),
        "status": plain_line(str(each.get("status") or UNKNOWN), 40),
        "impact": plain_line(str(each.get("impact") or ""), 40),
        "created_at": plain_line(str(each.get("created_at") or ""), 40) or None,
        "updated_at": plain_line(str(each.get("updated_at") or ""), 40) or None,
        "url": plain_line(str(each.get("shortlink") or ""), 200) or None,
        "components": names[:MOST_COMPONENTS],
        "relevant": any(is_relevant(name, relevant) for name in names) if names else unclear,
    }


def _legacy(document: Mapping[str, Any], indicator: str, shape: str, relevant: Sequence[str]) -> Reading:
    components = _components(_legacy_components(document), relevant)
    known = indicator in _LEGACY
    return Reading(
        status=_LEGACY.get(indicator, UNKNOWN),
        cause=None if known else "unknown_indicator",
        shape=shape,
        indicator=plain_line(indicator, 40),
        affected_relevant=_touched(components) if components else None,
        components=_notable(components),
        message=None if known else _no_indicator(indicator),
    )


def _legacy_components(document: Mapping[str, Any]) -> list[Json]:
    """Components as today's page has them: of ``statuses`` by name, or of ``uptimeData`` with a warning or none."""
    statuses = document.get("statuses")
    if isinstance(statuses, Mapping):
        words = ((str(name), str(status)) for name, status in statuses.items())
        return [{"name": name, "status": _LEGACY_COMPONENTS.get(status, status)} for name, status in words]
    return [
        {
            "name": each.get("title") or each.get("key"),
            "status": "degraded_performance" if each.get("warning") else _OPERATIONAL,
        }
        for each in _list(document, "uptimeData")
    ]


def _of_age(said: Reading, time: Any, max_age_s: int, now: dt.datetime) -> Reading:
    """The earlier page may be frozen while it says "up": without a time that is young enough it says nothing."""
    moment = _moment(time)
    if moment is None:
        problem = "the page does not say when it was last written"
    elif not -CLOCK_SKEW_S <= (now - moment).total_seconds() <= max_age_s:
        problem = f"the page was last written at {moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    else:
        return replace(said, fresh=True)
    return replace(said, status=UNKNOWN, cause="stale", affected_relevant=None, fresh=False, message=problem)


def _moment(value: Any) -> dt.datetime | None:
    """Return the instant that a page names: RFC 3339, its own ``February 09, 2024 @ 06:08PM +00:00``, or others."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _safely(lambda: dt.datetime.fromtimestamp(value, dt.UTC))
    if not isinstance(value, str):
        return None
    text = value.strip()[:64]
    moment = (
        _safely(lambda: dt.datetime.fromisoformat(text))
        or _safely(lambda: dt.datetime.strptime(text, "%B %d, %Y @ %I:%M%p %z"))
        or _safely(lambda: parsedate_to_datetime(text))
    )
    return moment.replace(tzinfo=dt.UTC) if moment and moment.tzinfo is None else moment


def _safely(parse: Callable[[], dt.datetime]) -> dt.datetime | None:
    try:
        return parse()
    except (ValueError, TypeError, OverflowError, OSError):
        return None
