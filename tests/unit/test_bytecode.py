# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's processes keep the byte code of the collection, as Python does of any package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

COLLECTIONS = Path(__file__).parents[2] / ".collections"
LOADS = """
import importlib, json, sys
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
_AnsibleCollectionFinder(paths=[sys.argv[1]])._install()
plugins = "ansible_collections.brandconnect.incidents.plugins."
if sys.argv[2] == "kept":
    importlib.import_module(plugins + "module_utils.bytecode")
module = importlib.import_module(plugins + "module_utils.decisions.approval")
package = sys.modules[plugins + "module_utils.decisions"]
print(json.dumps([type(module.__spec__.loader).__name__, module.__spec__.cached, module.__file__,
                  type(package.__spec__.loader).__name__]))
"""


def loaded(how: str) -> list[str | None]:
    command = [sys.executable, "-c", LOADS, str(COLLECTIONS), how]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: list[str | None] = json.loads(done.stdout)
    return found


def test_files_of_the_collection_are_loaded_with_their_byte_code() -> None:
    loader, cached, file, of_package = loaded("kept")
    assert loader == "SourceFileLoader"
    assert cached is not None
    assert Path(cached).is_file()
    plain = loaded("plain")
    assert (file, of_package) == (plain[2], plain[3]), "everything else is Ansible's own"
    assert plain[0] == "_AnsibleCollectionLoader", "which compiles the source each time"
