# SPDX-License-Identifier: Apache-2.0
"""May it be sent, and what: consent, identity, registry, sampling, notice. Nothing here knows of delivery."""
