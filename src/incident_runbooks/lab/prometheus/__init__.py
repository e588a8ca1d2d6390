# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Prometheus: the real program, which scrapes the backend's pods."""
