#!/usr/bin/env bash
# images.sh BINARIES TAG FOLDER: images of zone-server, zone-operator and zone-directory, from the programs in the folder BINARIES, as archives
# FOLDER/NAME.tar. They are called localhost/darkages/NAME:TAG.
#
# They are made from the Dockerfile, whose stage with the programs is replaced by what is there already. So nothing is downloaded, and what tests run is
# what users get, but for libraries: a program that is not linked statically brings along those that it is linked with.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=e2e/cluster/image.sh
source "$here/image.sh"
binaries=${1:?"give the folder with zone-server, zone-operator and zone-directory"}
tag=${2:?"give a tag for the images, like 0.1.0 or test"}
folder=${3:?"give the folder to put NAME.tar into"}
readonly PROGRAMS=(zone-server zone-operator zone-directory)
readonly AUTHORITIES=/etc/ssl/certs/ca-certificates.crt

# Without a container engine, and without what the machine keeps of others' images. Mounting needs rights that a builder may lack, so layers are plain
# copies; nothing runs in them, so there is nothing to isolate.
buildah() {
    command buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@"
}

# Root filesystem of an image: a program, and the authorities that this machine trusts.
root_filesystem() { # program, folder
    install_program "$binaries/$1" "$1" "$2"
    if [ -f "$AUTHORITIES" ]; then install -D --mode=444 "$AUTHORITIES" "$2$AUTHORITIES"; fi
}

for program in "${PROGRAMS[@]}"; do
    [ -x "$binaries/$program" ] || { echo "error: $binaries/$program is missing: build it first" >&2; exit 1; }
done
"$root/.ci/need" buildah=buildah
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder" "$work/empty"
for program in "${PROGRAMS[@]}"; do root_filesystem "$program" "$work/rootfs/$program"; done
for program in "${PROGRAMS[@]}"; do
    name=localhost/darkages/$program:$tag
    # With times of its own, the same programs give the same image.
    buildah bud --quiet --isolation chroot --timestamp 0 --file "$root/Dockerfile" --target "$program" --build-arg "VERSION=$tag" \
        --build-context "rootfs=$work/rootfs" --tag "$name" "$work/empty" >/dev/null
    rm -f "$folder/$program.tar"
    buildah push --quiet "$name" "docker-archive:$folder/$program.tar:$name"
    echo "$name in $folder/$program.tar"
done
