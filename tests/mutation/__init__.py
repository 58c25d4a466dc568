"""Deliberate breaks of the protocol, each of which must turn a check red."""
