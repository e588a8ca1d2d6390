# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Say what changed between the plan that was approved and the plan that is made now. Pure functions on plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.canonical import canonical
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import digest

Json = dict[str, Any]

# What makes two targets the same object; the other keys are its state and what would become of it
_IDENTITY = ("kind", "namespace", "name", "id", "uid", "pid", "backend_start", "database", "table", "partition")
_LISTED = 20
_SHOWN = 3
_VALUE = 120
_TEXT = 1200
_UNKNOWN = "what changed is not known, because no earlier run of this incident recorded that plan"
_INCOMPLETE = "the record of the approved plan was cut or redacted, so this may not be all"


def difference(approved: Json | None, now: Json, approved_digest: str) -> Json:
    """Return what differs.

    Args:
        approved: the plan that was approved, as it was recorded; ``None`` where it is not known.
        now: the plan that is made now.
        approved_digest: as it was given.

    Returns:
        ``known`` and ``complete`` (whether this is all that differs), ``approved_digest`` and ``digest``;
        ``added`` and ``removed`` (remediations that are recommended now, or are no longer, each with ``id`` and
        ``reason``); ``changed``, one entry a remediation whose risk or targets differ, with ``id``, ``risk``
        (``before``, ``after``) and ``targets``: ``added``, ``removed`` and ``changed`` (each with ``before`` and
        ``after``), the first ones of each, and how many there are in ``counts``.
    """
    head = {"known": approved is not None, "approved_digest": approved_digest, "digest": now["digest"]}
    if approved is None:
        return {**head, "complete": False, "added": [], "removed": [], "changed": []}
    before, after = _recommended(approved), _recommended(now)
    reasons = {entry["id"]: entry["reason"] for entry in now["remediations"]}
    changed = [_changed(before[name], after[name]) for name in after if name in before]
    return {
        **head,
        "complete": _is_whole(approved),
        "added": [{"id": name, "reason": after[name]["reason"]} for name in after if name not in before],
        "removed": [
            {"id": name, "reason": reasons.get(name, "the runbook does not declare it any more")}
            for name in before
            if name not in after
        ],
        "changed": [item for item in changed if item],
    }


def in_words(differs: Json) -> str:
    """Return the difference as one bounded text."""
    if not differs["known"]:
        return _UNKNOWN
    parts = [f"{item['id']} is recommended now ({_cut(item['reason'])})" for item in differs["added"]]
    parts += [f"{item['id']} is not recommended any more ({_cut(item['reason'])})" for item in differs["removed"]]
    for item in differs["changed"]:
        parts.append(f"{item['id']}: {', '.join([*_risk_in_words(item['risk']), *_targets_in_words(item)])}")
    if not differs["complete"]:
        parts.append(_INCOMPLETE)
    text = "; ".join(parts) or "nothing that was recorded differs"
    return text if len(text) <= _TEXT else f"{text[:_TEXT]} [cut]"


def _recommended(plan: Json) -> dict[str, Json]:
    entries = [entry for entry in plan["remediations"] if isinstance(entry, Mapping)]
    return {str(entry["id"]): dict(entry) for entry in entries if entry.get("status") == "recommended"}


def _is_whole(recorded: Json) -> bool:
    """Whether the record still holds what the digest was made of: a large one is cut, a secret is redacted."""
    try:
        return digest(recorded["remediations"]) == str(recorded["digest"])
    except (KeyError, TypeError):
        return False


def _changed(before: Json, after: Json) -> Json | None:
    removed = _without(before["targets"], after["targets"])
    added = _without(after["targets"], before["targets"])
    changed = _pairs(removed, added)
    risks = [before["risk"], after["risk"]]
    if not (removed or added or changed or risks[0] != risks[1]):
        return None
    return {
        "id": after["id"],
        "risk": None if risks[0] == risks[1] else dict(zip(("before", "after"), risks, strict=True)),
        "targets": {
            "added": added[:_LISTED],
            "removed": removed[:_LISTED],
            "changed": [{"before": old, "after": new} for old, new in changed[:_LISTED]],
        },
        "counts": {"added": len(added), "removed": len(removed), "changed": len(changed)},
    }


def _without(targets: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    left = Counter(map(canonical, others))
    kept = []
    for target in targets:
        key = canonical(target)
        left[key] -= 1
        if left[key] < 0:
            kept.append(target)
    return kept


def _pairs(removed: list[Any], added: list[Any]) -> list[tuple[Any, Any]]:
    """Take out of both lists what is the same object in another state, and return it."""
    news: dict[str, list[Any]] = {}
    for target in added:
        if _identity(target):
            news.setdefault(canonical(_identity(target)), []).append(target)
    pairs = []
    for target in removed[:]:
        same = news.get(canonical(_identity(target)))
        if same:
            pairs.append((target, same.pop(0)))
    removed[:] = _without(removed, [old for old, _ in pairs])
    added[:] = _without(added, [new for _, new in pairs])
    return pairs


def _identity(target: Any) -> Json:
    return {key: target[key] for key in _IDENTITY if key in target} if isinstance(target, Mapping) else {}


def _risk_in_words(risk: Json | None) -> list[str]:
    return [f"its risk was {risk['before']} and is {risk['after']}"] if risk else []


def _targets_in_words(item: Json) -> list[str]:
    ways: list[tuple[str, Callable[[Any], str], str]] = [
        ("removed", _name, "gone"),
        ("added", _name, "new"),
        ("changed", _change, "changed"),
    ]
    parts = []
    for key, shown, word in ways:
        count = item["counts"][key]
        if count:
            names = [shown(target) for target in item["targets"][key][:_SHOWN]]
            rest = [f"and {count - _SHOWN} more"] if count > _SHOWN else []
            parts.append(f"{count} {'target' if count == 1 else 'targets'} {word} ({'; '.join([*names, *rest])})")
    return parts


def _name(target: Any) -> str:
    named = _identity(target) or target
    if isinstance(named, Mapping):
        return _cut(" ".join(f"{key}={value}" for key, value in named.items() if value is not None))
    return _cut(str(named))


def _change(pair: Json) -> str:
    before, after = pair["before"], pair["after"]
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return f"{_name(after)}: " + ", ".join(f"{key} {_value(before, key)} -> {_value(after, key)}" for key in keys)


def _value(target: Json, key: str) -> str:
    return _cut(canonical(target[key])) if key in target else "none"


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}..."
