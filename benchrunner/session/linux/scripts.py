"""The shell scripts that are run on a Linux board: plain POSIX, as dash and busybox have it.

Each is given to `sh -s` on standard input. The first argument is the folder in which the board's `/proc`,
`/sys`, `/etc` and `/run` are: empty on a board, something else in tests. What they print is described in
docs/board-runner.md.
"""

from __future__ import annotations

from typing import Final

CONDITIONS: Final = r"""# benchrunner conditions 1
R=${1-}
S="$R/sys"
C="$S/devices/system/cpu"
say() { if [ -n "$2" ]; then printf '%s %s\n' "$1" "$2"; fi; }
line() { v=; if [ -r "$2" ]; then read -r v < "$2"; say "$1" "$v"; fi; }
text() { if [ -r "$2" ]; then say "$1" "$(tr '\000\n' '  ' < "$2")"; fi; }
exec 2> /dev/null
for d in "$S/firmware/devicetree/base" "$R/proc/device-tree"; do
    if [ -r "$d/compatible" ]; then
        text device_tree.model "$d/model"
        text device_tree.compatible "$d/compatible"
        break
    fi
done
line dmi.vendor "$S/class/dmi/id/sys_vendor"
line dmi.product "$S/class/dmi/id/product_name"
say kernel "$(uname -r)"
say machine "$(uname -m)"
line boot_id "$R/proc/sys/kernel/random/boot_id"
line uptime_s "$R/proc/uptime"
if [ -r "$R/etc/os-release" ]; then
    while IFS= read -r v; do
        case $v in
            PRETTY_NAME=*|BUILD_ID=*) say "os.${v%%=*}" "${v#*=}" ;;
        esac
    done < "$R/etc/os-release"
fi
if command -v x-linux-ai > /dev/null; then say x_linux_ai "$(x-linux-ai -v | tr '\n' ' ')"; fi
for d in "$R"/usr/local/bin/*/tools; do if [ -d "$d" ]; then say tools "${d#"$R"}"; fi; done
say cpus "$(nproc)"
line cpus.online "$C/online"
if [ -r "$R/proc/cpuinfo" ]; then
    while IFS=: read -r k v; do
        case $k in
            'CPU part'*) say cpu.part "$v" ;;
            'CPU implementer'*) say cpu.implementer "$v" ;;
            'model name'*) say cpu.name "$v" ;;
            Hardware*) say cpu.hardware "$v" ;;
        esac
    done < "$R/proc/cpuinfo"
fi
for d in "$C"/cpu[0-9]*; do
    n=${d##*/}
    for f in governor cur_freq min_freq max_freq driver; do
        line "cpufreq.$n.$f" "$d/cpufreq/scaling_$f"
    done
    for f in cpuinfo_max_freq; do
        line "cpufreq.$n.$f" "$d/cpufreq/$f"
    done
    for f in core_throttle_count package_throttle_count; do
        line "throttle.$n.$f" "$d/thermal_throttle/$f"
    done
done
line npu.clock "$S/kernel/debug/gc/clk"
line npu.driver "$S/kernel/debug/gc/version"
for d in "$S"/class/devfreq/*; do
    n=${d##*/}
    for f in governor cur_freq; do line "devfreq.$n.$f" "$d/$f"; done
done
for d in "$S"/class/thermal/thermal_zone*; do
    n=${d##*/}
    line "thermal.$n.type" "$d/type"
    line "thermal.$n.temp" "$d/temp"
    for f in "$d"/trip_point_*_type; do
        t=${f%_type}
        line "thermal.$n.${t##*/}.type" "$f"
        line "thermal.$n.${t##*/}.temp" "${t}_temp"
    done
done
for d in "$S"/class/thermal/cooling_device*; do
    n=${d##*/}
    line "cooling.$n.type" "$d/type"
    line "cooling.$n.state" "$d/cur_state"
done
line loadavg "$R/proc/loadavg"
if [ -r "$R/proc/meminfo" ]; then
    while IFS=: read -r k v; do
        case $k in
            MemTotal|MemAvailable|SwapFree) say "memory.$k" "$v" ;;
        esac
    done < "$R/proc/meminfo"
fi
line ticks "$R/proc/stat"
say ticks.rate "$(getconf CLK_TCK)"
echo end benchrunner
"""

