#!/usr/bin/env bash
# What the browser tests need beside Python: Debian's chromium, and axe-core from npm. Where either cannot be had, the
# tests that need it skip and say so; this script never fails.
set -u
into="${1:?the folder for axe-core}"

if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null && command -v apt-get >/dev/null; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    { $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 \
        || echo "chromium could not be installed: the browser tests will skip"
fi

if [ ! -f "$into/axe.min.js" ]; then
    mkdir -p "$into"
    curl -fsSL https://registry.npmjs.org/axe-core/-/axe-core-4.10.3.tgz \
        | tar -xz -C "$into" --strip-components=1 package/axe.min.js 2>/dev/null \
        || echo "axe-core could not be had from npm's registry: the accessibility test will skip"
fi
exit 0
