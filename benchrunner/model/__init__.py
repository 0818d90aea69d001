"""Models: reading, cost, memory."""
