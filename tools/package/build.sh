#!/usr/bin/env bash
# Builds the Debian package: programs, man pages, completions, then target/debian/seald_VERSION_ARCH.deb.
#
#   tools/package/build.sh           all of it
#   tools/package/build.sh pages     only the man pages and completions, from target/release/sealctl
#
# Needs cargo-deb: cargo install cargo-deb --locked
set -euo pipefail
cd "$(dirname "$0")/../.."

# Man pages and completions, written by the program that they describe.
pages() {
  local out=target/package sealctl=target/release/sealctl
  rm -rf "$out"
  mkdir -p "$out/man" "$out/completions"
  "$sealctl" man "$out/man"
  "$sealctl" completions bash >"$out/completions/sealctl.bash"
  "$sealctl" completions zsh >"$out/completions/_sealctl"
  "$sealctl" completions fish >"$out/completions/sealctl.fish"
}

case ${1:-all} in
  pages)
    pages
    ;;
  all)
    cargo deb --version >/dev/null 2>&1 || {
      echo "cargo-deb is missing: cargo install cargo-deb --locked" >&2
      exit 1
    }
    cargo build --release --locked --bins
    pages
    # Without the line tables of backtraces: a sixth of the size.
    cargo deb -p seald --no-build --locked --strip
    ;;
  *)
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
