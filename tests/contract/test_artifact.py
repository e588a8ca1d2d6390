# SPDX-License-Identifier: GPL-3.0-or-later
"""What is handed over: the artifact of ``ansible-galaxy collection build``, the templates of an inventory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
JUNK = (
    *(".env", ".mypy_cache/3.11/x.json", ".ruff_cache/x", ".pytest_cache/x", ".ansible/x", ".venv-3.13/bin/python"),
    *("build/x", "dist/x.whl", "src/incident_runbooks.egg-info/PKG-INFO", "plugins/modules/__pycache__/x.cpython.pyc"),
)
TOP = {
    *("alerts", "changelogs", "deploy", "docs", "inventory", "meta", "playbooks", "plugins", "roles", "src"),
    *("FILES.json", "LICENSE", "MANIFEST.json", "README.md", "ansible.cfg"),
}


def test_the_artifact_carries_the_collection_alone(tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file():  # not the link to this very folder
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy / name)
    for name in JUNK:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("secret\n", encoding="utf-8")
    program = Path(sys.executable).parent / "ansible-galaxy"
    command = [str(program), "collection", "build", str(copy), "--output-path", str(tmp_path)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(command, cwd=tmp_path, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (artifact,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(artifact) as tar:
        names = {member.name for member in tar.getmembers() if member.isfile()}
    assert {name.partition("/")[0] for name in names} == TOP
    assert names.isdisjoint(JUNK)
    assert {name for name in names if name.startswith("src/")} == {
        f"src/incident_runbooks/schemas/{path.name}" for path in (ROOT / "src/incident_runbooks/schemas").glob("*.json")
    }
    assert {"roles/common/tasks/main.yml", "plugins/modules/pg_activity.py", "playbooks/rollback.yml"} <= names


def test_the_readme_names_every_host_of_the_templates() -> None:
    told = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Inventory")[2].partition("Logins as small")[0]
    for name in ("production", "staging", "lab"):
        hosts = yaml.safe_load((ROOT / f"inventory/{name}/hosts.yml").read_text(encoding="utf-8"))["all"]["hosts"]
        assert {f"`{host}`" for host in hosts} - {"`localhost`"} <= set(re.findall(r"`[\w-]+`", told)), name
