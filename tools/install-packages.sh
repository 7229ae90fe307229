#!/bin/sh
# Install the Debian packages of tools/packages.txt that are missing. Silent, and done in a moment, when none is.
set -eu

list=$(dirname "$0")/packages.txt
wanted=$(sed 's/#.*//' "$list" | tr -s ' \n' '  ')

if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    echo "install-packages: this is not a Debian system; install what $list names, then use DEPS=skip" >&2
    exit 1
fi

# One dpkg-query for all; what it does not know or does not have installed is missing.
# shellcheck disable=SC2086 # the list is words
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2> /dev/null | sed -n 's/^installed //p')
missing=
for package in $wanted; do
    case "
$installed
" in
    *"
$package
"*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "install-packages: missing Debian packages:$missing" >&2
    echo "install-packages: only root can install them. Run:" >&2
    echo "    sudo apt-get install --no-install-recommends$missing" >&2
    echo "or pass DEPS=skip to make to go on without them." >&2
    exit 1
fi

echo "Installing missing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
# kexec-tools is wanted as a program alone: this machine goes on restarting through its firmware.
echo "kexec-tools kexec-tools/load_kexec boolean false" | debconf-set-selections
install_missing() {
    # shellcheck disable=SC2086 # the list is words
    apt-get install -y -qq --no-install-recommends $missing
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists may be absent or stale: fetch them only when the first attempt fails.
if ! install_missing > "$log" 2>&1; then
    apt-get update -qq
    if ! install_missing > "$log" 2>&1; then
        cat "$log" >&2
        echo "install-packages: apt-get could not install them; see its messages above" >&2
        exit 1
    fi
fi
