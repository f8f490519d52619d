# Part of cluster.sh, and of whatever makes images: images without anything but the files of a folder, as archives that containerd imports.
# shellcheck shell=bash

scratch_image() { # folder with the image's files, name of the image, archive to write, command as JSON
    local work layer
    work=$(mktemp -d)
    tar --owner=0 --group=0 --mtime=@0 -C "$1" -cf "$work/layer.tar" .
    layer=$(sha256sum "$work/layer.tar" | cut -d ' ' -f 1)
    printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":%s},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$(image_architecture)" "$4" "$layer" >"$work/config.json"
    printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$2" >"$work/manifest.json"
    tar -C "$work" -cf "$3" manifest.json config.json layer.tar
    rm -rf "$work"
}

# A program and the libraries that it is linked with, which a static one has none of.
install_program() { # program, name in /bin, folder with the image's files
    local library
    install -D "$1" "$3/bin/$2"
    # vdso has no file, the loader stands without an arrow, and of a static program ldd says that it is one.
    for library in $(ldd "$1" 2>&1 | sed -n 's|.*=> \(/[^ ]*\).*|\1|p; s|^[[:space:]]*\(/[^ ]*\) (0x.*|\1|p'); do
        install -D "$library" "$3$library"
    done
}

image_architecture() { # as images name it
    case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
        *) uname -m ;;
    esac
}
