#!/bin/sh
# Installs uninlu on Linux or macOS: the tool, as kubectl's plugin too, its completions and its manual.
#   sh install.sh
#
#   UNINLU_BASE_URL=URL   where the archives and SHA256SUMS are (https://…, file:///…)
#   UNINLU_VERSION=X.Y.Z  another version
#   PREFIX=DIR            instead of /usr/local, or ~/.local where that cannot be written
#
# Nothing is written before the archive's SHA-256 is the one of SHA256SUMS.
set -eu

base=@BASE_URL@
version=@VERSION@

main() {
  case $base in @*) base= ;; esac
  case $version in @*) version= ;; esac
  base=${UNINLU_BASE_URL:-$base}
  version=${UNINLU_VERSION:-$version}
  [ -n "$base" ] || fail "no address of the archives is known" "UNINLU_BASE_URL=URL sh install.sh"
  [ -n "$version" ] || fail "no version is known" "UNINLU_VERSION=X.Y.Z sh install.sh"
  name=uninlu-$version-$(target)
  prefix=${PREFIX:-$(default_prefix)}

  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
  fetch SHA256SUMS
  fetch "$name.tar.gz"
  check "$name.tar.gz"
  tar -xzf "$work/$name.tar.gz" -C "$work"
  place "$work/$name" || fail "cannot write below $prefix" "PREFIX=DIR names a folder of yours, or run this with sudo"
  say "installed uninlu $version below $prefix"
  case :$PATH: in
    *:"$prefix/bin":*) ;;
    *) say "  $prefix/bin is not in PATH: add it" ;;
  esac
}

say() { printf '%s\n' "$*" >&2; }

# fail WHAT FIX
fail() {
  printf 'error: %s\n  fix: %s\n' "$1" "$2" >&2
  exit 1
}

target() {
  case $(uname -m) in
    x86_64 | amd64) cpu=x86_64 ;;
    aarch64 | arm64) cpu=aarch64 ;;
    *) fail "there is no archive for the processor $(uname -m)" "build the tool: make install in a checkout" ;;
  esac
  case $(uname -s) in
    Linux) echo "$cpu-unknown-linux-musl" ;;
    Darwin) echo "$cpu-apple-darwin" ;;
    *) fail "there is no install script for $(uname -s)" "on Windows unpack the .zip, and put uninlu.exe into a folder of PATH" ;;
  esac
}

default_prefix() {
  if [ -w /usr/local/bin ]; then echo /usr/local; else echo "$HOME/.local"; fi
}

# fetch FILE: into $work
fetch() {
  case $base in
    file://*) cp "${base#file://}/$1" "$work/$1" ;;
    *)
      if command -v curl >/dev/null; then
        curl -fsSL --proto '=https,http' --retry 3 -o "$work/$1" "$base/$1"
      elif command -v wget >/dev/null; then
        wget -q -O "$work/$1" "$base/$1"
      else
        fail "neither curl nor wget is here" "install one of them"
      fi
      ;;
  esac || fail "$base/$1 cannot be fetched" "is that version released, and for this machine? UNINLU_VERSION, UNINLU_BASE_URL"
}

check() {
  expected=$(awk -v file="$1" '$2 == file { print $1 }' "$work/SHA256SUMS")
  [ -n "$expected" ] || fail "SHA256SUMS does not list $1" "fetch again, or report it: nothing was installed"
  if command -v sha256sum >/dev/null; then
    found=$(sha256sum "$work/$1")
  else
    found=$(shasum -a 256 "$work/$1")
  fi
  [ "${found%% *}" = "$expected" ] || fail "$1 is not what was released: its SHA-256 is ${found%% *}, and not $expected" "fetch again; a proxy may have changed it. Nothing was installed"
}

place() {
  mkdir -p "$prefix/bin" "$prefix/share/man/man1" "$prefix/share/bash-completion/completions" \
    "$prefix/share/zsh/site-functions" "$prefix/share/fish/vendor_completions.d" &&
    cp "$1/uninlu" "$prefix/bin/.uninlu.new" &&
    chmod 755 "$prefix/bin/.uninlu.new" &&
    mv "$prefix/bin/.uninlu.new" "$prefix/bin/uninlu" &&
    ln -sf uninlu "$prefix/bin/kubectl-uninlu" &&
    cp "$1"/man/*.1 "$prefix/share/man/man1/" &&
    cp "$1/completions/uninlu.bash" "$prefix/share/bash-completion/completions/uninlu" &&
    cp "$1/completions/_uninlu" "$prefix/share/zsh/site-functions/" &&
    cp "$1/completions/uninlu.fish" "$prefix/share/fish/vendor_completions.d/"
}

main
