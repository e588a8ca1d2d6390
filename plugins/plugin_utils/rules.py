# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""First-match rules in YAML: the runbook judges what a check returned.

The conditions and texts of rules are evaluated one rule at a time, so a rule may use a value that only
exists when the rules before it did not match. A rule that cannot be evaluated ends the search: what it
would have said is not known, and a later rule might call the state better than it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ansible.errors import AnsibleError

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import to_plain


class Templar(Protocol):
    """The part of Ansible's template engine that rules need."""

    def template(self, variable: Any) -> Any:
        """Return the value with its templates resolved."""

    def evaluate_conditional(self, conditional: Any) -> bool:
        """Return whether a ``when`` expression holds."""


@dataclass(frozen=True)
class RuleSet:
    """What rules may say.

    Attributes:
        statuses: the allowed values of ``status``.
        keys: the keys that a rule may set.
        unknown: the status that says "not known".
        default: the status when no rule matches.
    """

    statuses: frozenset[str]
    keys: frozenset[str]
    unknown: str
    default: str

    def judge(self, templar: Templar, rules: Sequence[Mapping[str, Any]], otherwise: Any) -> dict[str, Any]:
        """Return what the first rule says whose ``when`` holds, else *otherwise*; all templated.

        Raises:
            IncidentsError: a rule is malformed.
        """
        self._check(rules)
        for number, rule in enumerate(rules, start=1):
            try:
                if all_hold(templar, rule["when"]):
                    said = {key: templar.template(value) for key, value in rule.items() if key != "when"}
                    return self._said(said)
            except AnsibleError as error:
                return self._cannot_judge(number, error)
        try:
            return {"status": self.default, "summary": str(templar.template(otherwise))}
        except AnsibleError as error:
            return self._cannot_judge(None, error)

    def _said(self, said: dict[str, Any]) -> dict[str, Any]:
        plain: dict[str, Any] = to_plain(said)
        if plain.get("status") not in self.statuses:
            allowed = ", ".join(sorted(self.statuses))
            raise IncidentsError(f"Judging by rules: status {plain.get('status')!r} is none of {allowed}")
        return plain

    def _cannot_judge(self, number: int | None, error: Exception) -> dict[str, Any]:
        where = "the text for no match" if number is None else f"rule {number}"
        return {
            "status": self.unknown,
            "cause": "rule_error",
            "summary": f"{where} could not be evaluated: {error}",
        }

    def _check(self, rules: Sequence[Mapping[str, Any]]) -> None:
        for number, rule in enumerate(rules, start=1):
            if not isinstance(rule, Mapping) or "when" not in rule or "status" not in rule or "summary" not in rule:
                raise IncidentsError(f"Reading rule {number}: it needs when, status and summary")
            strange = sorted(set(rule) - self.keys - {"when"})
            if strange:
                raise IncidentsError(
                    f"Reading rule {number}: unknown key {strange[0]!r}; known are {', '.join(sorted(self.keys))}"
                )


def all_hold(templar: Templar, when: Any) -> bool:
    """Return whether a condition holds, or every one of a list.

    Raises:
        AnsibleError: one cannot be evaluated.
    """
    return all(_holds(templar, condition) for condition in (when if isinstance(when, list) else [when]))


def _holds(templar: Templar, condition: Any) -> bool:
    return condition if isinstance(condition, bool) else bool(templar.evaluate_conditional(condition))
