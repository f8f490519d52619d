# Part of cluster.sh: builds the programs, each once for what go.mod, go.sum and this file say.
#
# Kubernetes is an ordinary Go module once each of its staging modules is replaced by the published one (go.mod here), and
# go.sum pins every byte. What is cached are the programs alone: Go's own build cache is ten times their size.
# shellcheck shell=bash

readonly API_PROGRAMS=(etcd kube-apiserver kubectl)
readonly NODE_PROGRAMS=(kube-controller-manager kube-scheduler kubelet kube-proxy)
# From this version on, Go gets by itself the newer one that go.mod asks for.
readonly LEAST_GO=1.21

build() {
    case ${1:-} in
        '') ;;
        api) ;;
        *) fail "build knows no $1: give api, or nothing for everything" ;;
    esac
    [ $# -le 1 ] || fail "build takes api or nothing: remove ${*:2}"
    local stamp program programs=("${API_PROGRAMS[@]}")
    [ "${1:-}" = api ] || programs+=("${NODE_PROGRAMS[@]}")
    stamp=$(cat "$here/go.mod" "$here/go.sum" "$here/build.sh" | sha256sum | cut -d ' ' -f 1)
    mkdir -p "$BIN"
    for program in "${programs[@]}"; do
        [ "$(cat "$BIN/.$program" 2>/dev/null)" = "$stamp" ] && [ -x "$BIN/$program" ] && continue
        need_go
        echo "building $program" >&2
        build_program "$program"
        echo "$stamp" >"$BIN/.$program"
    done
    [ "${1:-}" = api ] || build_pause "$stamp"
}

need_go() {
    "$root/.ci/need" golang-go=go
    local have
    have=$(go env GOVERSION)
    have=${have#go}
    [ "$(printf '%s\n' "$LEAST_GO" "$have" | sort --version-sort | head -1)" = "$LEAST_GO" ] ||
        fail "Kubernetes cannot be built, because Go $have is too old to get the one that go.mod asks for: install Go $LEAST_GO or later"
}

build_program() {
    local package version flags
    case $1 in
        etcd) package=go.etcd.io/etcd/server/v3 ;;
        *) package=k8s.io/kubernetes/cmd/$1 ;;
    esac
    version=$(cd "$here" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
    # kubectl and the API server compare these, and say them.
    flags="-s -w"
    flags+=" -X k8s.io/component-base/version.gitVersion=$version"
    flags+=" -X k8s.io/component-base/version.gitMajor=$(cut -d . -f 1 <<<"${version#v}")"
    flags+=" -X k8s.io/component-base/version.gitMinor=$(cut -d . -f 2 <<<"$version")"
    # In its place only when it is whole.
    (cd "$here" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$flags" -o "$BIN/.new-$1" "$package")
    mv "$BIN/.new-$1" "$BIN/$1"
}

# The image of the container that holds a pod's namespaces, from Kubernetes' own source.
build_pause() { # stamp
    [ "$(cat "$CACHE/.pause" 2>/dev/null)" = "$1" ] && [ -f "$CACHE/pause.tar" ] && return
    need_go
    "$root/.ci/need" gcc=gcc
    echo "building the pause image" >&2
    local work source
    source=$(cd "$here" && go mod download k8s.io/kubernetes && go list -m -f '{{.Dir}}' k8s.io/kubernetes)/build/pause/linux/pause.c
    work=$(mktemp -d)
    gcc -static -Os -s -DVERSION=test -o "$work/pause" "$source"
    scratch_image "$work" localhost/pause:1 "$CACHE/pause.tar" '["/pause"]'
    rm -rf "$work"
    echo "$1" >"$CACHE/.pause"
}

need_built() {
    local program
    for program in "$@"; do
        [ -x "$BIN/$program" ] || fail "$program is missing: run \`make cluster\` or \`make api\` once, or cluster.sh build"
    done
}
