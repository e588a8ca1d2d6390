# SPDX-License-Identifier: GPL-3.0-or-later
"""Try one write in Redis, of a key that goes away by itself."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: redis_write_canary
short_description: Try one write in Redis, of a key that goes away by itself
version_added: 0.1.0
description:
  - Sets the key C(incident:canary:ID) for 10 seconds and reads it back, where what
    M(brandconnect.incidents.redis_info) says of writes is not enough.
  - A server that is down, slow or refuses is a result with a C(cause), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  incident:
    description: Id of the incident, for the name of the key. At most 80 letters, digits, dots, hyphens and underscores.
    type: str
    required: true
extends_documentation_fragment:
  - brandconnect.incidents.redis
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode nothing is sent but what the login needs.
  - It needs C(SET) and C(GET) on C(incident:canary:*).
seealso:
  - module: brandconnect.incidents.redis_info
"""

EXAMPLES = r"""
- name: See whether Redis really takes a write
  brandconnect.incidents.redis_write_canary:
    redis_host: redis.example.com
    redis_password: "{{ lookup('ansible.builtin.env', 'REDIS_PASSWORD') }}"
    incident: auth-down-20261124T150000Z-3fa1
  register: canary
"""

RETURN = r"""
reachable:
  description: Whether a connection with a login came about.
  returned: success
  type: bool
  sample: true
cause:
  description: Why none did, as in RV(brandconnect.incidents.redis_info#module:cause); V(null) when one did.
  returned: success
  type: str
  sample: null
message:
  description: What was said to that, in one line.
  returned: success
  type: str
  sample: null
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: null
canary:
  description:
    - The write that was tried, with C(key), C(ok), C(cause) and C(message).
    - C(ok) is V(null) when no answer came, so that it may have been written, when another node of a cluster has the
      key, and in check mode.
    - V(null) where the server could not be asked.
  returned: success
  type: dict
  sample: {key: "incident:canary:auth-down-20261124T150000Z-3fa1", ok: true, cause: null, message: null}
"""

import re
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure, SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis import (
    RedisServer,
    redis_argument_spec,
    redis_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis_reads import NO_CANARY, write_canary
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

_INCIDENT = re.compile(r"[A-Za-z0-9._-]{1,80}")


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Try the write; see RETURN.

    Raises:
        IncidentsError: ``incident`` is no id.
    """
    if not _INCIDENT.fullmatch(params["incident"]):
        raise IncidentsError(
            "Trying a write in Redis: incident must be 1 to 80 letters, digits, dots, hyphens and underscores"
        )
    try:
        server = RedisServer(params)
    except SendError as error:
        if error.failure.cause != "not_configured":
            raise
        return _result(error.failure, None)
    name = f"incident:canary:{params['incident']}"
    with server:
        if why := server.connect():
            return _result(why, None)
        canary, changed = ({**NO_CANARY, "key": name}, False) if check_mode else write_canary(server, name)
        return _result(None, canary, changed=changed)


def _result(why: Failure | None, canary: dict[str, Any] | None, *, changed: bool = False) -> dict[str, Any]:
    return {
        "changed": changed,
        "reachable": why is None,
        "cause": why.cause if why else None,
        "message": why.message if why else None,
        "hint": why.next_step if why else None,
        "canary": canary,
    }


SPEC = ModuleSpec(
    run=run,
    argument_spec={**redis_argument_spec(), "incident": {"type": "str", "required": True}},
    secrets=redis_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
