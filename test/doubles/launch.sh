#!/bin/sh
# Stands in for the launcher: does what the job id says, and shows what it was given.
case "$1" in
  fail-*) exit "${1#fail-}" ;;
  mark-*) : >"$HOLDFAST_ROOT/marks/$1-$$" ;;
  sleep) sleep 600 ;;
  *)
    echo 'to stderr' >&2
    env | sort
    echo "argument=$1"
    ;;
esac
