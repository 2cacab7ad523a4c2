# The machine by the name that npm gives it.
case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) arch=none ;;
esac
