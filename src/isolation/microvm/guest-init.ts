import { CONTROL_PORT, FURTHER_SESSIONS } from './guest-ports.ts'

/** Where the guest's initial file system has things. */
export const GUEST = {
  modules: 'modules',
  order: 'modules/order',
  /** Where the workload's root is put together. */
  root: '/root',
} as const

/** The version of the lines between guest and host; both come from this package, so they always agree. */
export const CHANNEL_VERSION = 2

const FURTHER = Array.from({ length: FURTHER_SESSIONS }, (_, index) => index + 1)

/**
 * Sets the guest's clock to `$first`, in seconds, where it is off by more than the second that this leaves out: time does
 * not go back for nothing.
 */
export const SET_CLOCK = `
        late=$((first - $(date +%s)))
        test "\${late#-}" -le 1 || date -s "@$first" >/dev/null`

/**
 * The first program of the guest, for busybox's shell. It is all there is of us in the guest: it puts files that the host
 * sends into /run, runs them, and says how they ended. Everything it says is heard by the host as from the workload.
 *
 * From the host, a line each: `clock SECONDS`, `file NAME BASE64` (appends), `setup`, `start N pipes|tty`,
 * `signal N NAME`, `resize N ROWS COLUMNS`. To the host: `hello VERSION`, `ready`, `started N`, `signalled N`,
 * `exit N CODE OUTPUT ERRORS` (bytes of each), `failed TEXT`.
 *
 * A session's standard streams are pipes: programs that read a device as their input wait in it for ever when they end.
 * Each is opened for both ways first: opening one end would wait for the other, and a child that ends interrupts that.
 * Output is counted, because what was written to a port may be on its way still when the exit is told. Input comes in
 * pieces, each after its length in a line, the last one empty: all of it is taken, even when the command is gone, so that
 * the next session finds the port at a start of its own.
 *
 * What copies them closes the rest by `exec`: redirections of a function are undone later, so that a copy of each stays
 * open, and a pipe with a writer does not end.
 *
 * With a file /channel (lines \`HOST NUMBER NAME\`) the ports are connections by vsock, which no shell can open: socat does, and
 * shows each as a terminal that changes nothing. Somebody always has that open, so that it does not end with who used it.
 * Such a machine ends when it is reset: it has no power to switch off.
 *
 * A session's processes are those of a control group, which the session takes along when its command ends. Number 0 is the
 * machine's own command. All of it is one pipeline in the foreground: what a shell starts in the background ignores
 * SIGINT and SIGQUIT, and nothing could make it listen to them again.
 */
