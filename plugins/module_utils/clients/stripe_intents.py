# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read many PaymentIntents without being what the account is throttled for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import StripeError

READS_PER_S = 5.0  # of the 25 a second that Stripe takes of a sandbox: https://docs.stripe.com/rate-limits
MOST_LISTED = 500
FEW = 5  # so many are read one by one, rather than by a list of all that were made since
PAUSES_S = (1.0, 2.0)
_PASSES = frozenset({"server_error", "timeout", "unreachable"})
_OF_THE_OBJECT = frozenset({"not_found", "mode_mismatch"})

Json = dict[str, Any]


class IntentReader:
    """Reads PaymentIntents by their identifiers, at most ``READS_PER_S`` a second.

    Args:
        api: where; a patient one, as it throttles who reads many.
    """

    def __init__(self, api: StripeApi) -> None:
        self._api = api
        self._not_before = 0.0

    def read(
        self, ids: Sequence[str], created_gte: int | None = None, *, patient: bool = False
    ) -> dict[str, Json | StripeError]:
        """Return each as it is now, or the error when there is none such.

        Args:
            created_gte: Unix time since which they were made, so that they can be listed; ``None`` when that is not
                known.
            patient: whether to ask again after a pause when Stripe does not answer.

        Raises:
            StripeError: Stripe cannot be asked at all, not even after a pause.
        """
        found: dict[str, Json | StripeError] = {}
        if created_gte is not None and len(ids) > FEW:
            listed, _ = self._api.payment_intents(created_gte=created_gte, max_items=MOST_LISTED)
            by_id = {str(intent.get("id")): intent for intent in listed}
            found |= {id_: by_id[id_] for id_ in ids if id_ in by_id}
        for id_ in ids:
            if id_ not in found:
                found[id_] = self._one(id_, _PASSES if patient else frozenset())
        return found

    def _one(self, id_: str, passes: frozenset[str]) -> Json | StripeError:
        for pause_s in (*PAUSES_S, None):
            self._wait()
            try:
                return self._api.payment_intent(id_)
            except StripeError as error:
                if error.cause in _OF_THE_OBJECT:
                    return error
                if error.cause not in passes or pause_s is None:
                    raise
                time.sleep(pause_s)
        raise AssertionError("unreachable")

    def _wait(self) -> None:
        now = time.monotonic()
        time.sleep(max(self._not_before - now, 0.0))
        self._not_before = max(now, self._not_before) + 1 / READS_PER_S
