#!/bin/bash
# Makes the disk of the guest in which the tests of tests/vm run: Debian 12 with systemd (so control groups of version 2, and a
# delegated part of them for the ordinary user "tester"), AppArmor, bubblewrap, Docker and the host's Node. Needs root, debootstrap, mke2fs.
#   make-image.sh FOLDER NODE AGENT    leaves disk.img, vmlinuz and initrd in FOLDER
set -euo pipefail
folder=$1 node=$2 agent=$3
root=$folder/root

packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,apparmor,procps,kmod,util-linux,e2fsprogs
packages+=,initramfs-tools,zstd,libstdc++6,bubblewrap,python3,docker.io
debootstrap --variant=minbase --include="$packages" bookworm "$root"

# The cloud kernel has no 9p, by which the folders are shared; of this one most drivers are left out.
{
  for drivers in gpu media infiniband staging iio hwmon scsi ata usb mmc mtd isdn firmware platform leds thermal power \
    bluetooth nvme hid target gnss i2c video md net; do
    echo "path-exclude=/lib/modules/*/kernel/drivers/$drivers/*"
  done
  for part in sound net/wireless net/mac80211 net/bluetooth fs/ocfs2 fs/ceph fs/smb fs/nfs fs/nfsd fs/gfs2 fs/xfs fs/btrfs fs/f2fs; do
    echo "path-exclude=/lib/modules/*/kernel/$part/*"
  done
} >"$root/etc/dpkg/dpkg.cfg.d/no-drivers"
printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\n' >"$root/etc/initramfs-tools/conf.d/small"
printf '%s\n' virtio_pci virtio_blk ext4 9p 9pnet_virtio overlay virtio_rng >"$root/etc/initramfs-tools/modules"
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends linux-image-amd64
cp -L "$root"/boot/vmlinuz-* "$folder/vmlinuz"
cp -L "$root"/boot/initrd.img-* "$folder/initrd"
rm -rf "$root"/boot/* "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*

install -m 755 "$node" "$root/usr/local/bin/node"
install -m 755 "$agent" "$root/usr/local/sbin/guest-agent"
echo guest >"$root/etc/hostname"
: >"$root/etc/machine-id"
chmod 1777 "$root/tmp"
mkdir -p "$root/project" "$root/cache"
chroot "$root" useradd --create-home --uid 1000 --shell /bin/bash tester
# With this file its own manager runs from boot on, as for somebody who is logged in.
mkdir -p "$root/var/lib/systemd/linger"
touch "$root/var/lib/systemd/linger/tester"

shared=trans=virtio,version=9p2000.L,msize=524288
cat >"$root/etc/fstab" <<FSTAB
project /project 9p ro,cache=loose,$shared,nofail 0 0
cache /cache 9p ro,cache=loose,$shared,nofail 0 0
jobs /run/guest-jobs 9p rw,cache=none,$shared,x-mount.mkdir=0700 0 0
FSTAB
cat >"$root/etc/systemd/system/guest-agent.service" <<'UNIT'
[Unit]
Wants=user@1000.service
After=user@1000.service systemd-user-sessions.service systemd-logind.service
RequiresMountsFor=/run/guest-jobs
[Service]
ExecStart=/usr/local/sbin/guest-agent /run/guest-jobs
[Install]
WantedBy=multi-user.target
UNIT
chroot "$root" systemctl enable guest-agent.service
chroot "$root" systemctl disable docker.service docker.socket containerd.service
# What a guest of a minute has no use for.
chroot "$root" systemctl mask getty@tty1.service serial-getty@ttyS0.service apt-daily.timer apt-daily-upgrade.timer \
  dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-timesyncd.service systemd-hwdb-update.service \
  ldconfig.service systemd-pstore.service systemd-random-seed.service systemd-update-utmp.service systemd-binfmt.service \
  modprobe@drm.service systemd-journal-flush.service sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount
chroot "$root" systemctl set-default multi-user.target
# Two seconds of parsing at each boot.
rm -f "$root"/etc/apparmor.d/{lsb_release,nvidia_modprobe}

truncate -s 3G "$folder/disk.img"
# From a folder, so that no loop device is needed.
mke2fs -q -F -t ext4 -m 0 -O ^has_journal -E lazy_itable_init=1 -d "$root" "$folder/disk.img"
rm -rf "$root"
