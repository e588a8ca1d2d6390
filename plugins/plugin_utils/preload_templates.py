# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Load what evaluates templates before Ansible forks: each worker would load it anew, at 10 ms and more a task."""

from __future__ import annotations

from typing import Any

from ansible.template import Templar, trust_as_template

# A filter and a test of Ansible's own that Jinja does not have; with one of a file, Ansible loads all of its files
_TEMPLATE = trust_as_template("{{ true | bool is truthy }}")


def preload_templates(loader: Any) -> None:
    """Evaluate a template that needs filters and tests.

    Args:
        loader: the play's.
    """
    Templar(loader=loader, variables={}).template(_TEMPLATE)
