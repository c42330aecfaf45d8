# etcd, API server, controller manager, scheduler, and kwok's fake nodes. Sourced by ../cluster.
# shellcheck shell=bash

node=node1
cluster_cidr=10.244.0.0/16
service_cidr=10.96.0.0/16

start_control_plane() {
  command -v ss >/dev/null || install iproute2
  node_ip=$(own_address)
  api_port=$(free_port)
  make_pki
  local user
  for user in admin controller-manager scheduler proxy kubelet; do make_kubeconfig "$user" "$data/pki/$user.kubeconfig"; done
  cp "$data/pki/admin.kubeconfig" "$data/kubeconfig"
  start_etcd
  start_apiserver
  start_controllers
}

# An address of this machine that pods can reach; loopback when there is no other.
own_address() {
  local address
  address=$(ip -4 -o route get 198.51.100.1 2>/dev/null | grep -o 'src [0-9.]*' | cut -d ' ' -f 2)
  echo "${address:-127.0.0.1}"
}

kubectl_admin() {
  command -v kubectl >/dev/null || install kubernetes-client
  kubectl --kubeconfig="$data/pki/admin.kubeconfig" "$@"
}

start_etcd() {
  etcd_port=$(free_port)
  local peer_port
  peer_port=$(free_port)
  # Without fsync: a test's data need not survive a power cut, and a slow disk must not make tests flaky.
  start etcd "$binaries/testcluster" etcd --name=test --data-dir="$data/etcd" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls="http://127.0.0.1:$etcd_port" --advertise-client-urls="http://127.0.0.1:$etcd_port" \
    --listen-peer-urls="http://127.0.0.1:$peer_port" --initial-advertise-peer-urls="http://127.0.0.1:$peer_port" \
    --initial-cluster="test=http://127.0.0.1:$peer_port" --force-new-cluster="$([[ -d $data/etcd ]] && echo true || echo false)"
}

start_apiserver() {
  local pki=$data/pki
  cat >"$data/audit-policy.yaml" <<'YAML'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
YAML
  start apiserver "$binaries/testcluster" apiserver --etcd-servers="http://127.0.0.1:$etcd_port" \
    --bind-address=0.0.0.0 --secure-port="$api_port" --advertise-address="$node_ip" --service-cluster-ip-range=$service_cidr \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --kubelet-client-certificate="$pki/apiserver-kubelet.crt" --kubelet-client-key="$pki/apiserver-kubelet.key" \
    --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --requestheader-client-ca-file="$pki/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$pki/front-proxy-client.crt" --proxy-client-key-file="$pki/front-proxy-client.key" \
    --audit-policy-file="$data/audit-policy.yaml" --audit-log-path="$data/audit.log" --audit-log-mode=blocking \
    --endpoint-reconciler-type=lease
  await apiserver "answer of the API server" kubectl_admin get --raw /readyz
}

# The client limits are raised: with the defaults the first ServiceAccount comes 5 s later.
start_controllers() {
  local pki=$data/pki autoscaler=()
  if [[ $fast_autoscaler == yes ]]; then
    autoscaler=(--horizontal-pod-autoscaler-sync-period=5s --horizontal-pod-autoscaler-downscale-stabilization=10s
      --horizontal-pod-autoscaler-initial-readiness-delay=5s --horizontal-pod-autoscaler-cpu-initialization-period=10s)
  fi
  start controller-manager "$binaries/testcluster" controller-manager --kubeconfig="$pki/controller-manager.kubeconfig" \
    --secure-port=0 --leader-elect=false --use-service-account-credentials=true --kube-api-qps=500 --kube-api-burst=1000 \
    --root-ca-file="$pki/ca.crt" --service-account-private-key-file="$pki/sa.key" \
    --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
    --allocate-node-cidrs=true --cluster-cidr=$cluster_cidr --service-cluster-ip-range=$service_cidr --controllers='*' \
    "${autoscaler[@]}"
  start scheduler "$binaries/testcluster" scheduler --kubeconfig="$pki/scheduler.kubeconfig" \
    --secure-port=0 --leader-elect=false --kube-api-qps=500 --kube-api-burst=1000
  await controller-manager "default ServiceAccount" kubectl_admin get serviceaccount default
}

# Nodes that are none: kwok makes their pods Ready at once.
start_fake_nodes() {
  local number
  start kwok "$binaries/kwok" --kubeconfig="$data/pki/admin.kubeconfig" --manage-all-nodes=true --cidr=10.250.0.0/16 \
    --node-lease-duration-seconds=40 --config="$here/conf/kwok-stages.yaml"
  for ((number = 1; number <= fake_nodes; number++)); do
    cat <<YAML
---
apiVersion: v1
kind: Node
metadata: {name: fake$number, labels: {kubernetes.io/hostname: fake$number, kubernetes.io/os: linux, kubernetes.io/arch: amd64}}
status: {allocatable: {cpu: 32, memory: 256Gi, pods: 110}, capacity: {cpu: 32, memory: 256Gi, pods: 110}}
YAML
  done | kubectl_admin apply -f - >/dev/null
  await kwok "fake node" kubectl_admin wait --for=condition=Ready node --all --timeout=5s
}
