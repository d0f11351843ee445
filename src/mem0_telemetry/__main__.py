# SPDX-License-Identifier: Apache-2.0
"""Run the command as `python -m mem0_telemetry`, for example if its script is not on the path."""

import sys

from mem0_telemetry.cli import main

sys.exit(main())
