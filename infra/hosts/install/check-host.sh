# Refuses before anything is downloaded.
case " $architectures " in
  *" $arch "*) ;;
  *) refuse "release $release is for $architectures, this host is $(uname -m)" ;;
esac
for program in flock gzip sha256sum; do
  command -v "$program" >/dev/null || refuse "$program is missing on this host"
done
# The launcher gives each job properties of its own: append: is of systemd 240, OOMPolicy of 243.
if [ -d /run/systemd/system ]; then
  read -r _ systemd _ <<END
$(systemctl --version)
END
  systemd=${systemd%%[!0-9]*}
  [ "${systemd:-0}" -ge 243 ] || refuse "systemd ${systemd:-of unknown version} runs on this host, 243 or newer is needed"
fi
if [ ! -d "$root" ]; then
  mkdir -p "$root" || refuse "$root cannot be made"
  # Servers run as other users and may have their directories below.
  chmod 711 "$root" || refuse "$root cannot be opened to those who pass through"
fi
# The archives of Node have 44 MiB each.
has_room . 131072
has_room_to_install "$root"
