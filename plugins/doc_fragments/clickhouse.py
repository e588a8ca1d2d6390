# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options of the ClickHouse modules; keep module_utils/clients/clickhouse.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.clickhouse``."""

    DOCUMENTATION = r"""
options:
  clickhouse_url:
    description:
      - Address of the HTTP interface of ClickHouse.
      - It begins with C(https://). Plain C(http://) is for loopback hosts, or where no password is given.
    type: str
  clickhouse_user:
    description: User, sent in the header C(X-ClickHouse-User). Without it the server's C(default) counts.
    type: str
  clickhouse_password:
    description: Password of O(clickhouse_user), sent in the header C(X-ClickHouse-Key).
    type: str
  clickhouse_database:
    description: Database with the tables of the platform.
    type: str
    default: analytics
  clickhouse_ca_cert:
    description:
      - File with the certificates of the authorities that may have signed the server's certificate.
      - Without it E(REQUESTS_CA_BUNDLE) counts, or without that the authorities of C(certifi).
    type: path
  clickhouse_request_timeout:
    description: Seconds for one request. Several are sent at the same time.
    type: int
    default: 3
requirements:
  - requests >= 2.32 on the host that runs the module
notes:
  - Options that are empty count as not given.
  - A task that does not give O(clickhouse_url) takes the connection options that it does not give from the variables of
    the inventory host C(clickhouse), such as C(clickhouse_url) and C(clickhouse_password); where the inventory has no
    such host, from those of the task's own host.
  - Redirects are not followed. Requests go through the proxy of E(HTTPS_PROXY), except to loopback hosts and those in
    E(NO_PROXY).
  - Questions are sent with C(readonly=1), so the server refuses whatever would change something.
  - Dates and times without a zone are those of the server's time zone, as ClickHouse shows them.
  - Tested with ClickHouse 26.9 and 18.16. What 18.16 does not know is V(null), and named.
"""
