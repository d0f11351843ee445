# SPDX-License-Identifier: Apache-2.0
"""The versions that this package reports. Each is defined only here."""

__version__ = "0.1.0"
"""The version of this distribution."""
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""The version of OpenTelemetry's semantic conventions that all our telemetry follows."""
