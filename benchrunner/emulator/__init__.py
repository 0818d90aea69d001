"""Emulated boards: the image of the real board executed instruction by instruction. Counts, never times."""
