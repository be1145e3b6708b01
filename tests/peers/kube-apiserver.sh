#!/usr/bin/env bash
# A real Kubernetes API server for tests, on loopback, made of Debian's packages only.
#
#   kube-apiserver.sh build        once: compiles 1.20.2 from Debian's source package (about 7 minutes
#                                  on 2 cores, 3 GB of scratch); needs root for apt. Later calls
#                                  return at once.
#   kube-apiserver.sh up FOLDER    starts etcd and the server with their state in FOLDER, writes
#                                  FOLDER/kubeconfig and FOLDER/*.pid, returns when it is ready.
#   kube-apiserver.sh down FOLDER  stops both.
#
# Programs are kept below ${PURSER_PEERS:-~/.cache/purser-peers}/kubernetes. Ports come from ETCD_PORT,
# PEER_PORT and API_PORT. No controllers run: tests play them by writing status.
set -euo pipefail

home=${PURSER_PEERS:-$HOME/.cache/purser-peers}/kubernetes
bin=$home/bin

say() { echo "kube-apiserver.sh: $*" >&2; }

build() {
  if [ -x "$bin/kube-apiserver" ]; then
    say "is there: $bin"
    return
  fi
  mkdir -p "$bin" "$home/work"
  cd "$home/work"
  if ! apt-cache showsrc kubernetes > /dev/null 2>&1; then
    # The machine's own mirror, for sources as well.
    local mirror
    mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2> /dev/null | grep -v security | head -n 1)
    [ -n "$mirror" ] || { say "no Debian mirror is configured"; exit 1; }
    {
      echo 'Types: deb-src'
      echo "URIs: $mirror"
      echo 'Suites: bookworm'
      echo 'Components: main'
      echo 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg'
    } > /etc/apt/sources.list.d/purser-peers.sources
    apt-get update -qq
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    golang-go etcd-server rsync jq dpkg-dev make > /dev/null
  apt-get source -qq --download-only kubernetes
  apt-get download -qq golang-github-modern-go-reflect2-dev
  rm -rf source reflect2
  dpkg-source -x kubernetes_*.dsc source > /dev/null
  # The copy of reflect2 in the source dies with Go 1.18 and newer; Debian's own package does not.
  dpkg -x golang-github-modern-go-reflect2-dev_*.deb reflect2
  local vendored=source/vendor/github.com/modern-go/reflect2
  rm -rf "$vendored"
  cp -r reflect2/usr/share/gocode/src/github.com/modern-go/reflect2 "$vendored"
  cd source
  # `make` generates what a plain `go build` misses.
  mkdir -p .go/src/k8s.io
  ln -sfn ../../.. .go/src/k8s.io/kubernetes
  unset GOFLAGS
  mkdir -p "$home/work/home"
  env GOPATH="$PWD/.go" CGO_ENABLED=0 GOPROXY=off HOME="$home/work/home" \
    GOCACHE="$home/work/cache" KUBE_GIT_VERSION=v1.20.2 KUBE_GIT_MAJOR=1 KUBE_GIT_MINOR=20 \
    KUBE_GIT_COMMIT=debian KUBE_GIT_TREE_STATE=clean \
    make WHAT=cmd/kube-apiserver > "$home/build.log" 2>&1 || { tail -n 20 "$home/build.log" >&2; exit 1; }
  cp _output/local/bin/linux/*/kube-apiserver "$bin/"
  rm -rf "$home/work"
  say "built: $bin"
}

up() {
  mkdir -p "$1"
  local folder etcd=${ETCD_PORT:-23790} peer=${PEER_PORT:-23800} api=${API_PORT:-26443}
  folder=$(cd "$1" && pwd)
  cd "$folder"
  mkdir -p keys data
  openssl genrsa -out keys/accounts.key 2048 2> /dev/null
  openssl rsa -in keys/accounts.key -pubout -out keys/accounts.pub 2> /dev/null
  local token
  token=$(openssl rand -hex 16)
  echo "$token,admin,admin,\"system:masters\"" > keys/tokens.csv
  etcd --data-dir data --unsafe-no-fsync \
    --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
    --initial-cluster "default=http://127.0.0.1:$peer" > etcd.log 2>&1 &
  echo $! > etcd.pid
  # shellcheck disable=SC2086
  "$bin/kube-apiserver" --etcd-servers="http://127.0.0.1:$etcd" --secure-port="$api" \
    --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --cert-dir=keys \
    --service-account-issuer=https://kubernetes.default.svc \
    --api-audiences=https://kubernetes.default.svc \
    --service-account-key-file=keys/accounts.pub --service-account-signing-key-file=keys/accounts.key \
    --token-auth-file=keys/tokens.csv --authorization-mode=RBAC \
    --service-cluster-ip-range=10.0.0.0/24 --disable-admission-plugins=ServiceAccount \
    ${API_FLAGS:-} > apiserver.log 2>&1 &
  echo $! > apiserver.pid
  for _ in $(seq 200); do
    if curl -sk -H "Authorization: Bearer $token" "https://127.0.0.1:$api/readyz" | grep -qx ok; then
      cat > kubeconfig << CONFIG
apiVersion: v1
kind: Config
current-context: peer
clusters:
  - name: peer
    cluster: { server: "https://127.0.0.1:$api", certificate-authority: "$folder/keys/apiserver.crt" }
users:
  - name: admin
    user: { token: "$token" }
contexts:
  - name: peer
    context: { cluster: peer, user: admin }
CONFIG
      return
    fi
    sleep 0.2
  done
  say "not ready after 40 s:"
  tail -n 5 apiserver.log >&2
  down "$folder"
  exit 1
}

down() {
  local name pid
  for name in apiserver etcd; do
    pid=$(cat "$1/$name.pid" 2> /dev/null || true)
    [ -n "$pid" ] && kill "$pid" 2> /dev/null
  done
  return 0
}

case ${1:-} in
  build) build ;;
  up) up "${2:?a folder is needed}" ;;
  down) down "${2:?a folder is needed}" ;;
  *) say 'use build, up FOLDER or down FOLDER'; exit 2 ;;
esac
