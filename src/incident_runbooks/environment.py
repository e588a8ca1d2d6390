# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of a run: an allow-list of what the operator's shell has, and what a run needs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

PASS_ENV = "RUNBOOK_PASS_ENV"  # noqa: S105 - a name
JOURNAL_CALLBACK = "brandconnect.incidents.journal"

_EXACT = frozenset(
    {
        *("HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM"),
        *("SSH_AUTH_SOCK", "REQUESTS_CA_BUNDLE", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"),
    }
)
_PREFIXES = ("LC_", "SSL_CERT_", "XDG_", "VAULT_", "STRIPE_", "BRANDCONNECT_", "RUNBOOK_", "ANSIBLE_")
_PATTERN = re.compile(r"[A-Za-z]+_(PROXY|proxy)|PG[A-Z]+")  # libpq's names have no underscore
# Chosen by the wrapper: a stdout callback or a log file of the operator's would print what nobody redacted
_NEVER = frozenset(
    {PASS_ENV, "ANSIBLE_STDOUT_CALLBACK", "ANSIBLE_LOG_PATH", "ANSIBLE_FORCE_COLOR", "ANSIBLE_INVENTORY"}
)


def allowed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what of *environ* a run may see.

    Names listed in RUNBOOK_PASS_ENV (separated by commas or spaces) pass too, but nothing that would
    change which Python code the run executes.
    """
    wanted = set(re.split(r"[,\s]+", environ.get(PASS_ENV, "")))
    return {name: value for name, value in environ.items() if _passes(name, wanted)}


def _passes(name: str, wanted: set[str]) -> bool:
    if name in _NEVER or name.startswith("PYTHON"):
        return False
    return name in _EXACT or name in wanted or name.startswith(_PREFIXES) or bool(_PATTERN.fullmatch(name))


def forced(
    *,
    private: Path,
    short: Path,
    config: Path,
    collections: list[str],
    callbacks: list[str],
    incident: str,
    run_id: str,
    home: Path,
) -> dict[str, str]:
    """Return what the wrapper decides for a run, whatever the operator's shell says.

    Args:
        private: the run's private directory; what is temporary goes there and disappears with it.
        short: the same for what needs a short path.
        config: the ansible.cfg in force, or an empty file.
        collections: search path, this package's own collection first.
        callbacks: what the operator's configuration enables.
        incident: the incident's id.
        run_id: the run's id; also marks every process of the run.
        home: RUNBOOK_HOME.
    """
    temporary = str(private / "tmp")
    return {
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(collections),
        "ANSIBLE_CALLBACKS_ENABLED": ",".join(dict.fromkeys([*callbacks, JOURNAL_CALLBACK])),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_CACHE_PLUGIN": "memory",  # facts of an earlier run must not decide anything
        "ANSIBLE_TASK_TIMEOUT": "0",  # an action cut off in the middle could not say what it had done
        "ANSIBLE_KEEP_REMOTE_FILES": "False",  # a kept module file holds its arguments
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",  # half an inventory would be half a diagnosis
        # it would wait for an answer that nobody can give
        **dict.fromkeys(("ANSIBLE_ASK_PASS", "ANSIBLE_ASK_VAULT_PASS", "ANSIBLE_BECOME_ASK_PASS"), "False"),
        "LC_ALL": locale(),
        "ANSIBLE_LOCAL_TEMP": temporary,
        "ANSIBLE_REMOTE_TEMP": temporary,
        "ANSIBLE_ASYNC_DIR": temporary,
        "TMPDIR": str(short),
        "RUNBOOK_HOME": str(home),
        "RUNBOOK_INCIDENT": incident,
        "RUNBOOK_RUN_ID": run_id,
        "RUNBOOK_PARENT_DEATH": "1",
    }


def locale() -> str:
    """Return a locale in UTF-8: Ansible starts in no other one, and error texts of the system stay comparable."""
    return "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
