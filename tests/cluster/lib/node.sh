# containerd, kubelet and kube-proxy as one real node, and the registry. Sourced by ../cluster.
# shellcheck shell=bash

run=/run/testcluster
socket=$run/containerd.sock
registry_port=5000

check_node_is_possible() {
  [[ $(id -u) == 0 ]] || fail "a node needs root" "run it with sudo, or use --size control-plane"
  local owner
  owner=$(cat $run/owner 2>/dev/null || true)
  if [[ -n $owner && $owner != "$data" ]] && data=$owner is_alive containerd; then
    fail "another node runs on this machine, in $owner" "stop it: tests/cluster/cluster down --data $owner"
  fi
  install containerd runc containernetworking-plugins iptables iproute2 conntrack
}

start_node() {
  mkdir -p $run "$data"/{cni,kubelet,pod-logs} "$data/certs.d/localhost:$registry_port"
  echo "$data" >$run/owner
  must_be_free 10250 kubelet
  sysctl -qw net.ipv4.ip_forward=1
  [[ ! -e /proc/sys/net/bridge ]] || sysctl -qw net.bridge.bridge-nf-call-iptables=1
  cp "$here/conf/cni.conflist" "$data/cni/10-testcluster.conflist"
  printf 'server = "http://localhost:%s"\n[host."http://localhost:%s"]\n  capabilities = ["pull", "resolve"]\n' \
    $registry_port $registry_port >"$data/certs.d/localhost:$registry_port/hosts.toml"
  fill containerd.toml
  fill kubelet.yaml
  fill proxy.yaml
  start containerd containerd --config "$data/containerd.toml"
  await containerd "answer of containerd" containers version
  containers images import "$binaries/pause.tar" >/dev/null
  start kubelet "$binaries/testcluster" kubelet --config="$data/kubelet.yaml" --kubeconfig="$data/pki/kubelet.kubeconfig" \
    --root-dir="$data/kubelet" --cert-dir="$data/kubelet/pki" --hostname-override="$node" --node-ip="$node_ip"
  start proxy "$binaries/testcluster" proxy --config="$data/proxy.yaml"
  await kubelet "Ready node" kubectl_admin wait --for=condition=Ready "node/$node" --timeout=5s
}

containers() { ctr -a $socket -n k8s.io "$@"; }

fill() { sed -e "s#@STATE@#$data#g; s#@NODE@#$node#g" "$here/conf/$1.in" >"$data/$1"; }

start_registry() {
  install docker-registry
  must_be_free $registry_port "the registry"
  # The images stay in the cache, so that a warm run pushes nothing.
  mkdir -p "$cache/registry"
  sed -e "s#@STATE@#$cache#g" "$here/conf/registry.yml.in" >"$data/registry.yml"
  start registry docker-registry serve "$data/registry.yml"
  await registry "answer of the registry" curl -sf "http://localhost:$registry_port/v2/"
}

# Ends what runs in containers; only when this folder's containerd is the one behind the socket.
stop_containers() {
  is_alive containerd || return 0
  local id attempt
  for id in $(containers tasks ls -q 2>/dev/null); do containers tasks kill -s KILL "$id" 2>/dev/null || true; done
  for id in $(containers tasks ls -q 2>/dev/null); do
    for attempt in {1..20}; do
      containers tasks delete "$id" >/dev/null 2>&1 && break
      ((attempt < 20)) && sleep 0.1
    done
  done
  for id in $(containers containers ls -q 2>/dev/null); do containers containers delete "$id" >/dev/null 2>&1 || true; done
}

# Mounts, network namespaces and shims of this folder's node; nothing else on the machine is touched.
release_node() {
  [[ $(cat $run/owner 2>/dev/null || true) == "$data" ]] || return 0
  local mount shim name
  for shim in $(pgrep -f "containerd-shim-runc-v2 .*-address $socket" || true); do kill -9 "$shim" 2>/dev/null || true; done
  for mount in $(awk -v a="$data/kubelet" -v b=$run '{ if (index($2, a) == 1 || index($2, b) == 1) print $2 }' /proc/mounts | sort -r); do
    umount -l "$mount" 2>/dev/null || true
  done
  # The interface in the namespace tells whose it is: another CNI's namespaces carry the same prefix.
  for name in $(ip netns list 2>/dev/null | awk '/^cni-/ { print $1 }'); do
    if ip -n "$name" -4 -o addr show eth0 2>/dev/null | grep -q '10\.244\.0\.'; then ip netns delete "$name" || true; fi
  done
  rm -rf $run
}

undo_node_network() {
  [[ -e $data/proxy.yaml ]] || return 0
  "$cache"/cluster/*/testcluster proxy --config="$data/proxy.yaml" --cleanup >/dev/null 2>&1 || true
  ip link delete tc0 2>/dev/null || true
}
