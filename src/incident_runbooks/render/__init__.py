# SPDX-License-Identifier: GPL-3.0-or-later
"""Results for people."""

from __future__ import annotations
