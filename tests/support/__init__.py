"""Help the tests: run programs in processes of their own, fake what Mem0 speaks to, break builds on purpose.

The index in CONTRIBUTING.md, "Write a test", says where to start. The programs that tests start import from here too,
so a module here imports nothing that a program must not have.
"""
