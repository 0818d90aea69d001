"""The SSH side of a simulated Linux board: keys, connections, channels, SFTP."""
