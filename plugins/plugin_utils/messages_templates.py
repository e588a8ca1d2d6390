# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""The texts of a runbook's header: a closed set of placeholders, checked, and filled in exactly once.

Values are text from outside (logs, databases, operators). They are escaped for the channel and inserted once;
nothing that they contain is ever read as a placeholder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from string import Template
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]

# What the header and the incident's id say: the same in every run
STABLE = frozenset({"incident", "type", "title", "severity", "priority", "impact"})
# What the public may read: nothing of what was found or who did what
PUBLIC = frozenset({"title", "impact", "started_at", "eta"})
# What only those may read who are in the closed circle of a private incident
CONFIDENTIAL = frozenset({"notify_by", "seals"})
# What a page about a private incident may say: it lies on phones and in mail
PAGE_OF_PRIVATE = STABLE | {"started_at"}
PLACEHOLDERS = STABLE | frozenset(
    {
        *("started_at", "deadline", "operator", "eta", "eta_note"),
        *("findings", "causes", "plan", "actions", "verification", "outcome", "paused"),
    }
    | CONFIDENTIAL
)


def render(template: str, values: Mapping[str, str], escape: Callable[[str], str]) -> str:
    """Fill in a template; a line with a placeholder that has no value is left out.

    Args:
        values: text by placeholder, not yet escaped; several lines stay several lines.
        escape: makes one line harmless for the channel.

    Raises:
        IncidentsError: the template has a placeholder that is not known.
    """
    lines = []
    for line in template.rstrip("\n").split("\n"):
        parsed = Template(line)
        names = parsed.get_identifiers()
        unknown = sorted(set(names) - PLACEHOLDERS)
        if unknown or not parsed.is_valid():
            raise IncidentsError(f"Filling in the message {template[:80]!r}: {_wrong(unknown)}")
        if all(values.get(name) for name in names):
            lines.append(parsed.substitute({name: _escaped(values[name], escape) for name in names}))
    return "\n".join(lines)


def stable_text(template: str, values: Mapping[str, str]) -> str:
    """Return a template with only those values that are the same in every run; the others stay placeholders."""
    return Template(template).safe_substitute({name: values[name] for name in STABLE if name in values})


def problems(messages: Mapping[str, Any]) -> list[str]:
    """Return what the schema cannot say is wrong with a header's ``messages``, one text each."""
    private = messages.get("private") is True
    notices: Sequence[Json] = messages.get("notices") or []
    purposes = [str(notice.get("purpose")) for notice in notices]
    found = [
        f"messages: the purpose {name} is there twice" for name in sorted(set(purposes)) if purposes.count(name) > 1
    ]
    for notice in notices:
        found += [f"messages/{notice.get('purpose')}: {problem}" for problem in _problems_of(notice, private)]
    return found


def _problems_of(notice: Json, private: bool) -> Iterator[str]:
    allowed = _allowed(notice, private)
    for stage, text in _texts_of(notice):
        parsed = Template(text)
        names = set(parsed.get_identifiers())
        if not parsed.is_valid() or names - PLACEHOLDERS:
            yield f"{stage}: {_wrong(sorted(names - PLACEHOLDERS))}"
        elif names - allowed:
            yield f"{stage}: ${min(names - allowed)} must not be said there; allowed are {_listed(allowed)}"
    if notice.get("confidential") and notice.get("channel") == "slack" and not notice.get("to"):
        yield "a confidential post needs a channel of its own (to)"
    if notice.get("confidential") and not private:
        yield "only a private incident has confidential messages"


def _texts_of(notice: Json) -> Iterator[tuple[str, str]]:
    for stage, text in (notice.get("texts") or {}).items():
        for each in text if isinstance(text, list) else [{"text": text}]:
            yield stage, str(each["text"])


def _allowed(notice: Json, private: bool) -> frozenset[str]:
    if notice.get("channel") == "statuspage":
        return PUBLIC
    if private and notice.get("channel") == "pagerduty":
        return PAGE_OF_PRIVATE
    return PLACEHOLDERS if notice.get("confidential") else PLACEHOLDERS - CONFIDENTIAL


def _wrong(unknown: Sequence[str]) -> str:
    if unknown:
        return f"unknown placeholder ${unknown[0]}; known are {_listed(PLACEHOLDERS)}"
    return "a dollar sign that begins no placeholder; write $$"


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def _escaped(value: str, escape: Callable[[str], str]) -> str:
    return "\n".join(escape(line) for line in value.split("\n"))
