"""The speed suite: figures to compare, never a test."""
