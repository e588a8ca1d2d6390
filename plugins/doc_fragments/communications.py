# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that send to people have in common; keep module_utils/clients/http_json.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.communications``."""

    DOCUMENTATION = r"""
options:
  timeout:
    description:
      - Seconds for one request, from resolving the name to the last byte of the answer. The longest that a task takes
        is this for each request that it sends.
    type: int
    default: 3
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
    details: Nothing at all is sent, questions neither. RV(payload) is what would be sent.
  in_process:
    description: Runs inside the Ansible worker, without starting an interpreter, where the connection is local.
    support: full
requirements:
  - requests >= 2.32 on the host that runs the module
notes:
  - Options that are empty count as not given.
  - Addresses begin with C(https://). Plain C(http://) is refused except to loopback hosts, as a secret travels in each
    request. Redirects are not followed.
  - Requests go through the proxy of E(HTTPS_PROXY), except to loopback hosts and those in E(NO_PROXY). Certificates
    are checked against E(REQUESTS_CA_BUNDLE), or without it against the authorities of C(certifi).
  - Nothing is sent twice by itself. A failed task says in C(retryable) whether sending it again can help, in
    C(retry_after_s) when, and in C(may_have_happened) whether it was sent and no answer came.
  - The C(cause) of a failed task is one of V(not_configured), V(invalid_auth), V(not_permitted), V(not_found),
    V(invalid), V(throttled), V(server_error), V(timeout), V(refused), V(dns), V(tls) and V(no_answer).
"""
