# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Let Python keep the byte code of this collection, as it does of any other package. Importing this is enough.

Ansible compiles what a collection's plugins import anew in each of its processes, a hundred files for each task of a
diagnosis: its loader reads the source only. A finder of :data:`sys.meta_path` before its own hands these files to
Python's own loader, which keeps byte code where it may write, and looks whether the source is still the same.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_PLUGINS = "ansible_collections.brandconnect.incidents.plugins."


class KeptFinder(MetaPathFinder):
    """Finds the files of this collection; packages, and all that is not there, are left to Ansible."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - the importer gives it
    ) -> ModuleSpec | None:
        """Return how to load a module with its byte code; ``None`` for what is none of this finder's.

        Args:
            fullname: of the module.
            path: directories of the package that it is in.
        """
        if not fullname.startswith(_PLUGINS):
            return None
        name = fullname.rpartition(".")[2] + ".py"
        for directory in path or ():
            file = os.path.join(directory, name)  # noqa: PTH118 - pathlib costs more than it finds here
            if os.path.isfile(file):  # noqa: PTH113 - as above
                return importlib.util.spec_from_file_location(fullname, file)
        return None


sys.meta_path.insert(0, KeptFinder())
