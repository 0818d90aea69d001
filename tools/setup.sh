#!/usr/bin/env bash
# Sets up what `make run`, `make test` and `make gate` need, and nothing twice: Python environments beside the
# sources, and the system packages that the tests use. Usage: tools/setup.sh run|test|gate
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

apt_install() {
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            say "error: need the packages: $*"
            say "  hint: run as root: apt-get install $*"
            exit 2
        }
        sudo="sudo"
    fi
    command -v apt-get >/dev/null || {
        say "error: need the packages: $*, and this machine has no apt-get to install them"
        exit 2
    }
    say "installing system packages: $*"
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# The first interpreter that is new enough; $PYTHON overrides.
find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3 python3.12 python3.13; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "error: benchrunner needs Python 3.11 or later, found: $(python3 --version 2>&1)"
    say "  hint: install python3.11, or set PYTHON=/path/to/it"
    exit 2
}

# make_environment FOLDER PYTHON: an empty virtual environment.
make_environment() {
    local folder=$1 python=$2
    [ -x "$folder/bin/pip" ] && return
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        apt_install "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    say "creating $folder with $("$python" --version)"
    rm -rf "$folder"
    "$python" -m venv "$folder"
}

# install FOLDER NAME REQUIREMENT...: once per change of pyproject.toml.
install() {
    local folder=$1 stamp=$1/.installed-$2
    shift 2
    [ "$stamp" -nt pyproject.toml ] && return
    say "installing $* into $folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2
    touch "$stamp"
}

python=$(find_python)
make_environment .venv "$python"
case "${1:-}" in
run)
    install .venv run -e '.[ssh]'
    ;;
gate)
    install .venv dev -e '.[dev]'
    ;;
test)
    install .venv dev -e '.[dev]'
    missing=()
    command -v stm32flash >/dev/null || missing+=(stm32flash)
    command -v gcc >/dev/null || missing+=(gcc libc6-dev)
    command -v arm-none-eabi-gcc >/dev/null || missing+=(gcc-arm-none-eabi libnewlib-arm-none-eabi)
    command -v qemu-system-arm >/dev/null || missing+=(qemu-system-arm)
    command -v cmake >/dev/null || missing+=(cmake)
    command -v ninja >/dev/null || missing+=(ninja-build)
    [ -x /usr/sbin/sshd ] || missing+=(openssh-server)
    command -v sftp >/dev/null || missing+=(openssh-client)
    command -v mke2fs >/dev/null || [ -x /sbin/mke2fs ] || missing+=(e2fsprogs)
    command -v fakeroot >/dev/null || missing+=(fakeroot)
    # Ubuntu has Chromium only as a snap, which containers do not run; the tests then say what they leave out.
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
        command -v google-chrome >/dev/null || ! grep -q '^ID=debian' /etc/os-release || missing+=(chromium)
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null ||
        missing+=(postgresql)
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
    # The second TFLite runtime needs numpy 1 and Python 3.11, so it gets an environment of its own.
    old=$(command -v python3.11 || printf '%s' "$python")
    "$old" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
        say "error: the tests of tflite-runtime need Python 3.11, which is its last version"
        say "  hint: install python3.11"
        exit 2
    }
    make_environment .venv-tflite-runtime "$old"
    install .venv-tflite-runtime test -e '.[tflite-runtime]' pytest hypothesis
    ;;
*)
    say "usage: tools/setup.sh run|test|gate"
    exit 2
    ;;
esac
