# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Send all the requests of a probe: first what needs no new token, then the token that was issued."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import auth as client
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.auth import Issued, Login
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.webhook import at_once
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_probe import (
    HEALTH,
    LOGIN,
    TOKEN,
    WRONG,
    Seen,
    Step,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_token import has_expired

GRACE_S = 0.5
_OLD = "old"

_Key = tuple[str, ...]
_Jobs = dict[_Key, Callable[[], Any]]


@dataclass(frozen=True)
class Task:
    """What to probe.

    Attributes:
        addresses: base addresses by name; the wrong password is sent to the first only.
        login: how.
        checks: how often a token is used at each address.
        configured: whether there is an account.
        too_soon: whether nobody may log in now.
        wrong: whether the wrong password is tried.
        old: a token of before.
    """

    addresses: Mapping[str, str]
    login: Login
    checks: int
    configured: bool
    too_soon: bool
    wrong: bool
    old: str | None = field(default=None, repr=False)

    @property
    def ask(self) -> bool:
        """Whether somebody logs in."""
        return self.configured and not self.too_soon


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        seen: by address.
        issued: what each login gave, by address.
        token: the first token that was issued.
        old: each use of the token of before; ``None`` where it was not used.
    """

    seen: Mapping[str, Seen]
    issued: Mapping[str, Issued]
    token: str | None = field(default=None, repr=False)
    old: Sequence[Step] | None = None


def probe(task: Task) -> Outcome:
    """Probe; takes at most twice the time of one request.

    Raises:
        IncidentsError: ``requests`` is missing.
    """
    found = _done(_first(task), task)
    issued = {name: found[name, LOGIN] for name in task.addresses if (name, LOGIN) in found}
    token = next((each.token for each in issued.values() if each.token), None)
    used = _done(_uses(task, TOKEN, token), task) if token else {}
    seen = {name: _seen(task, name, found, used) for name in task.addresses}
    old = [use for key, use in found.items() if key[1] == _OLD]
    return Outcome(seen, issued, token, old or None)


def _first(task: Task) -> _Jobs:
    """What needs no new token."""
    login = task.login
    jobs: _Jobs = {(name, HEALTH): partial(client.health, url, login) for name, url in task.addresses.items()}
    if task.ask:
        jobs |= {(name, LOGIN): partial(client.log_in, url, login) for name, url in task.addresses.items()}
    if task.ask and task.wrong:
        name, url = next(iter(task.addresses.items()))
        jobs[name, WRONG] = partial(client.log_in_wrongly, url, login, f"wrong-{secrets.token_hex(16)}")
    if task.old and not has_expired(task.old, time.time()):
        jobs |= _uses(task, _OLD, task.old)
    return jobs


def _uses(task: Task, kind: str, token: str) -> _Jobs:
    """The token at each address, as often as it is to be used there."""
    return {
        (name, kind, str(number)): partial(client.use, url, task.login, token)
        for name, url in task.addresses.items()
        for number in range(task.checks)
    }


def _done(jobs: _Jobs, task: Task) -> dict[_Key, Any]:
    """What came of each; one that did not end in time counts as a time-out."""
    limit_s = task.login.limit_s
    done = at_once(jobs, limit_s + GRACE_S)
    late = f"no answer within {limit_s:g} s"
    for key in jobs:
        if key not in done:
            step = Step(TOKEN if key[1] == _OLD else key[1], None, "timeout", late, limit_s)
            done[key] = Issued(step) if key[1] == LOGIN else step
    return done


def _seen(task: Task, name: str, found: Mapping[_Key, Any], used: Mapping[_Key, Any]) -> Seen:
    login: Issued | None = found.get((name, LOGIN))
    steps = {kind: found[name, kind] for kind in (HEALTH, WRONG) if (name, kind) in found}
    return Seen(
        url=task.addresses[name],
        steps=steps | ({LOGIN: login.step} if login else {}),
        issued=bool(login and login.token),
        too_soon=task.too_soon,
        asked=task.configured,
        checks=[use for key, use in used.items() if key[0] == name],
    )
