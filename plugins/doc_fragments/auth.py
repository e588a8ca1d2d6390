# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say how people log in; keep module_utils/clients/auth_options.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.auth``."""

    DOCUMENTATION = r"""
options:
  auth_url:
    description:
      - Base address at which people log in, without a path, such as C(https://api.example.com).
      - It begins with C(https://); plain C(http://) is refused except to loopback hosts, as a password travels.
    type: str
  auth_probe_user:
    description: Account that is for probing only, with no rights beyond its own profile.
    type: str
  auth_probe_password:
    description: Its password. Take it from the environment or a file by a lookup, never from an extra variable.
    type: str
  auth_ca_cert:
    description:
      - File with the certificates of the authorities that may have signed the certificate of O(auth_url).
      - Without it those of E(REQUESTS_CA_BUNDLE) count, or of C(certifi).
    type: path
  auth_request_timeout:
    description: Seconds for each request, from resolving the name to the last byte of the answer.
    type: int
    default: 5
requirements:
  - requests >= 2.32 on the host that runs the module
notes:
  - Options that are empty count as not given.
  - A task that does not give O(auth_url) takes the options of that group that it does not give from the variables of
    the inventory host C(auth), which have the same names; where the inventory has no such host, from those of the
    task's own host.
  - Password and tokens travel in bodies and headers only. Nothing is sent again, and no redirect is followed.
"""
