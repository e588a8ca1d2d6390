# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's ClickHouse 18.16, the old server that runbooks must get on with: its configuration and its command."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from xml.sax.saxutils import escape

from incident_runbooks.lab.server import HOST, Login

_SERVER = "config.xml"
_USERS = "users.xml"


def configure(directory: Path, port: int, login: Login) -> None:
    """Write its configuration into *directory*, where only the owner can read it.

    Args:
        directory: gets the configuration, ``data``, ``tmp`` and ``user_files``.
        port: of the HTTP interface; it has no other.
        login: who may do everything.
    """
    folder = escape(str(directory))
    # caches are small: the server's own defaults are for a machine of its own
    _write(
        directory / _SERVER,
        f"""<yandex>
    <logger><level>warning</level><console>1</console></logger>
    <listen_host>{HOST}</listen_host>
    <http_port>{port}</http_port>
    <path>{folder}/data/</path>
    <tmp_path>{folder}/tmp/</tmp_path>
    <user_files_path>{folder}/user_files/</user_files_path>
    <mark_cache_size>16777216</mark_cache_size>
    <default_profile>default</default_profile>
    <default_database>default</default_database>
    <users_config>{folder}/{_USERS}</users_config>
    <query_log><database>system</database><table>query_log</table></query_log>
</yandex>
""",  # noqa: S108 - below its own folder
    )
    _write(
        directory / _USERS,
        f"""<yandex>
    <profiles><default><log_queries>1</log_queries><max_memory_usage>500000000</max_memory_usage></default></profiles>
    <users>
        <{login.user}>
            <password_sha256_hex>{hashlib.sha256(login.password.encode()).hexdigest()}</password_sha256_hex>
            <networks><ip>{HOST}</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
        </{login.user}>
    </users>
    <quotas><default/></quotas>
</yandex>
""",
    )


def command(program: Path, directory: Path) -> list[str | Path]:
    """Return how it is started."""
    return [program, f"--config-file={directory / _SERVER}"]


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
