#!/usr/bin/env bash
# Runs in the lab, as the user: gives Podman an image for agents, localhost/agent:lab, of files that the lab has: a shell,
# curl, openssl, Python and Node. Nothing is downloaded.
set -euo pipefail
image=localhost/agent:lab
! podman image exists "$image" || exit 0

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cd "$root"
mkdir -p bin usr/bin usr/lib etc tmp

# A program with the libraries that its loader finds.
add() {
  local library
  cp -L "$1" "usr/bin/$(basename "$1")"
  /lib64/ld-linux-x86-64.so.2 --list "$1" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p ".$(dirname "$library")"
    cp -L "$library" ".$library"
  done
}

cp /bin/busybox bin/busybox
for name in sh cat chmod cp dirname echo env grep head id install ip ln ls mkdir mknod mount mv nc nslookup rm rmdir \
  sleep stat true touch wget; do ln -s busybox "bin/$name"; done
for program in /usr/bin/curl /usr/bin/openssl /usr/bin/python3 /project/node_modules/.bin/node; do add "$program"; done
cp -r /usr/lib/python3* usr/lib/
tar --create --file - . | podman import --quiet --change 'CMD ["/bin/sleep", "infinity"]' - "$image"
