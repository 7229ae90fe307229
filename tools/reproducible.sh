#!/bin/sh
# Build the tree twice, at two paths, at two times, with other settings of the environment; the images must be the same.
#
# usage: reproducible.sh
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
images="berth berth.efi"
revision=$(git -C "$root" rev-parse --short=12 HEAD 2> /dev/null || echo unknown)

# What git tracks, as it is now, and what is new and not ignored.
copy() {
    mkdir -p "$1"
    # shellcheck disable=SC2016 # the inner shell expands $f
    (cd "$root" && git ls-files -z --cached --others --exclude-standard) |
        (cd "$root" && xargs -0 sh -c 'for f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done' sh) |
        tar -C "$root" --null -T - -cf - | tar -C "$1" -xmf -
}

build() {
    (
        cd "$1"
        shift
        env -u MAKEFLAGS -u MAKELEVEL -u BUILD "$@" GIT_REVISION="$revision"
    ) > "$work/make.log" 2>&1 || {
        cat "$work/make.log" >&2
        exit 1
    }
}

first=$work/a
second=$work/another-place/with-a-much-longer-name/b
copy "$first"
build "$first" LC_ALL=C TZ=UTC make
# The first build took longer than a second: a time of the build, anywhere, would show.
copy "$second"
(umask 077 && build "$second" LC_ALL=C.UTF-8 TZ=Asia/Tokyo SOURCE_DATE_EPOCH=1 make -j3 BUILD=elsewhere)

for image in $images; do
    if ! cmp "$first/build/$image" "$second/elsewhere/$image"; then
        echo "reproducible: two builds of $image differ" >&2
        exit 1
    fi
    echo "reproducible: $(sha256sum "$first/build/$image" | cut -c1-64) $image"
done
