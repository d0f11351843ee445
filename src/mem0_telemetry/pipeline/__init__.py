# SPDX-License-Identifier: Apache-2.0
"""Composition root: the private provider, its resource and the destinations. Only this package names exporters."""
