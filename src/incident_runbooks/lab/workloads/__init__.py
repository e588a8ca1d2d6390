# SPDX-License-Identifier: GPL-3.0-or-later
"""BrandConnect's programs in small, as the lab's pods run them: ``python -m incident_runbooks.lab.workloads.<name>``.

They know nothing of the cluster. What they are told comes from their environment, what they have to tell goes to
standard output, and how they misbehave is in :mod:`.faults`.
"""
