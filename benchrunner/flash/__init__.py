"""An image onto a board: entry into the bootloader, compare, erase, write, verify, recovery."""
