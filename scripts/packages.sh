# Sourced: what the scripts here share.

fail() {
    printf 'kelvin: %s\n' "$*" >&2
    exit 2
}

apt_install() { # PACKAGE, what it is for
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $1 ($2)"
        apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null ||
            fail "could not install $1 ($2); type: apt-get install $1"
    else
        fail "$1 is missing ($2); type: sudo apt-get install $1"
    fi
}

has_library() { # FILE NAME
    find /lib /usr/lib /lib64 /usr/lib64 -name "$1" 2>/dev/null | grep -q .
}
