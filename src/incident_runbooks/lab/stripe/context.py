# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that was let in: its parameters, and what its events say of it."""

from __future__ import annotations

from dataclasses import dataclass

from incident_runbooks.lab.services.call import Call
from incident_runbooks.lab.stripe.params import Params, decode


@dataclass(frozen=True)
class Asked:
    """What an operation is asked for.

    Attributes:
        call: the request.
        operation: a key of :data:`params.ACCEPTED`.
        id: of the object, from the path; empty for a list.
        request_id: what the answer's header says.
        idempotency_key: of the request.
    """

    call: Call
    operation: str
    id: str
    request_id: str
    idempotency_key: str | None

    def params(self) -> Params:
        """Return the parameters.

        Raises:
            RefusedError: they cannot be read, or there is one too many.
        """
        return Params(self.operation, decode(self.call))
