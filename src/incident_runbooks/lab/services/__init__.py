# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's stand-ins for other people's services have in common: requests, faults, keys, logs, their process."""
