# SPDX-License-Identifier: Apache-2.0
"""All knowledge of Mem0's code: where it keeps its names, how to read an instance, how to replace a module."""
