"""Where boards are plugged in: the places of lab.toml, the ports found by USB id, and who is using them."""

from benchrunner.lab.discovery import FoundPort, find_port, find_ports, port_of
from benchrunner.lab.lock import place_lock
from benchrunner.lab.places import LAB_VARIABLE, Lab, Place, find_lab, load_lab

__all__ = [
    "LAB_VARIABLE",
    "FoundPort",
    "Lab",
    "Place",
    "find_lab",
    "find_port",
    "find_ports",
    "load_lab",
    "place_lock",
    "port_of",
]