export const INIT = `#!/bin/sh
export PATH=/bin
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec,ro sysfs /sys
mount -t devtmpfs -o nosuid,noexec devtmpfs /dev
mount -t tmpfs -o nosuid,nodev,mode=700,size=16m tmpfs /run
while read -r module; do
  insmod "/modules/$module" || echo "agentcage: $module cannot be loaded"
done </modules/order

if test -e /channel; then
  mkdir -p /dev/pts /run/ports
  mount -t devpts -o nosuid,noexec,mode=620,ptmxmode=666 devpts /dev/pts
  while read -r host number name; do
    socat -b 65536 "VSOCK-CONNECT:$host:$number,retry=100,interval=0.1" "PTY,link=/run/ports/$name,rawer,ignoreeof" </dev/null &
    (until test -e "/run/ports/$name"; do usleep 1000; done; exec sleep 2147483647 <>"/run/ports/$name") &
  done </channel
fi

off() {
  test -e /channel && reboot -f
  poweroff -f
}

port() {
  while :; do
    if test -e "/run/ports/$1"; then
      echo "/run/ports/$1"
      return
    fi
    for entry in /sys/class/virtio-ports/*; do
      if read -r name <"$entry/name" && test "$name" = "$1"; then
        echo "/dev/\${entry##*/}"
        return
      fi
    done 2>/dev/null
    usleep 2000
  done
}

input() {
  while read -r size && test "$size" -gt 0; do
    dd "bs=$size" count=1 iflag=fullblock
  done 2>/dev/null
}

output() {
  tee "$(port "$1")" | wc -c >"total-$1"
}

end_group() {
  echo 1 >"/run/groups/$1/cgroup.kill"
  while read -r process <"/run/groups/$1/cgroup.procs"; do
    kill -9 "$process"
    usleep 1000
  done
} 2>/dev/null

command="
  echo 0 >/run/groups/\\$0/cgroup.procs
  echo \\$\\$ >/run/pid\\$0
  test -e /run/terminal\\$0 && . /run/terminal\\$0
  echo started \\$0 >&3
  exec 3>&-
  . /run/command\\$0"

with_terminal() {
  setsid sh -c "$command" "$1" 4>&-
  code=$?
}

with_pipes() {
  test -p "out$1" || mkfifo "in$1" "out$1" "err$1"
  exec 5<>"out$1" 6<"out$1" 7>"out$1"
  (exec <&6 3>&- 4>&- 5>&- 6<&- 7>&-; output "out$1") &
  pumps=$!
  exec 5>&- 6<&-
  exec 5<>"err$1" 6<"err$1" 8>"err$1"
  (exec <&6 3>&- 4>&- 5>&- 6<&- 7>&- 8>&-; output "err$1") &
  pumps="$pumps $!"
  exec 5>&- 6<&-
  exec 5<>"in$1" 6<"in$1" 9>"in$1"
  exec 5>&-
  (exec >&9 3>&- 4>&- 6<&- 7>&- 8>&- 9>&- <"$(port "in$1")"; input) &
  feeder=$!
  exec 9>&-
  setsid sh -c "$command" "$1" <&6 >&7 2>&8 4>&- 6<&- 7>&- 8>&-
  code=$?
  exec 6<&- 7>&- 8>&-
}

slot() {
  exec </dev/null >/dev/console
  cd /run
  exec 4<>"begin$1"
  echo >"idle$1"
  while read -r streams <&4; do
    pumps= feeder=
    mkdir -p "groups/$1"
    case $streams in
      tty) with_terminal "$1" ;;
      *) with_pipes "$1" ;;
    esac
    rm -f "live$1" "pid$1" "terminal$1" "device$1" "command$1"
    end_group "$1"
    test "$pumps" && wait $pumps
    test "$1" = 0 && sync
    totals="0 0"
    test "$pumps" && totals=$(cat "total-out$1" "total-err$1")
    echo exit "$1" "$code" $totals >&3
    test "$feeder" && wait "$feeder"
  done
}

control() {
  exec </dev/null >/dev/console
  while read -r verb first second third <&3; do
    case $verb in
      clock)${SET_CLOCK}
        ;;
      file) echo "$second" | base64 -d >>"/run/$first" ;;
      setup)
        if problem=$(. /run/setup 2>&1); then
          echo ready >&3
        else
          echo failed $(echo "$problem" | tail -n 3 | tr -c ' -~' ' ' | cut -c 1-200) >&3
        fi
        ;;
      start)
        until test -e "/run/idle$first"; do usleep 1000; done
        echo >"/run/live$first"
        echo "$second" 1<>"/run/begin$first"
        ;;
      signal)
        while test -e "/run/live$first" && ! test -s "/run/pid$first"; do usleep 1000; done
        read -r leader <"/run/pid$first" && kill "-$second" "$leader"
        echo "signalled $first" >&3
        ;;
      resize) read -r device <"/run/device$first" && stty rows "$second" cols "$third" <"$device" ;;
    esac
  done 2>/dev/null
  off
}

cd /run
mkdir groups
mount -t cgroup2 -o nosuid,nodev,noexec groups groups || echo 'agentcage: no control groups'
mkfifo begin0 ${FURTHER.map((number) => `begin${number}`).join(' ')}
exec 3<>"$(port ${CONTROL_PORT})"
echo hello ${CHANNEL_VERSION} >&3
control | ${FURTHER.map((number) => `slot ${number}`).join(' | ')} | slot 0
off
`
