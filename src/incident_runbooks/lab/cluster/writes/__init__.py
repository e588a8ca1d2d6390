# SPDX-License-Identifier: GPL-3.0-or-later
"""What a write makes of an object before it is stored: patches, ownership, defaults, validation."""
