"""Conversations with a device that end in a measurement."""
