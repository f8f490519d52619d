#!/usr/bin/env bash
# Starts a cluster of two nodes, has pods talk to each other in every way that tests rely on, ends it, and compares what the
# machine has with what it had before. Fails on the first thing that is not so.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cluster=$here/cluster.sh
# shellcheck source=e2e/cluster/image.sh
source "$here/image.sh"
"$root/.ci/need" busybox-static=/bin/busybox iproute2=ip iptables=iptables

work=$(mktemp -d /tmp/darkages-cluster-check-XXXXXX)
D=$work/cluster
trap '"$cluster" down "$D" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
kubectl() { "$root/.cache/cluster/bin/kubectl" --kubeconfig "$D/admin.conf" --cache-dir "$work/kubectl" "$@"; }

# Everything that a cluster makes beside files and processes of its own, without numbers that change by themselves.
left() (
    set +e # not all of these have something to say
    ip -oneline link | sed 's/^[0-9]*: //' | cut -d ' ' -f 1
    ip route
    ip netns list | cut -d ' ' -f 1
    cut -d ' ' -f 5 /proc/self/mountinfo
    find /sys/fs/cgroup -type d -name '*darkages*' -o -type d -name 'kubepods*'
    iptables-save | grep -v '^#' | sed 's/\[.*\]//'
    sysctl net.ipv4.ip_forward
    find /run /var/lib /var/log -maxdepth 1 | sort
    find /var/lib/kubelet /var/lib/cni /var/log/containers /run/containerd /run/netns 2>/dev/null
    pgrep -fl "$D" # every process names the folder, but shims
    pgrep -fl 'containerd-shim.*darkages-node'
    true
)

say() { echo "--- $*" >&2; }

left >"$work/before"

say "two nodes"
"$cluster" up "$D" --nodes 2 >/dev/null
"$cluster" up "$D" --nodes 2 >/dev/null   # it is there, so nothing happens

mkdir -p "$work/image/www" "$work/image/bin"
cp /bin/busybox "$work/image/bin/busybox"
echo hello >"$work/image/www/index.html"
scratch_image "$work/image" localhost/check:1 "$work/image.tar" '["/bin/busybox"]'
"$cluster" load "$D" "$work/image.tar" >/dev/null

pod() { # name, node, labels, arguments, further fields
    cat <<Y
---
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: $3}}
spec:
  nodeName: darkages-node-$2
  restartPolicy: Never
  containers:
  - {name: main, image: "localhost/check:1", imagePullPolicy: Never, args: [$4]${5:+, $5}}
Y
}

say "a server on each, and a service of both"
{
    for node in 0 1; do
        pod "server-$node" "$node" server 'httpd, -f, -p, "8000", -h, /www' 'ports: [{containerPort: 8000, hostPort: 7000}]'
    done
    cat <<'Y'
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {type: NodePort, clusterIP: 10.96.7.7, selector: {app: server}, ports: [{port: 80, targetPort: 8000, nodePort: 30007}]}
Y
} | kubectl apply -f - >/dev/null
kubectl wait --for=condition=Ready --timeout=60s pods --selector app=server >/dev/null
address() { kubectl get pod "server-$1" -o 'jsonpath={.status.podIP}'; }

say "pods reach pods on both nodes, the service, and the API server"
fetch() { echo "wget -q -T 10 -O - http://$1/ | grep -q hello"; }
everything="set -e; $(fetch "$(address 0):8000"); $(fetch "$(address 1):8000"); $(fetch 10.96.7.7); nc -w 10 10.96.0.1 443 </dev/null"
{
    for node in 0 1; do
        # A service is known to a node a moment after it was made.
        pod "client-$node" "$node" client "sh, -c, \"for i in 1 2 3 4 5 6 7 8 9; do ($everything) && exit 0; sleep 1; done; exit 1\"" |
            sed 's/\bwget\b/busybox wget/g; s/\bgrep\b/busybox grep/g; s/\bnc\b/busybox nc/g; s/\bsleep\b/busybox sleep/g' |
            sed 's|imagePullPolicy|env: [{name: PATH, value: /bin}], imagePullPolicy|'
    done
} | kubectl apply -f - >/dev/null
for node in 0 1; do
    kubectl wait --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s "pod/client-$node" >/dev/null ||
        { kubectl describe pod "client-$node" >&2; kubectl logs "client-$node" >&2; exit 1; }
done

say "this machine reaches pods, ports of nodes, and ports of the service on nodes"
answers() { # host, port
    exec 3<>"/dev/tcp/$1/$2" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && timeout 10 grep -q hello <&3
}
for node in 0 1; do
    answers "$(address $node)" 8000 || { echo "error: the pod on node $node does not answer" >&2; exit 1; }
    for port in 7000 30007; do
        answers "10.244.0.$((node + 2))" $port || { echo "error: port $port of node $node does not answer" >&2; exit 1; }
    done
done

say "the end, with pods still running"
"$cluster" down "$D"
"$cluster" down "$D"   # it is gone, so nothing happens
left >"$work/after"
diff "$work/before" "$work/after" >&2 || { echo "error: the cluster left what is marked with >" >&2; exit 1; }
[ "$(ls "$D")" = logs ] || { echo "error: the cluster left in its folder: $(ls "$D")" >&2; exit 1; }
echo "1 passed, 0 failed"
