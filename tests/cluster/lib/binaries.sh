# The binaries, cached by the digest of what they are made from. Sourced by ../cluster.
# shellcheck shell=bash

kubernetes_version=v1.34.4

# Sets `binaries` to a folder with testcluster, kwok and pause; builds them where they are missing.
build_binaries() {
  ensure_go
  binaries=$cache/cluster/$(digest_of_sources)
  [[ -d $binaries ]] && return
  mkdir -p "$cache/cluster"
  enough_space "$cache"
  enough_space "$(go env GOCACHE)"
  say "building Kubernetes $kubernetes_version from its Go modules (some minutes the first time)"
  local started=$SECONDS making
  making=$(mktemp -d "$cache/cluster/making.XXXXXX")
  trap 'rm -rf "$making"' EXIT
  tell_time "$started" &
  local teller=$!
  build_into "$making" || {
    kill "$teller" 2>/dev/null
    fail "the Go build failed after $((SECONDS - started)) s" "the compiler's words stand above"
  }
  kill "$teller" 2>/dev/null || true
  # Made beside and renamed: a build that is cut off leaves nothing that looks complete. A build that was faster is as good.
  mv -T "$making" "$binaries" 2>/dev/null || [[ -d $binaries ]] || fail "the binaries cannot be put to $binaries" "look at the folder's rights"
  chmod 755 "$binaries"
  rm -rf "$making"
  trap - EXIT
  say "built in $((SECONDS - started)) s"
}

digest_of_sources() {
  (
    cd "$here"
    go version
    find . -type f \( -name '*.go' -o -name go.mod -o -name go.sum -o -path './conf/*' -o -name binaries.sh \) ! -name '*_test.go' ! -path './web/*' -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum
  ) | sha256sum | cut -c 1-16
}

enough_space() {
  local free
  mkdir -p "$1"
  free=$(df --output=avail -BM "$1" | tail -n 1 | tr -dc 0-9)
  # Measured: 3 GB of build cache, 2.2 GB of modules, 0.2 GB of binaries.
  ((free >= 6000)) || fail "only $free MB are free under $1, and the build needs 6000 MB" "free some, or set UNINLU_CACHE, GOCACHE and GOMODCACHE to folders on another disk"
}

tell_time() {
  while sleep 15; do say "  still building, $((SECONDS - $1)) s"; done
}

build_into() {
  local out=$1 package=k8s.io/component-base/version flags
  # The version that kubectl and the API see: a build from modules knows none.
  flags="-s -w -X $package.gitVersion=$kubernetes_version -X $package.gitMajor=1 -X $package.gitMinor=34"
  flags+=" -X $package.gitCommit=testcluster -X $package.gitTreeState=clean"
  flags+=" -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes_version"
  export CGO_ENABLED=0
  (cd "$here" && go build -trimpath -buildvcs=false -ldflags "$flags" -o "$out/testcluster" .) &&
    (cd "$here" && go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$out/pause" ./pause) &&
    # kwok needs an older Kubernetes than ours, hence a module of its own.
    (cd "$here/kwok" && go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$out/kwok" sigs.k8s.io/kwok/cmd/kwok)
}
