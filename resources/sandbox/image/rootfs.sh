#!/bin/sh
# What the packages' own scripts would have done: they don't run in an extracted root file system. $1 is that folder.
set -eu
root=$1
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
ln -sf python3 "$root/usr/bin/python"
ln -sf mawk "$root/usr/bin/awk"
ln -sf /usr/share/zoneinfo/Etc/UTC "$root/etc/localtime"
find "$root" -xdev -type f -perm /6000 -exec chmod a-s {} +
find "$root/usr/share/doc" -type f ! -name copyright -delete
rm -rf "$root/usr/share/man" "$root/usr/share/info" "$root/usr/share/locale" "$root/var/cache/apt" "$root/var/lib/apt/lists"
chroot "$root" ldconfig
# unchecked-hash: the files never change, so no start compares times
chroot "$root" python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /usr/lib/python3 /usr/lib/python3.* >/dev/null || true
