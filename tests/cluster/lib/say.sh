# How the cluster's scripts talk: plain lines on stderr. Sourced.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

# fail WHAT MEND
fail() {
  printf 'error: %s\n  mend: %s\n' "$1" "$2" >&2
  exit 1
}

# install PACKAGE…: Debian packages that are missing.
install() {
  local package missing=()
  for package; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  say "installing Debian packages: ${missing[*]}"
  [[ $(id -u) == 0 ]] || fail "packages are missing: ${missing[*]}" "sudo apt-get install ${missing[*]}"
  # Services are started by these scripts, in folders of their own, not by the packages.
  local policy=/usr/sbin/policy-rc.d made=no
  if [[ ! -e $policy ]]; then printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=yes; fi
  if ! apt_install "${missing[@]}" && ! { apt-get update -qq && apt_install "${missing[@]}"; }; then
    [[ $made == no ]] || rm -f "$policy"
    fail "these packages cannot be installed: ${missing[*]}" "apt-get update && apt-get install ${missing[*]}"
  fi
  [[ $made == no ]] || rm -f "$policy"
}

apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
