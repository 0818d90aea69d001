"""Simulated STM32 boards in pure Python: ROM bootloader, flash, application, and the serial line to them."""
