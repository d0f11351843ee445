# SPDX-License-Identifier: Apache-2.0
"""Composition root: the private provider, its resource, the destinations and the exit. Names the exporters."""
