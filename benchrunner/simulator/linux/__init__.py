"""Linux boards in pure Python, behind a real SSH server."""

from benchrunner.simulator.linux.faults import LinuxFaults, parse_linux
from benchrunner.simulator.linux.ssh.server import SshBoard, serve_ssh_board
from benchrunner.simulator.linux.tools.network import simulated_binary

__all__ = ["LinuxFaults", "SshBoard", "parse_linux", "serve_ssh_board", "simulated_binary"]
