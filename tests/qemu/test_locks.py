"""Locks under several processors, by the debug build: what they protect stays whole, and each misuse is told."""
