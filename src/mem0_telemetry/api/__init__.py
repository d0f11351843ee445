# SPDX-License-Identifier: Apache-2.0
"""The functions that `mem0_telemetry` exports: they act on usage telemetry and on Mem0's operations alike."""
