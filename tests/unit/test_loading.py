# SPDX-License-Identifier: GPL-3.0-or-later
"""What is loaded and when: a diagnosis waits for it in every worker."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.lean_import import without

ROOT = Path(__file__).parents[2]
CLIENTS = "ansible_collections.brandconnect.incidents.plugins.module_utils.clients"
UTILS = "ansible_collections.brandconnect.incidents.plugins.plugin_utils"
LOADED = "import json, sys; print(json.dumps(sorted(sys.modules)))"
ASK = f"""
from {CLIENTS}.kubernetes_config import load_configuration
load_configuration({{'host': 'https://127.0.0.1', 'api_key': 'x', 'validate_certs': True}}, '/nowhere')
"""
PRELOAD = f"""
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from {UTILS}.preload_templates import preload_templates
init_plugin_loader([])
preload_templates(DataLoader())
"""


def loaded_by(code: str) -> set[str]:
    """The modules that a new interpreter has after it ran *code*."""
    program = f"{code}\n{LOADED}"
    paths = os.pathsep.join([str(ROOT / ".collections"), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("code", "package", "unused"),
    [
        (f"import {CLIENTS}.stripe_transport", "stripe", "aiohttp"),
        (ASK, "kubernetes", "kubernetes_validate"),
        (f"import {UTILS}.preload", "kubernetes", "kubernetes_validate"),
    ],
    ids=["stripe", "kubernetes", "preload"],
)
def test_a_package_is_loaded_without_what_nothing_here_uses(code: str, package: str, unused: str) -> None:
    assert importlib.util.find_spec(unused), "where it is not installed, this shows nothing"
    loaded = loaded_by(code)
    assert package in loaded
    assert unused not in loaded


def test_a_package_can_be_loaded_again_afterwards() -> None:
    with pytest.raises(ImportError), without("wave"):
        import wave  # noqa: PLC0415
    import wave  # noqa: PLC0415

    assert wave.open


def test_a_package_that_is_loaded_stays() -> None:
    with without("json"):
        import json as same  # noqa: PLC0415

        assert same is json
    assert sys.modules["json"] is json


def test_workers_inherit_what_speaks_http() -> None:
    code = f"from {UTILS}.preload_http import preload_http"
    assert "requests" not in loaded_by(code), "only when a runbook begins"
    assert "requests" in loaded_by(f"{code}; preload_http()")


def test_workers_inherit_what_evaluates_templates() -> None:
    loaded = loaded_by(PRELOAD)
    for kind in ("filter", "test"):
        assert any(name.startswith(f"ansible.plugins.{kind}.core") for name in loaded), kind
