# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask Vault until when a token is valid."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vault_token
short_description: Ask Vault until when its token is valid
version_added: 0.1.0
description:
  - Asks Vault of the token itself, how long it is still valid and which policies it has. It is neither renewed nor
    shown.
  - A Vault that is down or refuses is a result with a C(cause), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options: {}
extends_documentation_fragment:
  - brandconnect.incidents.vault
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
notes:
  - Vault's policy C(default), which tokens have unless it was left out, allows this question.
seealso:
  - module: brandconnect.incidents.vault_kv
"""

EXAMPLES = r"""
- name: Ask until when the token is valid
  brandconnect.incidents.vault_token:
    vault_addr: https://vault.example.com:8200
    vault_token: "{{ lookup('ansible.builtin.env', 'VAULT_TOKEN') }}"
  register: token
"""

RETURN = r"""
reachable:
  description: Whether Vault answered anything.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why it is not known until when the token is valid; V(null) when it is. As of
      M(brandconnect.incidents.vault_kv).
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
ttl_s:
  description: Seconds for which it is still valid; V(null) when it does not expire, or that is not known.
  returned: success
  type: int
  sample: 86400
expires:
  description: Whether it expires; V(null) when that is not known.
  returned: success
  type: bool
  sample: true
renewable:
  description: Whether it can be renewed; V(null) when that is not known.
  returned: success
  type: bool
  sample: true
policies:
  description: Its policies.
  returned: success
  type: list
  elements: str
  sample: [default, runbooks]
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault import (
    Vault,
    vault_argument_spec,
    vault_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.vault import token_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module

_LOOK = ("auth", "token", "lookup-self")


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask. A sick Vault is a result; see RETURN."""
    result: dict[str, Any] = {"reachable": False, **dict.fromkeys(("cause", "message", "hint")), **token_facts(None)}
    try:
        with Vault(params) as vault:
            reply = vault.ask({"token": (_LOOK, {})})["token"]
    except SendError as error:
        if error.failure.cause != "not_configured":
            raise
        return result | _problem(error.failure)
    result |= {"reachable": reply.answered, **token_facts(reply.content)}
    return result | _problem(reply.failure) if reply.failure else result


def _problem(failure: Any) -> dict[str, Any]:
    return {"cause": failure.cause, "message": failure.text, "hint": failure.next_step}


SPEC = ModuleSpec(run=run, argument_spec=vault_argument_spec(), secrets=vault_secrets)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
