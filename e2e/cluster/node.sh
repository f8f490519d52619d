# Part of cluster.sh: the network of a cluster, and nodes.
#
# Every node lives in a network namespace of its own: containerd, kubelet, kube-proxy and the rules that they write. On the
# machine itself there is one bridge with the routes to the pods, so tests there reach nodes and pods by their addresses.
#   10.244.0.1            the machine: API server
#   10.244.0.2+N          node N
#   10.244.16*(N+1).0/20  the pods of node N
# shellcheck shell=bash

readonly BRIDGE=darkages0
readonly HOST_IP=10.244.0.1
readonly PODS=10.244.0.0/16
# As many /20 as the pods' network has beside the first one, which the nodes are in.
readonly MAX_NODES=15
readonly CGROUPS=/sys/fs/cgroup

need_root() { # command
    [ "$(id -u)" = 0 ] || fail "$1 of a cluster makes network namespaces, which only root may: run it with sudo"
}

need_node_programs() {
    # Who has the plugins elsewhere need not have Debian's.
    local plugins=/usr/lib/cni/bridge
    [ ! -x /opt/cni/bin/bridge ] || plugins=/opt/cni/bin/bridge
    "$root/.ci/need" "containernetworking-plugins=$plugins" containerd=containerd runc=runc iptables=iptables \
        iproute2=ip openssl=openssl
    CNI_BIN=$(dirname "$plugins")
}

# What a cluster needs of a machine is tried, and taken back. What is in the way is said in one line.
can() {
    local probe=darkages-probe-$$ why=
    [ "$(id -u)" = 0 ] || { echo "nodes need root"; return 1; }
    if ! (need_node_programs && command -v containerd runc iptables ip) >/dev/null 2>&1; then
        echo "containerd, runc, containernetworking-plugins or iptables cannot be had"
        return 1
    fi
    if ! ip netns add "$probe" 2>/dev/null; then
        why="no network namespace can be made here"
    elif ! ip -n "$probe" link add "$BRIDGE" type bridge 2>/dev/null; then
        why="no bridge can be made here"
    elif ! ip netns exec "$probe" iptables --table nat --list >/dev/null 2>&1; then
        why="iptables has no table nat here"
    elif ! (make_cgroups "$probe" && remove_cgroups_named "$probe") 2>/dev/null; then
        why="no cgroup can be made here"
    fi
    ip netns del "$probe" 2>/dev/null || true
    [ -z "$why" ] || { echo "$why"; return 1; }
}

