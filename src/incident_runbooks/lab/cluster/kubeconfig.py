# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the file by which clients find the cluster."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import yaml

_NAME = "lab"


def write(path: Path, server_url: str, ca_pem: bytes, token: str, namespace: str = "default") -> None:
    """Write a kubeconfig that only its owner can read; a reader never sees half of it.

    Args:
        path: of the file.
        server_url: such as ``https://127.0.0.1:6443``.
        ca_pem: the certificate to trust.
        token: of the user.
        namespace: what commands mean that name none.

    Raises:
        OSError: it cannot be written.
    """
    certificate = base64.b64encode(ca_pem).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _NAME, "cluster": {"server": server_url, "certificate-authority-data": certificate}}],
        "users": [{"name": _NAME, "user": {"token": token}}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": namespace}}],
        "current-context": _NAME,
    }
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        yaml.safe_dump(content, file, sort_keys=False)
    partial.replace(path)
