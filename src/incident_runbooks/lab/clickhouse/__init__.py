# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's ClickHouse: the real engine of the wheel chdb-core behind an HTTP front, and Debian's 18.16 beside it."""
