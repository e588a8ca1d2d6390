# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that read Vault and restore a Secret's key from it, in good and in bad ways.

Nobody listens at any of these addresses, and the secrets are such as nobody has.
"""

from __future__ import annotations

from typing import Any

TOKEN = "c4nary/pass-word"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    return _reading() | _of_token() | _restoring()


def _reading() -> dict[str, Case]:
    module = "vault_kv"
    down = {
        "vault_addr": "http://127.0.0.1:1",
        "vault_token": TOKEN,
        "vault_path": "brandconnect/backend",
        "key": "JWT_SECRET",
        "fingerprints": ["9f86d081884c"],
    }
    return {
        "Vault of nobody": (module, down, False),
        "Vault of nobody in check mode": (module, down, True),
        "Vault without an address": (module, {"vault_path": "a"}, False),
        "Vault of an address that makes no sense": (module, {**down, "vault_addr": f"ftp://{TOKEN}"}, False),
        "Vault with its secret in a wrong place": (module, {**down, "fingerprints": [TOKEN]}, False),
        "Vault with a wrong type": (module, {**down, "vault_version": "newest"}, False),
        "Vault with an unknown option": (module, {**down, "colour": TOKEN}, False),
    }


def _of_token() -> dict[str, Case]:
    module = "vault_token"
    down = {"vault_addr": "http://127.0.0.1:1", "vault_token": TOKEN}
    return {
        "token of nobody": (module, down, False),
        "token of nobody in check mode": (module, down, True),
        "token without an address": (module, {"vault_token": TOKEN}, False),
        "token with an unknown option": (module, {**down, "colour": TOKEN}, False),
    }


def _restoring() -> dict[str, Case]:
    module = "vault_secret_restore"
    down = {
        "vault_addr": "http://127.0.0.1:1",
        "vault_token": TOKEN,
        "vault_path": "brandconnect/backend",
        "host": "https://127.0.0.1:1",
        "api_key": TOKEN,
        "namespace": "brandconnect",
        "name": "backend-auth",
        "key": "JWT_SECRET",
    }
    return {
        "restore from nobody": (module, down, False),
        "restore from nobody in check mode": (module, down, True),
        "restore with its secret in a wrong place": (module, {**down, "in_use": [TOKEN]}, False),
        "restore with a wrong type": (module, {**down, "vault_version": "newest"}, False),
        "restore with an unknown option": (module, {**down, "colour": TOKEN}, False),
    }
