# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence on the disk: for its owner only, complete or not there, and what of an object is kept."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_files import make_folder, save
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence import (
    about,
    folder_name,
    sums,
    without_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    return own


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_can_read_it(root: Path) -> None:
    before = os.umask(0)
    try:
        folder = make_folder(root / "new", "evidence/now")
        saved = save(folder, "pods/a/app.log", [b"one\n", b"two\n"], 1024)
    finally:
        os.umask(before)
    assert saved.path.read_bytes() == b"one\ntwo\n"
    assert (saved.size, saved.truncated) == (8, False)
    assert saved.sha256 == hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert mode(saved.path) == 0o600
    for each in saved.path.relative_to(root).parents:
        assert mode(root / each) == 0o700


@pytest.mark.parametrize("how", ["world", "tmp", "file", "link", "relative"])
def test_folders_that_are_refused(root: Path, how: str) -> None:
    paths = {
        "world": root,
        "tmp": Path(tempfile.gettempdir()),
        "file": root / "f",
        "link": root / "l",
        "relative": Path("x"),
    }
    (root / "f").write_text("", encoding="utf-8")
    (root / "l").symlink_to(root)
    if how == "world":
        root.chmod(0o755)
    with pytest.raises(IncidentsError, match="Saving evidence in"):
        make_folder(paths[how], "now")
    assert not (paths[how] / "now").exists()


def test_a_missing_parent_is_not_made_up(root: Path) -> None:
    with pytest.raises(IncidentsError, match="No such file or directory"):
        make_folder(root / "a" / "b", "now")


@pytest.mark.parametrize("chunk", [1, 7, 100, 5000])
def test_of_a_long_log_the_end_is_kept_from_a_beginning_of_a_line(root: Path, chunk: int) -> None:
    content = b"".join(b"line %06d\n" % number for number in range(1000))
    parts = [content[start : start + chunk] for start in range(0, len(content), chunk)]
    saved = save(root, "app.log", parts, 1000)
    kept = saved.path.read_bytes()
    assert saved.truncated
    assert content.endswith(kept)
    assert kept.startswith(b"line ")
    assert 1000 - 12 <= len(kept) <= 1000
    assert (saved.size, saved.sha256) == (len(kept), hashlib.sha256(kept).hexdigest())


def test_a_log_of_just_the_limit_is_whole(root: Path) -> None:
    saved = save(root, "app.log", [b"x" * 1024], 1024)
    assert (saved.size, saved.truncated) == (1024, False)


def test_nothing_is_left_of_a_stream_that_breaks(root: Path) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"one\n"
        raise IncidentsError("gone")

    with pytest.raises(IncidentsError, match="gone"):
        save(root, "app.log", breaking(), 1024)
    assert list(root.iterdir()) == []


def test_a_file_is_never_overwritten_through_a_link(root: Path) -> None:
    (root / "victim").write_bytes(b"precious")
    (root / "app.log.part").symlink_to(root / "victim")
    with pytest.raises(IncidentsError, match="File exists"):
        save(root, "app.log", [b"new"], 1024)
    assert (root / "victim").read_bytes() == b"precious"


def test_values_that_look_like_secrets_are_masked() -> None:
    env = [
        {"name": "DB_PASSWORD", "value": "hunter2"},
        {"name": "DATABASE_URL", "value": "postgres://app:hunter2@db/shop"},
        {"name": "POOL_MAX", "value": "100"},
        {"name": "JWT_SECRET", "valueFrom": {"secretKeyRef": {"name": "jwt", "key": "secret"}}},
    ]
    container = {
        "name": "app",
        "env": env,
        "command": ["sh", "-c", "PGPASSWORD=hunter2 app"],
        "args": ["--token=hunter2"],
    }
    metadata = {
        "name": "a",
        "managedFields": [{}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"},
    }
    pod = {"kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    deployment = {"metadata": {}, "spec": {"template": {"spec": {"initContainers": [container]}}}}
    for item in (pod, deployment):
        kept = without_secrets(item)
        assert "hunter2" not in str(kept)
        assert "'POOL_MAX', 'value': '100'" in str(kept)
        assert "secretKeyRef" in str(kept)
    assert "managedFields" not in without_secrets(pod)["metadata"]
    assert env[0]["value"] == "hunter2", "the original was changed"


def event(uid: str, at: str, message: str = "") -> dict[str, Any]:
    return {"metadata": {"name": at}, "involvedObject": {"uid": uid}, "lastTimestamp": at, "message": message}


def test_events_about_the_workload_oldest_first() -> None:
    events = [event("u1", "3"), event("other", "1"), event("u2", "2", "password=hunter2 is wrong")]
    found = about(events, ["u1", "u2"])
    assert [each["metadata"]["name"] for each in found] == ["2", "3"]
    assert "hunter2" not in str(found)


def test_each_moment_has_its_own_folder() -> None:
    now = dt.datetime(2026, 11, 23, 21, 40, 12, 110000, tzinfo=dt.UTC)
    assert folder_name(now, "Deployment", "backend") == "evidence/20261123T214012.110000Z-deployment-backend"


def test_sums_are_what_sha256sum_reads() -> None:
    assert sums([{"sha256": "ab", "name": "k8s/pods.json"}]) == "ab  k8s/pods.json\n"
