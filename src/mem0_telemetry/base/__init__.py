# SPDX-License-Identifier: Apache-2.0
"""What has no opinion on telemetry: guard, clocks, a lock, files. Imports nothing of ours."""
