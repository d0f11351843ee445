# SPDX-License-Identifier: Apache-2.0
"""The version, readable without asking the package metadata for it (53 ms)."""

__version__ = "0.1.0"
