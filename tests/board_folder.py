"""A folder with the /proc and /sys of a Linux board, for the scripts that read them."""

from __future__ import annotations

from pathlib import Path

CPUFREQ = "sys/devices/system/cpu/cpu{}/cpufreq"
STM32MP257 = {
    "proc/device-tree/model": "STMicroelectronics STM32MP257F-DK Discovery Board\0",
    "proc/device-tree/compatible": "st,stm32mp257f-dk\0st,stm32mp257\0",
    "proc/sys/kernel/random/boot_id": "11111111-2222-3333-4444-555555555555\n",
    "proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd04\n\nCPU part\t: 0xd04\n",
    "proc/loadavg": "0.08 0.03 0.01 1/98 1234\n",
    "proc/meminfo": "MemTotal:        3900000 kB\nMemFree:     10 kB\nMemAvailable:    3500000 kB\n",
    "proc/stat": "cpu  1000 0 500 98000 100 0 0 0 0 0\ncpu0 1 2 3\n",
    "etc/os-release": 'ID=openstlinux\nPRETTY_NAME="ST OpenSTLinux - Weston 5.0.3"\nBUILD_ID=20240601\n',
    "sys/devices/system/cpu/online": "0-1\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "45123\n",
    "sys/class/thermal/thermal_zone0/trip_point_0_type": "passive\n",
    "sys/class/thermal/thermal_zone0/trip_point_0_temp": "85000\n",
    "sys/class/thermal/cooling_device0/type": "cpufreq-cpu0\n",
    "sys/class/thermal/cooling_device0/cur_state": "0\n",
    "sys/kernel/debug/gc/clk": "gpu0 mc clock: 800000000 HZ.\ngpu0 sh clock: 800000000 HZ.\n",
    "run/keep": "",
} | {
    f"{CPUFREQ.format(cpu)}/{name}": value
    for cpu in (0, 1)
    for name, value in {
        "scaling_governor": "schedutil\n",
        "scaling_cur_freq": "1200000\n",
        "scaling_min_freq": "400000\n",
        "scaling_max_freq": "1500000\n",
        "cpuinfo_max_freq": "1500000\n",
    }.items()
}


def board_folder(folder: Path, changed: dict[str, str | None] | None = None) -> Path:
    """Write the files of an STM32MP257F-DK, or what `changed` makes of them (None: not there)."""
    for name, text in {**STM32MP257, **(changed or {})}.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder


def governor(folder: Path, cpu: int) -> Path:
    return folder / CPUFREQ.format(cpu) / "scaling_governor"
