# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether and how many sessions to end now, when to stop, and how it went. Pure, no I/O."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.sessions import Choice

ENDED = "terminated"
STOPPED_AT_TARGET = "the used ratio is below the target"
STOPPED_WITHOUT_EFFECT = "no session of the last batch could be ended"


def sessions_above(slots: Mapping[str, Any], target_ratio: float) -> int:
    """How many sessions must go for the used ratio to be below *target_ratio*; 0 when it is already."""
    usable, used = int(slots["usable"]), int(slots["used"])
    if usable <= 0:
        return 0
    most = math.ceil(round(target_ratio * usable, 6)) - 1  # rounded: 0.55 * 100 is 55.000…01
    return max(used - most, 0)


def below(slots: Mapping[str, Any], target_ratio: float) -> bool:
    """Whether the used ratio is below the target."""
    return sessions_above(slots, target_ratio) == 0


def refusal(slots: Mapping[str, Any], choice: Choice, warn_ratio: float, force_reason: str | None) -> str:
    """Why nothing may be ended now; empty when it may, or when there is nothing to end anyway."""
    not_permitted = sum(exclusion.reason == "not_permitted" for exclusion in choice.excluded)
    if not choice.candidates:
        if not not_permitted:
            return ""
        return f"the login may not end any of the {not_permitted} sessions in question; grant it pg_signal_backend"
    if force_reason or slots["used_ratio"] is None or slots["used_ratio"] >= warn_ratio:
        return ""
    return (
        f"only {slots['used']} of {slots['usable']} usable slots are in use, ratio {slots['used_ratio']} is below "
        f"{warn_ratio:g}; give force_reason to end idle sessions all the same"
    )


def batch_length(batch_size: int, slots: Mapping[str, Any], target_ratio: float | None) -> int:
    """How many sessions to end before measuring again, never more than the target needs."""
    if target_ratio is None:
        return batch_size
    return max(min(batch_size, sessions_above(slots, target_ratio)), 1)


def stop_reason(batch: Sequence[Mapping[str, Any]], slots: Mapping[str, Any], target_ratio: float | None) -> str:
    """Why to stop after this batch; empty to go on."""
    if target_ratio is not None and below(slots, target_ratio):
        return STOPPED_AT_TARGET
    # each such session cost its whole time-out; more of them would take the run's time for nothing
    if batch and all(result["result"] == "not_terminated" for result in batch):
        return STOPPED_WITHOUT_EFFECT
    return ""


def nothing_to_do(choice: Choice, missed: Sequence[Mapping[str, Any]]) -> str:
    """The reason when no session may be ended."""
    if missed:
        return f"none of the {len(missed)} sessions of the plan may be ended any more: {_counts(missed, 'result')}"
    reasons = [{"reason": exclusion.reason} for exclusion in choice.excluded]
    return f"no session qualifies: {_counts(reasons, 'reason')}" if reasons else "there is no session"


def preview(choice: Choice, slots: Mapping[str, Any], target_ratio: float | None) -> str:
    """The reason in check mode."""
    text = f"{len(choice.candidates)} sessions may be ended"
    if target_ratio is None:
        return text
    return f"{text}; {sessions_above(slots, target_ratio)} fewer bring the used ratio below {target_ratio:g}"


def verdict(results: Sequence[Mapping[str, Any]], slots: Mapping[str, Any], stopped: str) -> tuple[str, str]:
    """Return status and reason of what was done.

    ``done``: all that was planned is ended or has ended by itself, or the target was reached.
    ``partial``: something stayed that should have gone. ``nothing_to_do``: all had changed meanwhile.
    """
    ended = sum(result["result"] == ENDED for result in results)
    text = f"{_counts(results, 'result')}; {slots['used']} of {slots['usable']} usable slots in use"
    if stopped:
        text += f"; stopped, {stopped}"
    fine = {ENDED, "skipped_gone"} | ({"not_attempted"} if stopped == STOPPED_AT_TARGET else set())
    if ended and all(result["result"] in fine for result in results):
        return "done", text
    if ended or any(result["result"] == "not_terminated" for result in results):
        return "partial", text
    return "nothing_to_do", text


def _counts(rows: Sequence[Mapping[str, Any]], key: str) -> str:
    return ", ".join(f"{count} {name}" for name, count in Counter(row[key] for row in rows).most_common())
