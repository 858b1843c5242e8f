#!/usr/bin/env bash
# Builds and tags an image of the sandbox; prints its tag. An unchanged recipe is a no-op.
#
#   build.sh                 the base image (Debian or Ubuntu: from the machine's own package mirror, no image registry)
#   build.sh --packages A,B  a language's image: the same, with these packages of Debian beyond the base's
#   build.sh --base NAME     build on an image that the engine has or can pull, with python3 >= 3.11
#   build.sh --tag           print the tag and build nothing
#
# The recipe is every file of this folder. Its digest is the base image's tag, and the one over that tag and the packages
# is a language image's: a changed recipe is a new image, and languages of the same packages share one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

tag=astro-mcp-sandbox:$(find . -type f -not -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
packages=base-files,base-passwd,bash,coreutils,dash,diffutils,findutils,git,grep,gzip,hostname,libc-bin,libstdc++6,mawk,netbase,patch,procps,python3,sed,tar,tzdata

say() { printf 'sandbox image: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

base='' extra='' only_tag=''
while [ $# -gt 0 ]; do
    case "$1" in
        --tag) only_tag=1; shift ;;
        --base) base=${2:?an image follows --base}; shift 2 ;;
        --packages) extra=${2:?names with commas between them follow --packages}; shift 2 ;;
        *) fail "unknown argument $1 (there are --tag, --base NAME and --packages A,B)" ;;
    esac
done
if [ -n "$extra" ]; then
    [[ $extra =~ ^[a-z0-9][a-z0-9+.-]*(,[a-z0-9][a-z0-9+.-]*)*$ ]] || fail "no names of packages: $extra"
    extra=$(tr , '\n' <<<"$extra" | LC_ALL=C sort -u | paste -sd,)
    tag=astro-mcp-language:$(printf '%s %s' "$tag" "$extra" | sha256sum | cut -c1-16)
    packages=$packages,$extra
fi
rootfs=astro-mcp-rootfs:$( (printf %s "$packages"; cat rootfs.sh) | sha256sum | cut -c1-16)
[ -z "$only_tag" ] || { printf '%s\n' "$tag"; exit 0; }

docker info >/dev/null 2>&1 || fail "the Docker engine does not answer (docker info)"
if docker image inspect "$tag" >/dev/null 2>&1; then
    printf '%s\n' "$tag"
    exit 0
fi

# The mirror, its proxy and its certificates are the machine's own: nothing here names a host.
mirror() { apt-get indextargets --format '$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI)' 2>/dev/null |
    awk -v release="$1" '$1 == "Packages" && $2 == "main" && $3 == release { print $4; exit }'; }

make_rootfs() {
    local id codename suite components found option image options=()
    [ -r /etc/debian_version ] || fail "no Debian or Ubuntu here: build on an image instead: $0 --base python:3.13-slim"
    id=$(. /etc/os-release && printf %s "$ID")
    codename=$(. /etc/os-release && printf %s "$VERSION_CODENAME")
    case "$id" in
        debian) suite=trixie components=main ;;
        *) suite=$codename components=main,universe ;;
    esac
    if ! command -v mmdebstrap >/dev/null; then
        [ "$(id -u)" = 0 ] || fail "mmdebstrap is missing: sudo apt-get install -y mmdebstrap"
        say "installing mmdebstrap"
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mmdebstrap >&2 ||
            { apt-get update >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mmdebstrap >&2; }
    fi
    found=$(mirror "$codename")
    [ -n "$found" ] || fail "the apt configuration names no mirror with $codename main"
    while IFS= read -r option; do options+=("--aptopt=$option"); done < <(apt-config dump |
        grep -E '^Acquire::(http|https)::(Proxy|CaInfo|Timeout)[^"]* ".+";$' || true)
    say "making the root file system: $suite from the machine's mirror"
    # Named at its end: half a root file system would be taken for a whole one the next time.
    image=$(mmdebstrap --quiet --variant=extract --include="$packages" --components="$components" "${options[@]}" \
        --extract-hook="sh $PWD/rootfs.sh \"\$1\"" "$suite" - "$found" | docker import --message "astro-mcp rootfs $suite" -) ||
        { [ -z "$image" ] || docker image rm "$image" >/dev/null; fail "the root file system could not be made of ${packages//,/ }"; }
    docker tag "$image" "$rootfs"
}

network=() label=()
[ -z "$extra" ] || label=(--label astro-mcp.kind=language)
if [ -z "$base" ]; then
    docker image inspect "$rootfs" >/dev/null 2>&1 || make_rootfs
    base=$rootfs network=(--network none) extra=''
fi
say "building $tag on $base"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
docker build --force-rm "${network[@]}" "${label[@]}" --build-arg BASE="$base" --build-arg PACKAGES="${extra//,/ }" --tag "$tag" . >"$log" 2>&1 || { cat "$log" >&2; fail "docker build failed"; }
printf '%s\n' "$tag"
