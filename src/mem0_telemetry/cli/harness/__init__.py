# SPDX-License-Identifier: Apache-2.0
"""Shared by `demo`, `verify` and the tests: watched programs that use real Mem0, ways to switch off, fake servers."""
