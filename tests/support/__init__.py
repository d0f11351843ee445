"""Help the tests: run programs in processes of their own, fake what Mem0 speaks to, break builds on purpose.

The index in CONTRIBUTING.md, "Write a test", says where to start. `tests` is on the path of pytest and of the programs
that tests start, so both import from here.
"""
