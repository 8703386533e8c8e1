#!/bin/sh
# Make the sample from nothing but Debian 12 and PyPI:   run.sh OUT.tsv [WORK]
# With --check first, compare OUT.tsv with what the tools give, and write nothing.
# Needs python3-venv and the package lists of `apt-get update`; does not need root.
set -eu

check=
if [ "${1:-}" = --check ]; then
    check=--check
    shift
fi
out=${1:?usage: run.sh [--check] OUT.tsv [WORK]}
here=$(cd "$(dirname "$0")" && pwd)
work=${2:-$(mktemp -d)}
mkdir -p "$work/debian"
work=$(cd "$work" && pwd)

[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --requirement "$here/requirements.txt"

(
    cd "$work/debian"
    [ -d usr/share/prokka ] || {
        apt-get download --quiet infernal=1.1.4-1 prokka=1.14.6+dfsg-4
        echo "4ae3c5d2a9afc61e4bf7081efc45461f388b661a7fb232eca78dd684e05f1a22  infernal_1.1.4-1_amd64.deb
3abacf9b2a82e6745ac85a3106917b9676846ee2df1a2c304eccc27ba64933d9  prokka_1.14.6+dfsg-4_amd64.deb" | sha256sum --check
        for package in ./*.deb; do dpkg -x "$package" .; done
    }
)

PATH="$work/debian/usr/lib/infernal:$PATH" nice "$work/venv/bin/python" "$here/make_sample.py" $check "$out" \
    --models "$work/debian/usr/share/prokka/db/cm" --work "$work/made" --jobs "${JOBS:-2}"
