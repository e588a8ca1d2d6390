# SPDX-License-Identifier: GPL-3.0-or-later
"""incident-runbooks: production incident runbooks as Ansible playbooks, and the command that runs them."""

from __future__ import annotations

__version__ = "0.1.0"
