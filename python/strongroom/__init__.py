"""Encryption at rest at the speed of the machine, with keys under governance."""
