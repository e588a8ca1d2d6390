# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel carries everything: installed into an empty environment, it works from any directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def call(*command: str | Path, cwd: str | Path = "/", **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "RUNBOOK_", "PYTHON"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept | environment,
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def install(python: Path, *what: str | Path) -> None:
    uv = shutil.which("uv")
    pip = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    call(*pip, "--quiet", *([] if uv else ["--no-compile"]), *what)  # what is used is compiled when it is used


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a new virtual environment that holds the wheel and its pinned dependencies."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory / "dist", ROOT]
    call(*build)
    (wheel,) = (directory / "dist").glob("*.whl")
    venv.create(directory / "venv", with_pip=True)
    binaries = directory / "venv/bin"
    install(binaries / "python", "--require-hashes", "-r", ROOT / "requirements/runtime.txt")
    install(binaries / "python", "--no-deps", wheel)
    return binaries


def test_the_command_lists_the_incident_types(installed: Path, tmp_path: Path) -> None:
    listed = json.loads(call(installed / "runbook", "list", "--output", "json", RUNBOOK_HOME=str(tmp_path)).stdout)
    assert [entry["type"] for entry in listed] == [
        *("api-latency", "auth-down", "data-breach", "ingestion-lag"),
        *("payment-failure", "pool-exhaustion", "webhook-failures"),
    ]


def test_ansible_finds_the_playbook_by_name(installed: Path) -> None:
    playbook = "brandconnect.incidents.pool_exhaustion"
    program = installed / "ansible-playbook"
    assert "pool_exhaustion" in call(program, playbook, "--syntax-check", "-i", "localhost,").stdout


def test_the_modules_are_documented(installed: Path) -> None:
    program = installed / "ansible-doc"
    assert "pg_terminate_idle" in call(program, "brandconnect.incidents.pg_terminate_idle").stdout


def test_the_alerts_and_the_templates_of_an_inventory_are_there(installed: Path) -> None:
    code = "from incident_runbooks.collection import collection_root; print(collection_root())"
    root = Path(call(installed / "python", "-c", code).stdout.strip())
    assert sorted(path.name for path in (root / "alerts").glob("*.yml")) == sorted(
        path.name for path in (ROOT / "alerts").glob("*.yml")
    )
    for name in ("production", "staging"):
        assert (root / f"inventory/{name}/hosts.yml").read_text() == (ROOT / f"inventory/{name}/hosts.yml").read_text()


def test_its_own_runbooks_are_valid(installed: Path, tmp_path: Path) -> None:
    said = json.loads(call(installed / "runbook", "validate", "--output", "json", cwd=tmp_path).stdout)
    assert (said["valid"], said["problems"], said["checked"]["runbooks"]) == (True, [], 7)
    assert "ansible_collections/brandconnect/incidents" in said["collection"]
    assert list(tmp_path.iterdir()) == []


def test_it_needs_nothing_of_this_checkout(installed: Path) -> None:
    code = "import incident_runbooks.schemas, sys; print(incident_runbooks.__file__)"
    where = call(installed / "python", "-c", code).stdout
    assert str(ROOT) not in where
