# SPDX-License-Identifier: Apache-2.0
"""The versions that we state, each in the one place where it is written."""

__version__ = "0.1.0"
"""Of this distribution."""
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""Of OpenTelemetry's semantic conventions, for all that we record."""
