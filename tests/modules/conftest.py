# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab cluster of the module tests; started when a test first needs it."""

from __future__ import annotations

from modules.k8s_support import lab_cluster

__all__ = ["lab_cluster"]
