exec env -i HOME=/home/person TOKEN=agentcage:secret:TOKEN:0123 'LINES=one
two'\''' /bin/chroot /root /usr/bin/setpriv --reuid=1000 --regid=1000 --clear-groups -- /bin/sh -c '
cd "$1" || exit 125
shift
found=$1
case $1 in
  -*) found= ;;
  */*) test -e "$1" || found= ;;
  *) found=$(command -v "$1") ;;
esac
case $found in
  '\'''\'' | */*) ;;
  *)
    found=$(
      set -f
      IFS=:
      for folder in $PATH; do
        test -x "$folder/$1" && ! test -d "$folder/$1" && echo "$folder/$1" && break
      done
    )
    if test -z "$found"; then
      echo "agentcage: $1: not found in the cage (the shell'\''s own: sh -c '\''$1 ...'\'')" >&2
      exit 127
    fi
    ;;
esac
if test -z "$found"; then
  echo "agentcage: $1: not found in the cage" >&2
  exit 127
fi
if test -d "$found" || case $found in */*) ! test -x "$found" ;; *) false ;; esac; then
  echo "agentcage: $1: cannot be executed" >&2
  exit 126
fi
unset found
exec "$@"
' agentcage '/home/person/my project' node -e 'console.log("it'\''s")' '$HOME'
