# SPDX-License-Identifier: GPL-3.0-or-later
"""Idempotency keys. See docs.stripe.com/api/idempotent_requests.

The first answer to a key is kept and given again, one with 500 as well. Not kept is what came to nothing before the
operation began: a parameter that is wrong, one request too many, a lock. Stripe keeps answers for at least a day.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from incident_runbooks.lab.services.call import Answer, Call, RefusedError
from incident_runbooks.lab.stripe.errors import error

LONGEST = 255  # characters

_KEPT_S = 86_400.0
_MOST = 5000
_KIND = "idempotency_error"
_ONLY = "Keys for idempotent requests can only be used"


@dataclass
class _Seen:
    path: str
    digest: str
    at: float
    answer: Answer | None = None


class IdempotencyKeys:
    """The keys of the account."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def begin(self, key: str, call: Call) -> Answer | None:
        """Return the earlier answer; ``None``: this is the first request with that key.

        Raises:
            RefusedError: the key cannot be used for this request.
        """
        if len(key) > LONGEST:
            raise error(400, f"Idempotency keys must be at most {LONGEST} characters long.", kind=_KIND)
        seen = self._seen.get(key)
        if seen is None or seen.at < time.monotonic() - _KEPT_S:
            self._keep(key, _Seen(call.path, _digest(call), time.monotonic()))
            return None
        other = f"Try using a key other than '{key}' if you meant to execute a different request."
        if seen.path != call.path:
            first = f"for the same endpoint they were first used for ('{seen.path}' instead of '{call.path}')"
            raise error(400, f"{_ONLY} {first}. {other}", kind=_KIND, retry=False)
        if seen.digest != _digest(call):
            first = "with the same parameters they were first used with"
            raise error(400, f"{_ONLY} {first}. {other}", kind=_KIND, retry=False)
        if seen.answer is None:
            raise _in_use(key)
        return replace(seen.answer, headers={**seen.answer.headers, "Idempotent-Replayed": "true"})

    def end(self, key: str, answer: Answer) -> None:
        """Keep an answer as it is sent."""
        if seen := self._seen.get(key):
            seen.answer = answer

    def abandon(self, key: str) -> None:
        """Let a key be as if it had not been used."""
        self._seen.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._seen.clear()

    def _keep(self, key: str, seen: _Seen) -> None:
        self._seen[key] = seen
        while len(self._seen) > _MOST:
            self._seen.popitem(last=False)


def _in_use(key: str) -> RefusedError:
    text = (
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted"
        f" twice, and the other request is still going through): {key}. Please try again later."
    )
    return error(409, text, kind=_KIND, code="idempotency_key_in_use", retry=True)


def _digest(call: Call) -> str:
    return hashlib.sha256(repr(call.query).encode() + call.body).hexdigest()
