# SPDX-License-Identifier: Apache-2.0
"""What `demo`, `verify` and the tests share: watched programs that use real Mem0, ways to switch off, fake servers."""
