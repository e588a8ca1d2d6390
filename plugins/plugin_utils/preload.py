# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Load what takes long before Ansible forks: each of the many tasks of a run that acts would load it anew.

Only the actions that act import this. A diagnosis reads a cluster in one task, and its worker loads the package beside
those of the other components.
"""

from __future__ import annotations

from contextlib import suppress

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.lean_import import without

with suppress(ImportError), without("kubernetes_validate"):  # the client says what is missing
    import kubernetes  # noqa: F401
