# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of the collection says about how it behaves."""

from __future__ import annotations


class ModuleDocFragment:
    """``attributes`` is for all, one of its sections for the kind of module."""

    DOCUMENTATION = r"""
options: {}
attributes:
  diff_mode:
    description: Returns details of what was or would be changed, in diff mode.
    support: none
    details: What was or would be changed is always in the result.
"""

    # Looks, and changes nothing.
    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
    details: The module never changes anything, so check mode makes no difference.
  in_process:
    description: Runs inside the Ansible worker, without starting an interpreter, where the connection is local.
    support: full
"""

    # Changes something.
    ACTING = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
    details: Everything is computed from the real state, and nothing is changed.
  in_process:
    description: Runs inside the Ansible worker, without starting an interpreter, where the connection is local.
    support: full
"""

    # Writes into the journal of the run, on the controller.
    RECORDING = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
    details: It records in check mode as well; nothing but the journal of the run is written.
  action:
    description: Runs on the controller only, as an action plugin.
    support: full
"""
