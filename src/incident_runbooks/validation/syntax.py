# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks' syntax, judged by Ansible itself in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from incident_runbooks import environment
from incident_runbooks.errors import RunbookError
from incident_runbooks.execution.ansible import ansible_playbook
from incident_runbooks.validation.problems import Problem

PATIENCE_S = 300.0
_ERROR = re.compile(r"\[ERROR\]: (.+?)(?=\n\s*\n|\Z)", re.DOTALL)
_LONGEST = 500


def playbooks_of(root: Path) -> list[Path]:
    """Return the playbooks of a collection."""
    return sorted((root / "playbooks").glob("*.yml"))


def check_syntax(root: Path) -> list[Problem]:
    """Return what Ansible has against the playbooks of a collection.

    Args:
        root: the collection's directory; the playbooks find its roles and plugins, whatever else is installed.

    Raises:
        RunbookError: Ansible does not start, or does not end.
    """
    playbooks = playbooks_of(root)
    with tempfile.TemporaryDirectory(prefix="runbook-") as place:
        link = Path(place, "ansible_collections", "brandconnect", "incidents")
        link.parent.mkdir(parents=True)
        link.symlink_to(root.resolve(), target_is_directory=True)
        Path(place, "ansible.cfg").touch()  # nobody's settings
        if not playbooks or _says(link, playbooks) is None:
            return []
        said = {playbook: _says(link, [playbook]) for playbook in playbooks}  # it stops at the first that is wrong
    return [
        Problem(
            f"playbooks/{playbook.name}", f"Ansible cannot read it: {what}", "correct the playbook, or what it imports"
        )
        for playbook, what in said.items()
        if what is not None
    ]


def _says(link: Path, playbooks: list[Path]) -> str | None:
    """Return what Ansible has against playbooks, ``None`` where it has nothing."""
    place = link.parents[2]
    command = [*ansible_playbook(), "--syntax-check", "-i", "localhost,"]
    try:
        done = subprocess.run(  # noqa: S603 - this installation's own Ansible
            [*command, *(str(link / "playbooks" / playbook.name) for playbook in playbooks)],
            cwd=place,
            env=_environment(place),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunbookError(f"Checking the playbooks' syntax with {command[0]}: {error}") from error
    if done.returncode == 0:
        return None
    found = _ERROR.search(done.stderr)
    lines = [found[1] if found else line for line in done.stderr.strip().splitlines()[-1:]]
    what = " ".join(" ".join(lines).split()) or f"exit code {done.returncode}"
    for prefix in (str(link), str(link.resolve())):
        what = what.replace(f"{prefix}/", "")
    return what[:_LONGEST]


def _environment(place: Path) -> dict[str, str]:
    kept = {name: value for name, value in environment.allowed(os.environ).items() if not name.startswith("ANSIBLE_")}
    return {
        **kept,
        "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(place),
        "ANSIBLE_HOME": str(place / "home"),
        "ANSIBLE_LOCAL_TEMP": str(place / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": environment.locale(),
    }
