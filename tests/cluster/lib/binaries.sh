# The binaries, cached by the digest of what they are made from. Sourced by ../cluster.
# shellcheck shell=bash

kubernetes_version=v1.34.4

build_binaries() {
  binaries=$cache/cluster/$(digest_of_sources)
  [[ -e $binaries/done ]] && return
  command -v go >/dev/null || fail "Go is missing" "install Go 1.24 or newer"
  local free
  mkdir -p "$cache/cluster"
  free=$(df --output=avail -BM "$cache" | tail -n 1 | tr -dc 0-9)
  ((free >= 8000)) || fail "only $free MB are free under $cache" "the build needs 8000 MB, most of it in Go's own cache"
  say "building Kubernetes $kubernetes_version from its Go modules (some minutes the first time)"
  local started=$SECONDS making
  making=$(mktemp -d "$cache/cluster/making.XXXXXX")
  build_into "$making" || { rm -rf "$making"; fail "the Go build failed" "the compiler's words stand above"; }
  touch "$making/done"
  # Made beside and renamed: a build that is cut off leaves nothing that looks complete.
  mv -T "$making" "$binaries" 2>/dev/null || rm -rf "$making"
  say "built in $((SECONDS - started)) s"
}

digest_of_sources() {
  { go version; echo "$kubernetes_version"; cat "$here"/{go.mod,go.sum,main.go,kwok/go.mod,kwok/go.sum,pause/main.go} "$here/lib/binaries.sh"; } |
    sha256sum | cut -c 1-16
}

build_into() {
  local out=$1 package=k8s.io/component-base/version flags
  # The version that kubectl and the API see: a build from modules knows none.
  flags="-s -w -X $package.gitVersion=$kubernetes_version -X $package.gitMajor=1 -X $package.gitMinor=34"
  flags+=" -X $package.gitCommit=testcluster -X $package.gitTreeState=clean"
  flags+=" -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes_version"
  export CGO_ENABLED=0
  (cd "$here" && go build -trimpath -ldflags "$flags" -o "$out/testcluster" .) &&
    (cd "$here/kwok" && go build -trimpath -ldflags '-s -w' -o "$out/kwok" sigs.k8s.io/kwok/cmd/kwok) &&
    (cd "$here" && go build -trimpath -ldflags '-s -w' -o "$out/pause" ./pause) &&
    pause_image "$out"
}

# The sandbox image as an archive that containerd imports: a single static program needs no Docker to become one.
pause_image() {
  local out=$1 work layer
  work=$(mktemp -d "$out/image.XXXXXX")
  tar -C "$out" --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/layer.tar" pause
  layer=$(sha256sum "$work/layer.tar" | cut -d ' ' -f 1)
  printf '{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/pause"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$layer" >"$work/config.json"
  printf '[{"Config":"config.json","RepoTags":["testcluster/pause:1"],"Layers":["layer.tar"]}]' >"$work/manifest.json"
  tar -C "$work" -cf "$out/pause.tar" manifest.json config.json layer.tar
  rm -rf "$work"
}
