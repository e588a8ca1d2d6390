# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the Vault modules; keep module_utils/clients/vault.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.vault``; its section ``place`` says which secret."""

    DOCUMENTATION = r"""
options:
  vault_addr:
    description:
      - Address of Vault, without C(/v1).
      - It begins with C(https://). Plain C(http://) is for loopback hosts.
    type: str
  vault_token:
    description: Token of Vault. Take it from the environment or a file by a lookup, never from an extra variable.
    type: str
  vault_namespace:
    description: Namespace of Vault Enterprise that is asked.
    type: str
  vault_ca_cert:
    description:
      - File with the certificates of the authorities that may have signed the server's certificate.
      - Without it E(REQUESTS_CA_BUNDLE) counts, or without that the authorities of C(certifi).
    type: path
  vault_request_timeout:
    description: Seconds for each request. Independent requests are sent at the same time, in two or three rounds.
    type: int
    default: 3
requirements:
  - requests >= 2.32 on the host that runs the module
notes:
  - Options that are empty count as not given.
  - A task that does not give O(vault_addr) takes the connection options that it does not give from the variables of
    the inventory host C(vault), such as C(vault_addr) and C(vault_token); where the inventory has no such host, from
    those of the task's own host.
  - Redirects are not followed. Requests go through the proxy of E(HTTPS_PROXY), except to loopback hosts and those in
    E(NO_PROXY).
  - It needs a policy with C(read) on the data of the path. C(read) on its metadata shows the versions.
  - Written for the HTTP API of Vault 1.12 and later, which OpenBao shares.
"""

    PLACE = r"""
options:
  vault_mount:
    description: Path of the key/value engine.
    type: str
    default: secret
  vault_path:
    description: Path of the secret in the engine, without the C(data/) that the API of version 2 adds.
    type: str
    required: true
  vault_version:
    description: Version of the secret; the newest unless given. An engine of version 1 has none.
    type: int
  vault_kv_version:
    description: Version of the engine. Unless given it is found out, which needs no right beyond those on the path.
    type: int
    choices: [1, 2]
"""
