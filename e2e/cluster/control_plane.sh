# Part of cluster.sh: certificates, etcd, the API server, controller-manager and scheduler.
# shellcheck shell=bash

readonly SERVICES=10.96.0.0/16
readonly FIRST_SERVICE=10.96.0.1

# Times that the API server is started until it must serve: another process may take a port between the look and the use.
readonly STARTS=4

authority() { # file, common name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$PKI/$1.key" -out "$PKI/$1.crt" \
        -days 365 -subj "/CN=$2" 2>/dev/null
}

certificate() { # file, common name, organisation, authority, subject alternative names
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$PKI/$1.key" -out "$PKI/$1.csr" \
        -subj "/O=$3/CN=$2" 2>/dev/null
    printf 'keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n%s' "${5:+subjectAltName=$5
}" >"$PKI/$1.ext"
    openssl x509 -req -in "$PKI/$1.csr" -CA "$PKI/$4.crt" -CAkey "$PKI/$4.key" -CAcreateserial -out "$PKI/$1.crt" \
        -days 365 -extfile "$PKI/$1.ext" 2>/dev/null
    rm "$PKI/$1.csr" "$PKI/$1.ext"
}

make_certificates() { # address of the API server
    mkdir -p "$PKI"
    authority ca kubernetes-ca
    authority front front-proxy-ca
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$PKI/sa.key" 2>/dev/null
    openssl pkey -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub"
    certificate apiserver kube-apiserver k8s ca \
        "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$FIRST_SERVICE,IP:$1"
    certificate admin admin system:masters ca
    certificate kubelet-client kube-apiserver-kubelet-client system:masters ca
    certificate front-client front-proxy-client k8s front
}

kubeconfig() { # user: writes $D/USER.conf, with the certificate of that name
    cat >"$D/$1.conf" <<Y
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$API_ADDRESS", certificate-authority: $PKI/ca.crt}}]
users: [{name: $1, user: {client-certificate: $PKI/$1.crt, client-key: $PKI/$1.key}}]
contexts: [{name: test, context: {cluster: test, user: $1}}]
current-context: test
Y
}

# Below the ports that outgoing connections get, so that none of those takes it.
free_port() { # address
    local port
    while true; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if ! (exec 3<>"/dev/tcp/$1/$port") 2>/dev/null; then echo "$port"; return; fi
    done
}

ready() {
    [ "$("$BIN/kubectl" --kubeconfig "$D/admin.conf" --request-timeout 2s get --raw /readyz 2>/dev/null)" = ok ]
}

start_api_server() { # address to listen on
    local attempt
    for ((attempt = 1; attempt <= STARTS; attempt++)); do
        try_api_server "$1"
        wait_until "the API server" ready_or_ended
        if ready; then return; fi
        stop apiserver etcd
    done
    last_words
    fail "the API server does not start: see $D/logs"
}

ready_or_ended() {
    ready || ! is_running etcd || ! is_running apiserver
}

try_api_server() { # address
    local clients peers port reconciler=lease
    # Nobody else can be told a loopback address.
    [ "$1" != 127.0.0.1 ] || reconciler=none
    clients=$(free_port 127.0.0.1) peers=$(free_port 127.0.0.1) port=$(free_port "$1")
    API_ADDRESS=$1:$port
    kubeconfig admin
    rm -rf "$D/etcd"
    # Nothing of a test has to outlive the power.
    start etcd "$BIN/etcd" --data-dir "$D/etcd" --unsafe-no-fsync --log-level warn \
        --listen-client-urls "http://127.0.0.1:$clients" --advertise-client-urls "http://127.0.0.1:$clients" \
        --listen-peer-urls "http://127.0.0.1:$peers" --initial-advertise-peer-urls "http://127.0.0.1:$peers" \
        --initial-cluster "default=http://127.0.0.1:$peers"
    start apiserver "$BIN/kube-apiserver" --etcd-servers "http://127.0.0.1:$clients" \
        --bind-address "$1" --advertise-address "$1" --secure-port "$port" \
        --endpoint-reconciler-type "$reconciler" --service-cluster-ip-range "$SERVICES" \
        --cert-dir "$D/apiserver" \
        --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" \
        --client-ca-file "$PKI/ca.crt" \
        --service-account-key-file "$PKI/sa.pub" --service-account-signing-key-file "$PKI/sa.key" \
        --service-account-issuer https://kubernetes.default.svc --authorization-mode Node,RBAC \
        --enable-aggregator-routing --requestheader-client-ca-file "$PKI/front.crt" \
        --requestheader-allowed-names front-proxy-client --requestheader-extra-headers-prefix X-Remote-Extra- \
        --requestheader-group-headers X-Remote-Group --requestheader-username-headers X-Remote-User \
        --proxy-client-cert-file "$PKI/front-client.crt" --proxy-client-key-file "$PKI/front-client.key" \
        --kubelet-client-certificate "$PKI/kubelet-client.crt" --kubelet-client-key "$PKI/kubelet-client.key" \
        --kubelet-certificate-authority "$PKI/ca.crt" --kubelet-preferred-address-types InternalIP
}

start_controllers() {
    certificate kcm system:kube-controller-manager k8s ca
    certificate scheduler system:kube-scheduler k8s ca
    certificate proxy system:kube-proxy k8s ca
    kubeconfig kcm
    kubeconfig scheduler
    kubeconfig proxy
    # No ports: nobody asks them anything.
    start kcm "$BIN/kube-controller-manager" --kubeconfig "$D/kcm.conf" --secure-port 0 --leader-elect=false \
        --service-account-private-key-file "$PKI/sa.key" --root-ca-file "$PKI/ca.crt" --use-service-account-credentials
    start scheduler "$BIN/kube-scheduler" --kubeconfig "$D/scheduler.conf" --secure-port 0 --leader-elect=false
}
