# SPDX-License-Identifier: Apache-2.0
"""Helpers that know nothing of telemetry: guard, clocks, a lock, files. Imports nothing else of this package."""
