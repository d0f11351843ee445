"""What `demo`, `verify` and the tests share: watched programs that use real Mem0, ways to switch off, fake servers."""