TUNE: Final = r"""# benchrunner tune 1
R=${1-}
action=$2
owner=$3
token=$4
wanted=$5
D="$R/run"
if ! [ -w "$D" ]; then D=$HOME; fi
D="$D/.benchrunner-tune"
G=scaling_governor
first() { v=; if [ -r "$1" ]; then read -r v < "$1"; fi; printf '%s' "$v"; }
put_back() {
    if [ -r "$D/old" ]; then
        while read -r file value; do echo "$value" > "$file"; done < "$D/old"
    fi
    rm -f "$D/old" "$D/boot" "$D/owner" "$D/token" "$D/watched" "$D/new"
    rmdir "$D"
}
begun() {  # of a process: the 20th word after its name, `starttime` of proc(5); empty when it has ended
    s=$(first "/proc/$1/stat")
    s=${s##*) }
    set -- $s
    if [ $# -ge 20 ]; then shift 19; printf '%s' "$1"; fi
}
parent() { s=$(first "/proc/$1/stat"); s=${s##*) }; set -- $s; printf '%s' "${2-}"; }
session() { s=$(first "/proc/$1/stat"); s=${s##*) }; set -- $s; printf '%s' "${4-}"; }
connection() {  # the process that serves this connection: it ends when the connection does
    p=$PPID
    while [ "${p:-0}" -gt 1 ]; do
        case $(first "/proc/$p/comm") in sshd*|dropbear*) printf '%s' "$p"; return ;; esac
        p=$(parent "$p")
    done
    parent "$(session $$)"
}
# Not for a group of commands: the shell would keep the old one, and the process below with it.
exec 2> /dev/null
case $action in
recover)
    if [ -d "$D" ]; then
        if [ "$(first "$D/boot")" != "$(first "$R/proc/sys/kernel/random/boot_id")" ]; then
            rm -f "$D/old"
            put_back
        else
            v=$(first "$D/watched")
            watched=${v%% *}
            alive=
            if [ -n "$v" ] && [ "$(begun "$watched")" = "${v#* }" ]; then alive=1; fi
            if [ -n "$alive" ] && [ "$(first "$D/owner")" != "$owner" ]; then
                echo "busy $(first "$D/owner")"
            else
                put_back
                echo restored
            fi
        fi
    fi
    ;;
set)
    if ! mkdir -m 700 "$D"; then
        echo "failed $D"
        exit 1
    fi
    first "$R/proc/sys/kernel/random/boot_id" > "$D/boot"
    echo "$owner" > "$D/owner"
    echo "$token" > "$D/token"
    : > "$D/new"
    for file in "$R"/sys/devices/system/cpu/cpu[0-9]*/cpufreq/$G; do
        value=$(first "$file")
        if [ -n "$value" ] && [ "$value" != "$wanted" ]; then echo "$file $value" >> "$D/new"; fi
    done
    mv "$D/new" "$D/old"
    n=0
    while read -r file value; do
        echo "$wanted" > "$file"
        if [ "$(first "$file")" != "$wanted" ]; then
            echo "failed $file"  # before put_back, which reads into the same variable
            put_back
            exit 1
        fi
        n=$((n + 1))
        echo "was $value"
    done < "$D/old"
    watched=$(connection)
    started=$(begun "$watched")
    if [ -n "$started" ]; then
        echo "$watched $started" > "$D/watched"
        (
            trap '' HUP INT TERM
            while [ "$(first "$D/token")" = "$token" ] && [ "$(begun "$watched")" = "$started" ]; do
                sleep "${6:-5}"
            done
            if [ "$(first "$D/token")" = "$token" ]; then put_back; fi
        ) < /dev/null > /dev/null &
        echo "watched $watched"
    fi
    echo "changed $n"
    ;;
restore)
    if [ "$(first "$D/token")" = "$token" ]; then
        put_back
        echo restored
    fi
    ;;
esac
echo end benchrunner
"""
