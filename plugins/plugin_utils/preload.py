# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Load what takes long before Ansible forks: each of the many tasks of a run that acts would load it anew.

Only the actions that act import this. A diagnosis reads a cluster in one task, and its worker loads the package beside
those of the other components.
"""

from __future__ import annotations

from contextlib import suppress

with suppress(ImportError):  # the client says what is missing
    import kubernetes  # noqa: F401
