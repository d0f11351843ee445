"""Help for the tests: programs in processes of their own, fake and real destinations, broken builds.

The index in CONTRIBUTING.md, "Write a test", says where to start. Programs that tests start import from here too, so
importing one of these modules imports no more than it needs.
"""
