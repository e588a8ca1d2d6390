# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab's programs come from. Every part has a chain; the first link that is there serves.

1. PATH, and the folders of the distribution.
2. Debian packages, unpacked into the user's cache and never installed (:mod:`.debian`).
3. A wheel of the extra ``lab``, for PostgreSQL (:mod:`.postgresql`).
4. Nothing: the part is absent, and the error names the package.

:mod:`.programs` finds single programs; :func:`find` and :func:`available` find PostgreSQL, which is a folder of them.
"""

from __future__ import annotations

from incident_runbooks.lab.binaries.postgresql import OLDEST_MAJOR, Binaries, available, find
from incident_runbooks.lab.binaries.programs import Program, describe, find_program, locate

__all__ = ["OLDEST_MAJOR", "Binaries", "Program", "available", "describe", "find", "find_program", "locate"]
