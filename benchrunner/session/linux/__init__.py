"""Conversations with a Linux board over a shell: its conditions, the runner on it, its own tools."""
