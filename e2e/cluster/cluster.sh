#!/usr/bin/env bash
# A real Kubernetes for tests on one machine, without a container engine: see `cluster.sh --help` and docs/CLUSTER.md.
#
# Everything that runs belongs to a folder. What was started is named there by a pid file, one for each process; what was
# made beyond files (links, namespaces, mounts, cgroups) has names from which `down` finds it again, also after a crash.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
readonly CACHE=$root/.cache/cluster
readonly BIN=$CACHE/bin

# Waiting is for a condition, with a deadline.
readonly DEADLINE_SECONDS=120
readonly STOP_SECONDS=20
readonly PAUSE_SECONDS=0.1

usage() {
    cat <<'TEXT'
A real Kubernetes for tests, on this machine, without a container engine.

  cluster.sh build              build all programs, from source, into .cache/cluster
  cluster.sh build api          only those that an API server needs: etcd, kube-apiserver, kubectl
  cluster.sh api DIR            start an API server with its etcd, on free ports of 127.0.0.1; several may run at once
  cluster.sh up DIR [--nodes N] start a cluster of N nodes, 2 unless told otherwise; one on a machine at a time
  cluster.sh can                whether this machine can run a cluster: exit code 1, and what is in the way, when it cannot
  cluster.sh load DIR IMAGE.tar give an image to every node of the cluster
  cluster.sh kill-node DIR N    end everything on node N at once, as if its power had failed
  cluster.sh start-node DIR N   start that node again
  cluster.sh pause DIR          let the API server answer nobody
  cluster.sh resume DIR         let it go on
  cluster.sh down DIR           end what `api` or `up` started for DIR, and leave nothing behind but DIR and its logs

DIR keeps certificates, logs and data; after `api` and `up` it has admin.conf, which is what KUBECONFIG must name.
`build` needs Go, `up`, `load` and `down` of a cluster need root, and the Debian packages containerd, runc,
containernetworking-plugins, iptables, iproute2, openssl and gcc. Root on Debian gets missing packages by itself.
TEXT
}

fail() { # what is wrong, and the fix
    echo "error: $*" >&2
    exit 1
}

# shellcheck source=e2e/cluster/image.sh
source "$here/image.sh"
# shellcheck source=e2e/cluster/build.sh
source "$here/build.sh"
# shellcheck source=e2e/cluster/processes.sh
source "$here/processes.sh"
# shellcheck source=e2e/cluster/control_plane.sh
source "$here/control_plane.sh"
# shellcheck source=e2e/cluster/node.sh
source "$here/node.sh"

open_folder() { # takes DIR, which may not exist yet
    [ -n "${1:-}" ] || fail "DIR is missing: name the folder that the cluster is to keep its files in"
    mkdir -p "$1" || fail "$1 cannot be made: name a folder in a place where you may write"
    D=$(cd "$1" && pwd)
    PKI=$D/pki
}

known_folder() { # takes DIR, which must exist
    [ -n "${1:-}" ] || fail "DIR is missing: name the folder that api or up was given"
    [ -d "$1" ] || fail "$1 is no folder: name the one that api or up was given"
    open_folder "$1"
}

api() {
    open_folder "${1:-}"
    [ $# -le 1 ] || fail "api takes DIR and nothing else: remove ${*:2}"
    need_built etcd kube-apiserver kubectl
    "$root/.ci/need" openssl=openssl
    if is_running apiserver; then ready && { tell; return; }; fi
    down_all
    make_certificates 127.0.0.1
    start_api_server 127.0.0.1
    tell
}

up() {
    open_folder "${1:-}"
    local nodes=2
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            --nodes) nodes=${2:-}; [ $# -lt 2 ] || shift; shift ;;
            *) fail "up knows no $1: it takes DIR and --nodes N" ;;
        esac
    done
    [[ $nodes =~ ^[0-9]+$ ]] && [ "$nodes" -ge 1 ] && [ "$nodes" -le "$MAX_NODES" ] ||
        fail "--nodes ${nodes:-(nothing)}: give 1 to $MAX_NODES"
    need_root up
    need_node_programs
    need_built etcd kube-apiserver kubectl kube-controller-manager kube-scheduler kubelet kube-proxy
    [ -f "$CACHE/pause.tar" ] || fail "the pause image is missing: run \`make cluster\`, or cluster.sh build"
    if is_running apiserver; then
        if ready && [ "$(ready_nodes)" = "$nodes" ]; then tell; return; fi
        echo "this cluster is not whole: starting it anew" >&2
    fi
    down_all
    [ ! -e "/sys/class/net/$BRIDGE" ] ||
        fail "another cluster runs on this machine: end it first, cluster.sh down $(cat /run/$BRIDGE 2>/dev/null || echo DIR)"
    make_network
    make_certificates "$HOST_IP"
    start_api_server "$HOST_IP"
    start_controllers
    local index
    for ((index = 0; index < nodes; index++)); do start_node "$index"; done
    wait_until "$nodes nodes to be ready" nodes_are_ready "$nodes"
    "$BIN/kubectl" --kubeconfig "$D/admin.conf" get nodes >&2
    tell
}

load() {
    known_folder "${1:-}"
    [ -f "${2:-}" ] || fail "IMAGE.tar is missing: name a file with an image, as docker save or podman save write it"
    need_root load
    local node found=no
    for node in "$D"/node-*; do
        [ -S "$(containerd_socket "$node")" ] || continue
        ctr --address "$(containerd_socket "$node")" --namespace k8s.io images import "$2"
        found=yes
    done
    [ $found = yes ] || fail "no node runs in $D: start the cluster with cluster.sh up $D"
}

# One node of a cluster, by its number.
known_node() { # DIR, N
    known_folder "${1:-}"
    [[ ${2:-} =~ ^[0-9]+$ ]] && [ -d "$D/node-$2" ] || fail "there is no node ${2:-(nothing)} in $D: give the number of one, from 0"
    need_root "ending and starting a node"
}

kill_one_node() {
    known_node "$@"
    kill_node "$2"
}

start_one_node() {
    known_node "$@"
    need_node_programs
    restart_node "$2"
}

tell_api_server() { # signal, DIR
    known_folder "${2:-}"
    is_running apiserver || fail "no API server runs in $D"
    signal "$1" apiserver
}

down() {
    known_folder "${1:-}"
    [ $# -le 1 ] || fail "down takes DIR and nothing else: remove ${*:2}"
    down_all
}

tell() {
    echo "export KUBECONFIG=$D/admin.conf"
}

main() {
    local command=${1:-}
    [ $# -eq 0 ] || shift
    case $command in
        build) build "$@" ;;
        api) api "$@" ;;
        can) can "$@" ;;
        up) up "$@" ;;
        load) load "$@" ;;
        kill-node) kill_one_node "$@" ;;
        start-node) start_one_node "$@" ;;
        pause) tell_api_server STOP "$@" ;;
        resume) tell_api_server CONT "$@" ;;
        down) down "$@" ;;
        -h | --help | help) usage ;;
        '') usage >&2; exit 2 ;;
        *) echo "error: there is no command $command; cluster.sh --help lists them" >&2; exit 2 ;;
    esac
}

# On one line, so that a script which is edited while it runs does what it was read to do.
main "$@"; exit
