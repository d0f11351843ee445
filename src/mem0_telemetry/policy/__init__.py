# SPDX-License-Identifier: Apache-2.0
"""Decide whether an event may be sent, and with which values. Nothing here depends on delivery."""
