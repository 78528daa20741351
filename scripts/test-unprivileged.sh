#!/usr/bin/env bash
# Runs tests as a user without privileges, from a copy of the checkout that this user may read.
#   scripts/test-unprivileged.sh [TEST…]     default: every test of the sandbox that privileges make a difference to
# As root, a user `cage-tester` is made for the time of the run; anyone else runs the tests in place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests=("$@")
if [ ${#tests[@]} -eq 0 ]; then
  folders=()
  for folder in test/isolation test/cage test/adversarial test/e2e; do
    [ ! -d "$folder" ] || folders+=("$folder")
  done
  [ ${#folders[@]} -gt 0 ] || { echo 'no tests of the sandbox' >&2; exit 1; }
  # Alike for everybody, and run by `npm test`: what renders text or reads it, what is shown to people, what a machine does
  # once its moat stands (the matrix and the attempts of its root remain), and all clients but the one that stands for them.
  alike='^test/(isolation/(container|systemd|trust)/'
  alike+='|isolation/microvm/(boot|channel|cpio|guest|image/|kernel|kvm|machine|modules|port-streams|qemu|shell)'
  alike+='|isolation/process/(bpf|environment|git-|programs|service-unit)'
  alike+='|cage/(container|deployment|inspector|machine-|microvm|run-|scaffold|secret-|verify/)'
  alike+='|e2e/(demo|get-started)\.test|e2e/microvm/(image|run|service)\.test|e2e/clients/'
  alike+='|e2e/(run/(scaffold|secrets)|service/changes)\.test)'
  mapfile -t tests < <(find "${folders[@]}" -name '*.test.ts' | sort | grep -vE "$alike")
  tests+=(test/e2e/clients/curl.test.ts)
fi

# Each test file is a process of its own, which compiles all that it imports unless that is kept.
compiled=node_modules/.cache/compiled
run_tests=(node --test --test-global-setup=test/setup.ts --test-timeout=120000 --test-concurrency=3 "${tests[@]}")

if [ "$(id -u)" -ne 0 ]; then
  PATH="$PWD/node_modules/.bin:$PATH" NODE_COMPILE_CACHE="$PWD/$compiled" exec "${run_tests[@]}"
fi

user=cage-tester
if ! id "$user" >/dev/null 2>&1; then
  useradd --create-home --shell /bin/bash "$user"
  made_user=true
fi
home=$(getent passwd "$user" | cut -d: -f6)
# Below the home, as a person has it: a cage hides what lies in /tmp.
checkout=$(mktemp -d "$home/checkout.XXXXXX")

cleanup() {
  cd /
  if [ -n "${made_user:-}" ]; then
    # Nobody else is this user: what still runs was left behind by a test.
    pkill -KILL -u "$user" || true
    userdel --remove --force "$user" 2>/dev/null || true
  fi
  rm -rf "$checkout"
}
trap cleanup EXIT

tar --create --exclude=./.git --exclude=./dist . | tar --extract --no-same-owner --directory "$checkout"
chown -R "$user:" "$checkout"

cd "$checkout"
setpriv --reuid "$user" --regid "$user" --init-groups --inh-caps=-all \
  env -i HOME="$home" USER="$user" LANG="${LANG:-C.UTF-8}" CI="${CI:-}" \
  PATH="$checkout/node_modules/.bin:/usr/local/bin:/usr/bin:/bin" NODE_COMPILE_CACHE="$checkout/$compiled" \
  "${run_tests[@]}"
