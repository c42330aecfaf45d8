# Certificates and kubeconfigs of one cluster, in $data/pki. Sourced by ../cluster.
# shellcheck shell=bash

make_pki() {
  local folder=$data/pki user
  [[ -e $folder/done ]] && return
  command -v openssl >/dev/null || install openssl
  rm -rf "$folder"
  mkdir -p -m 700 "$folder"
  (
    cd "$folder"
    make_authority ca
    make_authority front-proxy-ca
    openssl genrsa -out sa.key 2048 2>/dev/null
    openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
    make_certificate apiserver ca /CN=kube-apiserver serverAuth \
      "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:$node_ip"
    make_certificate apiserver-kubelet ca /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
    make_certificate front-proxy-client front-proxy-ca /CN=front-proxy-client clientAuth
    make_certificate kubelet-serving ca "/O=system:nodes/CN=system:node:$node" serverAuth "DNS:$node,IP:$node_ip,IP:127.0.0.1"
    for user in admin:/O=system:masters/CN=admin controller-manager:/CN=system:kube-controller-manager \
      scheduler:/CN=system:kube-scheduler proxy:/CN=system:kube-proxy "kubelet:/O=system:nodes/CN=system:node:$node"; do
      make_certificate "${user%%:*}" ca "${user#*:}" clientAuth
    done
    touch done
  )
}

make_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null; }

make_authority() {
  make_key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 3650 -out "$1.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,digitalSignature
}

# make_certificate NAME AUTHORITY SUBJECT USAGE [ALTERNATIVE-NAMES]
make_certificate() {
  make_key "$1"
  openssl req -new -key "$1.key" -subj "$3" -out "$1.csr"
  {
    echo "basicConstraints=CA:FALSE"
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=$4"
    [[ -z ${5:-} ]] || echo "subjectAltName=$5"
  } >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.ext"
}

# make_kubeconfig USER FILE: the port may differ from the last run's, so that it is written at each start.
make_kubeconfig() {
  local pki=$data/pki
  (
    umask 077
    cat >"$2" <<YAML
apiVersion: v1
kind: Config
current-context: uninlu-test
clusters:
- name: uninlu-test
  cluster: {server: "https://127.0.0.1:$api_port", certificate-authority-data: $(base64 -w0 "$pki/ca.crt")}
users:
- name: $1
  user: {client-certificate-data: $(base64 -w0 "$pki/$1.crt"), client-key-data: $(base64 -w0 "$pki/$1.key")}
contexts:
- name: uninlu-test
  context: {cluster: uninlu-test, user: $1}
YAML
  )
}
