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
 * When the command of session 0 has ended, everything else ends too, so that the pipes get their end and what is in them
 * is passed on before the exit is told. A write to a port returns when the host has the bytes.
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

say() {
  echo "$*" >&3
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
  read -r self _ </proc/self/stat
  cd /run
  rm -f in$1 out$1 err$1
  if test "$2" = tty; then
    setsid sh -c '. "/run/terminal$1"; . "/run/command$1"' sh "$1" 3>&- &
    command=$!
    keep=
  else
    mkfifo in$1 out$1 err$1
    cat "$(port in$1)" >in$1 2>/dev/null 3>&- &
    input=$!
    cat out$1 >"$(port out$1)" 3>&- &
    output=$!
    cat err$1 >"$(port err$1)" 3>&- &
    errors=$!
    setsid sh -c '. "/run/command$1"' sh "$1" <in$1 >out$1 2>err$1 3>&- &
    command=$!
    keep="$output $errors"
  fi
  echo "$command" >pid$1
  say started $1
  wait $command
  code=$?
  rm -f pid$1
  test $1 = 0 && end_others "1 $self $keep"
  test "$keep" && wait $keep
  sync
  say exit $1 $code
}

exec 3<>"$(port ${CONTROL_PORT})"
say hello ${CHANNEL_VERSION}
while read -r verb first second third <&3; do
  case $verb in
    clock) date -s "@$first" >/dev/null ;;
    file) echo "$second" | base64 -d >>"/run/$first" ;;
    setup)
      if problem=$(. /run/setup 2>&1); then
        say ready
      else
        say failed $(echo "$problem" | tail -n 3 | tr -c ' -~' ' ' | cut -c 1-200)
      fi
      ;;
    start) session "$first" "$second" & ;;
    signal) test -e "/run/pid$first" && kill "-$second" "$(cat "/run/pid$first")" ;;
    resize) stty rows "$second" cols "$third" <"/dev/hvc$first" ;;
  esac
done
poweroff -f
`
