# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of evidence_snapshot share: how it is run, what a sound bundle is, and an audit trail."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import censor, conclude
from ansible_collections.brandconnect.incidents.plugins.modules.evidence_snapshot import RETURN, SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_bundles import verify_bundle
from support.bundles import open_up, strangers_check
from support.servers import kept

INCIDENT = "20261123T214000Z-data-breach-a1b2"
SINCE, UNTIL = "2026-11-01T00:00:00Z", "2026-11-15T00:00:00+00:00"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    own = tmp_path / "incident"
    own.mkdir(mode=0o700)
    yield own
    open_up(own)


@pytest.fixture(scope="module")
def identity() -> Any:
    return pyrage.x25519.Identity.generate()


def options_of(directory: Path | None, sources: list[str], **options: Any) -> dict[str, Any]:
    """The options of the module as it gets them."""
    return _validated(directory, sources, options).validated_parameters


def _validated(directory: Path | None, sources: list[str], options: dict[str, Any]) -> Any:
    given = {"incident": INCIDENT, "custodian": "alice", "directory": directory and str(directory), "sources": sources}
    given |= {"namespace": "shop", "since": SINCE, "until": UNTIL, **options}
    validation = ArgumentSpecValidator(SPEC.argument_spec, **SPEC.constraints).validate(given)
    assert not validation.errors.errors, validation.errors.msg
    return validation


def take(directory: Path | None, sources: list[str], *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    """Run the module as its edges do."""
    validation = _validated(directory, sources, options)
    result = conclude(SPEC, validation.validated_parameters, check_mode)
    json.dumps(result, allow_nan=False)
    if not result.get("failed"):
        assert set(result) - {"changed", "warnings"} == set(yaml.safe_load(RETURN))
    return censor(result, {*validation._no_log_values, *SPEC.secrets(validation.validated_parameters)})


def data(result: dict[str, Any]) -> Path:
    return Path(result["directory"]) / "data"


def is_sound(result: dict[str, Any], *secrets: str) -> None:
    """A stranger's tools and ours find the bundle whole, closed and free of secrets."""
    bundle = Path(result["directory"])
    assert strangers_check(bundle) == ""
    assert verify_bundle(bundle)[1] == []
    assert hashlib.sha256((bundle / "tagmanifest-sha256.txt").read_bytes()).hexdigest() == result["sha256"]
    for path in bundle.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o500 if path.is_dir() else 0o400), path
        if path.is_file():
            content = path.read_bytes()
            assert not any(secret.encode() in content for secret in secrets), path
    assert not any(secret in json.dumps(result) for secret in secrets)


AUDIT = "INSERT INTO audit_logs (actor_id, action, resource_type, resource_id, created_at) "


@pytest.fixture
def trail(pg: Any) -> Iterator[Any]:
    """An audit trail of which somebody has deleted rows 3 to 5 and 8, next to rows of other days."""
    with pg.connect() as connection, kept(connection, "audit_logs"):
        connection.execute("TRUNCATE audit_logs RESTART IDENTITY")
        texts = 'user.read, "quoted"\nand a second line'
        connection.execute(
            AUDIT + "(SELECT 7, %s, 'user', n::text, timestamptz '2026-11-02' + n * interval '1 hour'"  # noqa: S608
            " FROM generate_series(1, 12) n)",
            [texts],
        )
        connection.execute("UPDATE audit_logs SET created_at = '2026-12-24' WHERE id = 10")
        connection.execute(AUDIT + "VALUES (7, 'late', 'user', 'x', '2026-11-15')")
        connection.execute("DELETE FROM audit_logs WHERE id IN (3, 4, 5, 8)")
        connection.execute(f"GRANT SELECT ON audit_logs, users TO {pg.ops_user}")
        connection.execute(f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {pg.ops_user}")
        yield pg


def program(pg: Any) -> str:
    return str(Path(pg.server.folder) / "pg_dump")


def dumping(pg: Any, identity: Any, **more: Any) -> dict[str, Any]:
    tables = ["public.audit_logs", "public.users"]
    return {
        **pg.login(),
        "encrypt_to": [str(identity.to_public())],
        "dump": {"tables": tables, "program": program(pg), **more},
    }


def faked(directory: Path, text: str) -> str:
    path = directory.parent / "pg_dump"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o700)
    return str(path)
