# SPDX-License-Identifier: Apache-2.0
"""`python -m mem0_telemetry`: the command, where its script is not on the path."""

import sys

from mem0_telemetry.cli import main

sys.exit(main())
