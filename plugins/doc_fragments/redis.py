# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the Redis modules; keep module_utils/clients/redis.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.redis``."""

    DOCUMENTATION = r"""
options:
  redis_host:
    description: Host name or IP address of Redis.
    type: str
  redis_port:
    description: Port of Redis.
    type: int
    default: 6379
  redis_username:
    description: User of Redis 6 and later; the user C(default) unless given.
    type: str
  redis_password:
    description: Password of the user. Take it from the environment or a file by a lookup, never from an extra variable.
    type: str
  redis_tls:
    description: Whether the connection is encrypted. Certificate and host name are checked.
    type: bool
    default: false
  redis_ca_cert:
    description:
      - File with the certificates of the authorities that may have signed the server's certificate.
      - Without it those of the system count.
    type: path
  redis_request_timeout:
    description: Seconds for the connection, and for each command.
    type: int
    default: 3
requirements:
  - redis >= 6 (the Python package) on the host that runs the module
notes:
  - Options that are empty count as not given.
  - A task that gives neither O(redis_host) nor O(redis_port) takes the connection options that it does not give from
    the variables of the inventory host C(redis), such as C(redis_host) and C(redis_password); where the inventory has
    no such host, from those of the task's own host.
  - Nothing is sent again, and no redirection of a cluster is followed. Only the one server is asked.
"""
