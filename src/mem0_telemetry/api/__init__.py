# SPDX-License-Identifier: Apache-2.0
"""The functions that `mem0_telemetry` exports. They serve both usage telemetry and Mem0's operations."""
