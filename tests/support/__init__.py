"""Help the tests: run programs in separate processes, fake the services that Mem0 calls, break builds on purpose.

The index in CONTRIBUTING.md, "Write a test", shows where to start. `tests` is on the path of pytest and of the programs
that tests start, so both import from here.
"""
