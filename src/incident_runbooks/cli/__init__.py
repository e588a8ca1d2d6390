# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``runbook``: one command, one file; ``main.py`` registers them and is the one error edge."""

from __future__ import annotations
