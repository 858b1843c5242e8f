#!/bin/sh
# Runs in the image while it is built: the unprivileged user, the folder for packages, no setuid programs.
set -eu
# Only on an image that somebody else made: a root file system of ours holds them already.
missing="$(command -v git >/dev/null || echo git) ${PACKAGES:-}"
[ "$missing" = " " ] || { apt-get update && apt-get install -y --no-install-recommends $missing && rm -rf /var/lib/apt/lists; }
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "the base image needs python3 >= 3.11" >&2; exit 1; }
grep -q ':65532:' /etc/group || echo 'sandbox:x:65532:' >>/etc/group
grep -q ':x:65532:' /etc/passwd || echo 'sandbox:x:65532:65532:sandbox:/tmp:/bin/sh' >>/etc/passwd
# Node looks for packages in every folder above a program, for `require` and for `import`: at the top last of all.
mkdir -p /opt/site /node_modules /workspace
chown 65532:65532 /opt/site /node_modules /workspace
chmod 1777 /workspace # what is mounted there gets this mode; where Podman mounts it, it is root's
# A .pth line, and no PYTHONPATH: packages are found by `python -I` too, and a project's own environment stays its own.
python3 - <<'PYTHON'
import site
from pathlib import Path

folder = Path(site.getsitepackages()[-1] if "dist-packages" in site.getsitepackages()[-1] else site.getsitepackages()[0])
folder.mkdir(parents=True, exist_ok=True)
# An interpreter that waits for its run adds them when it is told: until then nothing hostile has run in the container.
line = "import os, site; os.environ.get('ASTRO_WAITING') or site.addsitedir('/opt/site')"
(folder / "astro_site.pth").write_text(f"{line}\n")
PYTHON
find / -xdev -type f -perm /6000 -exec chmod a-s {} +
python3 -m compileall -q --invalidation-mode unchecked-hash /opt/astro
