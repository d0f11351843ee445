# SPDX-License-Identifier: Apache-2.0
"""Usage telemetry of this process: the switches, the recorder, and the dry run."""
