#!/bin/sh
# Puts prometheus and promtool where the tests of this folder find them: those in PATH if there are any, else Debian's package, unpacked
# without being installed, so that no service starts. Does nothing when it has been done.
set -eu
target="$(cd "$(dirname "$0")/../.." && pwd)/.cache/prometheus"
if command -v promtool >/dev/null && command -v prometheus >/dev/null; then exit 0; fi
if [ -x "$target/promtool" ] && [ -x "$target/prometheus" ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
  echo "prometheus and promtool are not in PATH, and this is no Debian: install Prometheus and run this again" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
if ! apt-get download -q prometheus >download.log 2>&1; then
  apt-get update -q >update.log 2>&1 || { cat update.log >&2; exit 1; }
  apt-get download -q prometheus >download.log 2>&1 || { cat download.log >&2; exit 1; }
fi
dpkg-deb -x prometheus_*.deb unpacked
mkdir -p "$target"
cp unpacked/usr/bin/prometheus unpacked/usr/bin/promtool "$target/"
"$target/promtool" --version
