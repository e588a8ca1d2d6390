# SPDX-License-Identifier: GPL-3.0-or-later
"""The node: runs the containers of pods as local processes, and tells the API how they are."""