node_name() { echo "darkages-node-$1"; }                   # index
node_ip() { echo "10.244.0.$(($1 + 2))"; }                 # index
pods_of() { echo "10.244.$((16 * ($1 + 1))).0/20"; }       # index
state_of() { echo "/run/$(node_name "$1")"; }              # index; sockets in DIR could have too long a path
containerd_socket() { echo "$(state_of "${1##*-}")/containerd.sock"; } # folder of a node, or its index

ready_nodes() {
    "$BIN/kubectl" --kubeconfig "$D/admin.conf" get nodes --no-headers 2>/dev/null | grep -c ' Ready ' || true
}

nodes_are_ready() { # how many
    [ "$(ready_nodes)" = "$1" ]
}

make_network() {
    echo "$D" >"/run/$BRIDGE"
    ip link add "$BRIDGE" type bridge
    ip addr add "$HOST_IP/20" dev "$BRIDGE"
    ip link set "$BRIDGE" up
}

start_node() { # index
    local index=$1 name ip folder state enter
    name=$(node_name "$index") ip=$(node_ip "$index") folder=$D/node-$index state=$(state_of "$index")
    mkdir -p "$folder/cni" "$folder/containerd" "$folder/kubelet" "$D/logs/pods-$index"
    make_namespace "$index" "$name" "$ip"
    make_cgroups "$name"
    certificate "$name" "system:node:$name" system:nodes ca "DNS:$name,IP:$ip,IP:127.0.0.1"
    kubeconfig "$name"
    configure_containerd "$folder" "$state" "$(pods_of "$index")" >"$folder/containerd.toml"
    configure_kubelet "$name" "$state" "$index" >"$folder/kubelet.yaml"
    configure_proxy "$name" >"$folder/proxy.yaml"
    run_node "$index"
}

run_node() { # index of one that is configured
    local index=$1 name ip folder state enter
    name=$(node_name "$index") ip=$(node_ip "$index") folder=$D/node-$index state=$(state_of "$index")
    # Not `ip netns exec`, which mounts another /sys and so hides the cgroups from the kubelet.
    enter=(nsenter "--net=/var/run/netns/$name" --)
    start "containerd-$index" "${enter[@]}" containerd --config "$folder/containerd.toml"
    wait_until "containerd of $name" test -S "$state/containerd.sock"
    ctr --address "$state/containerd.sock" --namespace k8s.io images import "$CACHE/pause.tar" >/dev/null
    start "kubelet-$index" "${enter[@]}" "$BIN/kubelet" --config "$folder/kubelet.yaml" --kubeconfig "$D/$name.conf" \
        --hostname-override "$name" --node-ip "$ip" --root-dir "$folder/kubelet"
    start "proxy-$index" "${enter[@]}" "$BIN/kube-proxy" --config "$folder/proxy.yaml"
}

# As if its power had failed: nothing on it says a last word, and nothing of it is on the network.
kill_node() { # index
    local name
    ip link set "veth-dark-$1" down
    for name in "kubelet-$1" "containerd-$1" "proxy-$1"; do
        ! is_running "$name" || signal KILL "$name"
        rm -f "$D/$name.pid"
    done
    end_containers "$1"
}

# Its disk is as it was.
restart_node() { # index
    rm -f "$(state_of "$1")/containerd.sock"
    ip link set "veth-dark-$1" up
    run_node "$1"
}

make_namespace() { # index, name, address
    local other link="veth-dark-$1"
    ip netns add "$2"
    ip link add "$link" type veth peer name eth0 netns "$2"
    ip link set "$link" master "$BRIDGE" up
    ip -n "$2" addr add "$3/20" dev eth0
    ip -n "$2" link set eth0 up
    ip -n "$2" link set lo up
    ip -n "$2" route add default via "$HOST_IP"
    ip route replace "$(pods_of "$1")" via "$3" dev "$BRIDGE"
    for ((other = 0; other < MAX_NODES; other++)); do
        [ "$other" = "$1" ] || ip -n "$2" route add "$(pods_of "$other")" via "$(node_ip "$other")"
    done
    nsenter "--net=/var/run/netns/$2" -- sysctl -qw net.ipv4.ip_forward=1
}

# Pods of two kubelets must not meet in one cgroup.
make_cgroups() { # name
    local controller file
    if [ -f $CGROUPS/cgroup.controllers ]; then
        for controller in cpuset cpu memory pids; do
            echo "+$controller" >$CGROUPS/cgroup.subtree_control 2>/dev/null || true
        done
        mkdir -p "$CGROUPS/$1"
        return
    fi
    for controller in blkio cpu cpuacct cpuset devices freezer memory pids systemd; do
        [ ! -d "$CGROUPS/$controller" ] || mkdir -p "$CGROUPS/$controller/$1"
    done
    # A new cpuset is empty, and takes no process.
    for file in cpus mems; do
        [ ! -d $CGROUPS/cpuset ] || cat "$CGROUPS/cpuset/cpuset.$file" >"$CGROUPS/cpuset/$1/cpuset.$file"
    done
}

configure_containerd() { # folder, state folder, range of the pods
    cat >"$1/cni/10-pods.conflist" <<J
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$1/ipam", "ranges": [[{"subnet": "$3"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
J
    cat <<T
version = 2
root = "$1/containerd"
state = "$2"
[grpc]
  address = "$2/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$1/opt"
[plugins."io.containerd.grpc.v1.cri"]
  # A root without CAP_SYS_RESOURCE may not lower a score, and every pod would fail.
  restrict_oom_score_adj = true
  # Where \`down\` finds them.
  netns_mounts_under_state_dir = true
  sandbox_image = "localhost/pause:1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$CNI_BIN"
    conf_dir = "$1/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
T
}

configure_kubelet() { # name, state folder, index
    cat <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/$1.crt
tlsPrivateKeyFile: $PKI/$1.key
cgroupDriver: cgroupfs
cgroupRoot: /$1
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://$2/containerd.sock
podLogsDir: $D/logs/pods-$3
# The disk and the memory are those of the machine, which has other things to do as well.
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
Y
}

configure_proxy() { # name
    cat <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $D/proxy.conf}
mode: iptables
clusterCIDR: $PODS
hostnameOverride: $1
conntrack: {maxPerCore: 0}
Y
}

# Ends everything of the folder, in whatever state it is.
down_all() {
    local shims
    # Nobody may start anything while the rest ends.
    # shellcheck disable=SC2046
    stop $(names 'kubelet-*') kcm scheduler
    if owns_network; then
        need_root down
        end_containers
    fi
    # shellcheck disable=SC2046
    stop $(names 'proxy-*') $(names 'containerd-*')
    # One after the other: an API server whose etcd is gone takes long to end.
    stop apiserver
    stop etcd
    if owns_network; then
        unmount_all
        remove_network
        remove_cgroups
        remove_fixed_places
        rm -rf "/run/$BRIDGE" /run/darkages-node-*
    fi
    rm -rf --one-file-system "$D/etcd" "$D/apiserver" "$D"/node-* "$PKI" "$D"/*.conf
}

owns_network() {
    [ "$(cat "/run/$BRIDGE" 2>/dev/null)" = "$D" ]
}

end_containers() { # index, or nothing for all
    local deadline=$((SECONDS + STOP_SECONDS)) pids file
    # A shim's socket is where all shims have theirs, and containerd forgets which one it was when the shim ends.
    for file in /run/darkages-node-${1:-*}/io.containerd.runtime.v2.task/*/*/address; do
        [ ! -f "$file" ] || rm -f "$(sed 's|^unix://||' "$file")"
    done
    # Containers by the cgroups that they cannot leave; shims, who are in none, by the socket that they were told.
    while pids=$(container_pids "${1:-*}"; shim_pids "${1:-[0-9]*}"); [ -n "$pids" ]; do
        # shellcheck disable=SC2086
        kill -KILL $pids 2>/dev/null || true
        [ $SECONDS -lt $deadline ] || fail "these processes do not end: $(tr '\n' ' ' <<<"$pids")"
        sleep $PAUSE_SECONDS
    done
}

cgroups_named() { # pattern: the topmost ones
    find $CGROUPS -maxdepth 2 -type d -name "$1"
}

container_pids() { # index, or a pattern
    local cgroup
    for cgroup in $(cgroups_named "darkages-node-$1"); do
        find "$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null
    done | sort -u
}

shim_pids() { # index, or an expression
    local cmdline
    for cmdline in /proc/[0-9]*/cmdline; do
        ! { tr '\0' ' ' <"$cmdline" | grep -q '^[^ ]*containerd-shim[^ ]* .*/run/darkages-node-'"$1"'/'; } 2>/dev/null ||
            cut -d / -f 3 <<<"$cmdline"
    done
}

unmount_all() {
    local point
    while point=$(our_mounts | tail -n 1); [ -n "$point" ]; do
        umount --lazy "$point" || fail "$point cannot be unmounted: see who uses it"
    done
}

our_mounts() { # in the order in which they were mounted
    awk -v folder="$D/" 'index($5, folder) == 1 || $5 ~ "^/run/darkages-node-" {print $5}' /proc/self/mountinfo
}

remove_network() {
    local index
    for ((index = 0; index < MAX_NODES; index++)); do
        [ ! -e "/var/run/netns/$(node_name "$index")" ] || ip netns del "$(node_name "$index")"
        # It goes with the namespace, but not at once.
        ip link del "veth-dark-$index" 2>/dev/null || true
    done
    ip link del "$BRIDGE" 2>/dev/null || true
}

remove_cgroups() {
    remove_cgroups_named 'darkages-node-*'
}

remove_cgroups_named() { # pattern
    local cgroup
    for cgroup in $(cgroups_named "$1"); do
        find "$cgroup" -depth -type d -exec rmdir {} + || fail "$cgroup cannot be removed: see who is in it"
    done
}

# Places that cannot be configured, where others may have something as well.
remove_fixed_places() {
    local file id
    for file in "$D"/node-*/ipam/pods/10.*; do
        [ -f "$file" ] || continue
        read -r id <"$file" || true
        rm -f /var/lib/cni/results/*-"${id%$'\r'}"-*
    done
    [ ! -d /var/log/containers ] || find /var/log/containers -type l -lname "$D/*" -delete
    rm -f /var/lib/kubelet/device-plugins/kubelet.sock
    for file in /var/lib/kubelet/device-plugins /var/lib/kubelet /var/lib/cni/results /var/lib/cni /var/log/containers \
        /run/containerd/s /run/containerd/runc/k8s.io /run/containerd/runc /run/containerd; do
        [ ! -d "$file" ] || rmdir --ignore-fail-on-non-empty "$file"
    done
}
