# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence bundles for tests: one of every kind of file, and what a stranger's tools say of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle import Bundle
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_state import Sealed
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from support.incident_entries import incident_in

WHO = {"incident": "data-breach-20261123T214000Z-a1b2", "custodian": "alice", "collector": "runbook", "run_id": "run-1"}
LOG = b"".join(b"2026-11-23T21:40:%02dZ line\n" % number for number in range(60))


def opened(directory: Path, **more: Any) -> Bundle:
    """A bundle with the people of these tests."""
    return Bundle.open(directory, **{**WHO, **more})


def breaking(*chunks: bytes, error: BaseException | None = None) -> Iterator[bytes]:
    """A source that gives something and then fails."""
    yield from chunks
    raise error or IncidentsError("Reading the log on pod b: the connection broke")


def collect(directory: Path, *, broken: bool = False) -> Sealed:
    """A finished bundle: a log, an audit trail, an empty file and, if wanted, a source that broke."""
    with opened(directory) as bundle:
        pod = {"uid": "u-1", "resource_version": "42"}
        bundle.write("pods/a/app.log", [LOG[:100], LOG[100:]], source="GET /a/log", collected_from=pod)
        bundle.write("db/audit_logs.csv", [b"id,action\n", b"1,read\n"], source="COPY", facts=lambda: {"rows": 1})
        bundle.write("redis/sessions.jsonl", [], source="SCAN MATCH sess:*")
        if broken:
            bundle.write("pods/b/app.log", breaking(b"half of it\n"), source="GET /b/log")
        return bundle.finish()


def strangers_check(directory: Path) -> str:
    """What ``sha256sum`` says of the bundle's own lists, with no code of ours; empty when all is well."""
    said = ""
    for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        done = subprocess.run(
            ["sha256sum", "--check", "--strict", "--quiet", name],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        said += done.stdout + (done.stderr if done.returncode else "")
    return said


def open_up(directory: Path) -> None:
    """Let the owner write again into a finished bundle."""
    for place, _, names in os.walk(directory):
        Path(place).chmod(0o700)
        for name in names:
            Path(place, name).chmod(0o600)


def incident_with_bundle(home: Path, *, recorded: bool = True) -> Path:
    """The directory of an incident with the evidence ``bundle``, opened up, which its journal knows if *recorded*."""
    own = home / "own"
    own.mkdir(mode=0o700)
    sealed = collect(own / "bundle")
    data = {**sealed.anchor, "path": "evidence/bundle/tagmanifest-sha256.txt"}
    directory = incident_in(home, *([("evidence", data)] if recorded else []))
    open_up(own / "bundle")
    (own / "bundle").rename(directory / "evidence" / "bundle")
    return directory
