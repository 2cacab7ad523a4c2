# Begins every step of InstallRunner; before it stands release, the SHA-256 of the list that the release is named
# after. A step exits 0, 1 or 100 and never 194, which would make the agent reboot the host (F40).
set -u
umask 077
root=${HOLDFAST_ROOT:-/opt/holdfast}

say() { echo "holdfast: $*"; }
