/** What connects guest and host. Ports are found by their names, terminals by their order. */
export interface Port {
  readonly name: string
  readonly terminal: boolean
}

export const CONTROL_PORT = 'control'

/** The ports of a machine with one session: its terminal, or its standard input, output and error. */
export function sessionPorts(terminal: boolean): readonly Port[] {
  const names = terminal ? ['tty0'] : ['in0', 'out0', 'err0']
  return [{ name: CONTROL_PORT, terminal: false }, ...names.map((name) => ({ name, terminal }))]
}

/** Where the guest's initial file system has things. */
export const GUEST = {
  modules: 'modules',
  order: 'modules/order',
  /** Where the workload's root is put together. */
  root: '/root',
} as const

/** The version of the lines between guest and host; both come from this package, so they always agree. */
export const CHANNEL_VERSION = 1

/**
 * The first program of the guest, for busybox's shell. It is all there is of us in the guest: it puts files that the host
 * sends into /run, runs them, and says how they ended. Everything it says is heard by the host as from the workload.
 *
 * From the host, a line each: `clock SECONDS`, `file NAME BASE64` (appends), `setup`, `start N pipes|tty`,
 * `signal N NAME`, `resize N ROWS COLUMNS`. To the host: `hello VERSION`, `ready`, `started N`, `exit N CODE`, `failed TEXT`.
 *
 * A session's standard streams are pipes: programs that read a device as their input wait in it for ever when they end.
 * Each is opened for both ways first: opening one end would wait for the other, and a child that ends interrupts that.
 * When the command has ended, everything else ends too, so that the pipes get their end and what is in them is passed on
 * before the exit is told. A write to a port returns when the host has the bytes.
 *
 * The command runs in the foreground and the lines are read in the background: what a shell starts in the background
 * ignores SIGINT and SIGQUIT, and nothing could make it listen to them again. There is one session, number 0.
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

port() {
  while :; do
    for entry in /sys/class/virtio-ports/*; do
      if read -r name <"$entry/name" && test "$name" = "$1"; then
        echo "/dev/\${entry##*/}"
        return
      fi
    done 2>/dev/null
    usleep 2000
  done
}

others() {
  for entry in /proc/[0-9]*; do
    process=\${entry#/proc/}
    case " $1 " in
      *" $process "*) ;;
      *) test "$(readlink "$entry/exe")" && echo "$process" ;;
    esac
  done 2>/dev/null
}

end_others() {
  for round in 1 2 3 4 5; do
    left=$(others "$1")
    test -z "$left" && return
    kill -9 $left 2>/dev/null
    usleep 5000
  done
}

session() {
  cd /run
  if test "$1" = tty; then
    setsid sh -c 'echo $$ >pid0; . /run/terminal0; . /run/command0' 3>&-
    code=$?
    keep=
  else
    mkfifo in0 out0 err0
    exec 4<>out0 5<out0 6>out0
    exec 4<>err0 7<err0 8>err0
    exec 4<>in0 9<in0
    cat "$(port in0)" >&4 2>/dev/null 3>&- 5<&- 6>&- 7<&- 8>&- 9<&- &
    exec 4>&-
    cat <&5 >"$(port out0)" 3>&- 6>&- 7<&- 8>&- 9<&- &
    output=$!
    cat <&7 >"$(port err0)" 3>&- 5<&- 6>&- 8>&- 9<&- &
    keep="$output $!"
    exec 5<&- 7<&-
    setsid sh -c 'echo $$ >pid0; . /run/command0' <&9 >&6 2>&8 3>&- 6>&- 8>&- 9<&-
    code=$?
    exec 6>&- 8>&- 9<&-
  fi
  end_others "1 $keep"
  test "$keep" && wait $keep
  sync
  echo "exit 0 $code" >&3
  while :; do sleep 3600; done
}

control() {
  while read -r verb first second third <&3; do
    case $verb in
      clock) date -s "@$first" >/dev/null ;;
      file) echo "$second" | base64 -d >>"/run/$first" ;;
      setup)
        if problem=$(. /run/setup 2>&1); then
          echo ready >&3
        else
          echo failed $(echo "$problem" | tail -n 3 | tr -c ' -~' ' ' | cut -c 1-200) >&3
        fi
        ;;
      start)
        echo started 0 >&3
        echo "$second" 1<>/run/begin
        ;;
      signal)
        until test -s /run/pid0; do usleep 1000; done
        kill "-$second" "$(cat /run/pid0)"
        ;;
      resize) stty rows "$second" cols "$third" </dev/hvc0 ;;
    esac
  done
  poweroff -f
}

mkfifo /run/begin
exec 3<>"$(port ${CONTROL_PORT})"
echo hello ${CHANNEL_VERSION} >&3
control &
read -r streams <>/run/begin
session "$streams"
`
