# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options of the Prometheus modules; keep module_utils/clients/prometheus.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.prometheus``."""

    DOCUMENTATION = r"""
options:
  prometheus_url:
    description:
      - Address of Prometheus, with the path prefix that it is served under.
      - It begins with C(https://). Plain C(http://) is for loopback hosts, or where no login is given.
    type: str
  prometheus_username:
    description: User of the basic authentication.
    type: str
  prometheus_password:
    description: Password of O(prometheus_username).
    type: str
  prometheus_token:
    description: Bearer token, in place of O(prometheus_username) and O(prometheus_password).
    type: str
  prometheus_ca_cert:
    description:
      - File with the certificates of the authorities that may have signed the server's certificate.
      - Without it E(REQUESTS_CA_BUNDLE) counts, or without that the authorities of C(certifi).
    type: path
  prometheus_timeout:
    description:
      - Seconds for the whole task, as everything is asked at the same time. Prometheus is told to give up a query a
        little earlier, so that a slow query can be told from a server that does not answer.
    type: int
    default: 3
requirements:
  - requests >= 2.32 on the host that runs the module
notes:
  - Options that are empty count as not given.
  - A task that does not give O(prometheus_url) takes the connection options that it does not give from the variables
    of the inventory host C(prometheus), such as C(prometheus_url) and C(prometheus_token); where the inventory has no
    such host, from those of the task's own host.
  - Redirects are not followed. Requests go through the proxy of E(HTTPS_PROXY), except to loopback hosts and those in
    E(NO_PROXY).
  - Written for the HTTP API v1 of Prometheus 2 and 3, tested with 2.42.
"""
