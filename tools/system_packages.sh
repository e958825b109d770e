#!/bin/sh
# Usage: system_packages.sh PYTHON. Install the three Debian packages that no wheel carries, or
# name them in one line. Asks for the effect, not the package, so any system that has it will do.
set -eu
python=$1

loads() {
    "$python" -c "import ctypes; ctypes.CDLL('$1')" 2>/dev/null
}

has_font() {
    test -n "${OVDET_STICKER_FONT:-}" && return
    for folder in /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" "$HOME/.local/share/fonts" \
        /Library/Fonts "$HOME/Library/Fonts"; do
        test -n "$(find "$folder" -name 'NotoColorEmoji.ttf' 2>/dev/null)" && return
    done
    return 1
}

missing=
if [ "$(uname)" = Linux ]; then  # elsewhere OpenCV's wheel brings all it loads
    loads libGL.so.1 || missing="$missing libgl1"
    loads libgthread-2.0.so.0 || missing="$missing libglib2.0-0"
fi
has_font || missing="$missing fonts-noto-color-emoji"
test -n "$missing" || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing$missing"
    apt-get update -qq
    # shellcheck disable=SC2086  # one word a package
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "ovdet needs the system packages$missing (Debian's names); install them and try again" >&2
    exit 1
fi
