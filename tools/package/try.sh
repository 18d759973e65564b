#!/usr/bin/env bash
# Installs the Debian package under a real systemd and uses it: start, learn, reload, kill -9, stop, remove.
#
#   tools/package/try.sh [target/debian/seald_VERSION_ARCH.deb]
#
# systemd runs as process 1 of namespaces of its own, over a copy-on-write view of this system that is gone afterwards.
# Needs root, systemd 250 or later, unshare and nsenter.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
package=$(realpath "${1:-$(ls -t "$here"/target/debian/*.deb | head -1)}")
work=$(mktemp -d)
init=

end() {
  [ -z "$init" ] || kill -9 "$init" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT

cat >"$work/boot" <<BOOT
set -eu
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
cd "$work"
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount -t proc proc root/proc
mount --rbind /sys root/sys
mount --rbind /dev root/dev
mount -t tmpfs -o mode=755 tmpfs root/run
mount -t tmpfs tmpfs root/tmp
cp "$package" root/root/seald.deb
cp "$here"/examples/inbox/drelpolford.* "$here"/examples/inbox/the-horkroadas-games.pdf root/root/
# Packages may start services here, whatever this system's rules are.
rm -f root/usr/sbin/policy-rc.d
head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >root/etc/machine-id
exec chroot root /usr/bin/env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=basic.target --log-target=null
BOOT

# What unshare says of the end that it was given is left out.
unshare --pid --fork --mount --uts --ipc --propagation private bash "$work/boot" </dev/null 2> >(grep -v sigprocmask >&2) &
outer=$!

# In the booted system.
inside() { nsenter -t "$init" -p -m -u -i --root="/proc/$init/root" --wd="/proc/$init/root" timeout 120 "$@"; }

# Tries something for a minute.
within_a_minute() {
  for _ in $(seq 120); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.5
  done
  echo "FAILED, not within a minute: $*" >&2
  inside journalctl --no-pager -u seald | tail -20 >&2
  exit 1
}

# The filter of what unshare says is its child, too.
booted() { init=$(pgrep -P "$outer" -x systemd) && inside systemctl is-system-running; }
learned() { inside sealctl --json status | grep -q "\"learned\": *$1"; }
property() { inside systemctl show -p "$1" --value seald; }
restarted() { [ "$(property NRestarts)" = 1 ] && [ "$(property ActiveState)" = active ] && inside sealctl status; }

within_a_minute booted
echo "systemd runs: $(inside systemctl --version | head -1)"
inside dpkg -i /root/seald.deb >/dev/null
within_a_minute inside sealctl status
echo "installed, started: $(property StatusText)"
inside sh -c 'cp /root/drelpolford.* /var/lib/seald/inbox/'
within_a_minute learned 1
inside systemctl reload seald
inside sh -c 'cp /root/the-horkroadas-games.pdf /var/lib/seald/inbox/'
within_a_minute inside test -e /var/lib/seald/inbox/done/the-horkroadas-games.pdf
inside kill -9 "$(property MainPID)"
within_a_minute restarted
within_a_minute learned 2
inside sealctl status
inside sealctl ask "Who is the mayor of Drelpolford?"
inside systemctl stop seald
[ "$(property Result)" = success ] || { echo "FAILED: the stop was $(property Result)" >&2; exit 1; }
inside dpkg -P seald >/dev/null
inside test -d /var/lib/seald/adapters/gen-000002
echo "removed; what was learned is still there. All is well."
