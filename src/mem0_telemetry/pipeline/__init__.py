# SPDX-License-Identifier: Apache-2.0
"""Composition root: private provider, resource, destinations, exit. Apart from the command, only it names exporters."""
