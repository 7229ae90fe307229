#!/bin/sh
# A picture of a local page, made by Debian's Chromium: screenshot.sh PAGE PICTURE WIDTH,HEIGHT [--dark]
set -eu

page=$(realpath "$1") picture=$(realpath "$2") size=$3
command -v chromium > /dev/null || { echo "screenshot: chromium is missing: apt-get install chromium" >&2; exit 1; }
scheme=
[ "${4-}" = --dark ] && scheme=--blink-settings=preferredColorScheme=0

# A profile of its own, so that nothing of the user's shows or changes, and no call home.
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
timeout 120 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --disable-background-networking \
    --disable-component-update --disable-sync --no-first-run --user-data-dir="$profile" --window-size="$size" \
    $scheme --screenshot="$picture" "file://$page" > "$profile/log" 2>&1 || { cat "$profile/log" >&2; exit 1; }
[ -s "$picture" ] || { echo "screenshot: no picture was made" >&2; exit 1; }
echo "screenshot: $picture"
