# How the cluster's scripts talk: plain lines on stderr. Sourced.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

# fail WHAT FIX
fail() {
  printf 'error: %s\n  fix: %s\n' "$1" "$2" >&2
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
  without_services apt_install "${missing[@]}" ||
    without_services update_and_install "${missing[@]}" ||
    fail "these packages cannot be installed: ${missing[*]}" "apt-get update && apt-get install ${missing[*]}"
}

# need COMMAND[:PACKAGE]…: the Debian packages of commands that are missing.
need() {
  local command missing=()
  for command; do
    command -v "${command%%:*}" >/dev/null || missing+=("${command##*:}")
  done
  ((!${#missing[@]})) || install "${missing[@]}"
}

# Services are started by these scripts, in folders of their own, not by the packages. In a subshell, so that an
# interruption takes the policy away too.
without_services() (
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  "$@"
)

update_and_install() { apt-get update -qq && apt_install "$@"; }

apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
