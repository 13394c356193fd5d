#!/usr/bin/env bash
# A private PostgreSQL in a folder, without Docker: Debian's binaries, no system service.
#
#   postgres.sh install            apt-get what is missing (root)
#   postgres.sh start DIR [PORT]   make the cluster if DIR is new, start it, print its URL
#   postgres.sh stop DIR           end it in order; who is connected is sent away
#   postgres.sh kill DIR           end it as a power cut would
#   postgres.sh status DIR         "running PID 127.0.0.1:PORT", or "stopped" and exit code 3
#
# What was committed survives every end. DIR keeps data/, port and server.log. Without PORT a
# cluster that was made before starts where it was, a new one at 5432; PORT 0 is any free one.
# It listens on 127.0.0.1 only and trusts everybody there. A root runs it as the user postgres,
# who must be able to reach DIR. Exit code 69: this machine has no PostgreSQL.
#
# POSTGRES_BIN    folder of the binaries (the newest of /usr/lib/postgresql)
# POSTGRES_FSYNC  on, or off for a new cluster whose data may be lost in a power cut (on)
set -euo pipefail

user=correlator
wait_s=60

main() {
  case "${1:-} $#" in
    "install 1") install ;;
    "start 2" | "start 3") start "$(folder "$2")" "${3:-}" ;;
    "stop 2" | "kill 2" | "status 2") "$1_cluster" "$(folder "$2")" ;;
    *) sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
}

# fail CODE WORDS...
fail() {
  echo "postgres.sh: ${*:2}" >&2
  exit "$1"
}

folder() {
  realpath --canonicalize-missing -- "$1"
}

# --- the binaries -----------------------------------------------------------------------------

binaries() {
  local found
  found=$(ls -d ${POSTGRES_BIN:-/usr/lib/postgresql/*/bin} 2>/dev/null | sort -V | tail -n 1)
  [ -x "$found/initdb" ] && echo "$found"
}

install() {
  if binaries >/dev/null; then return; fi
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail 69 "needs PostgreSQL"
  # Debian would start a cluster of the system, which nobody asked for.
  mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/correlator.conf
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y postgresql >/dev/null
}

# Run a binary as somebody who is not root.
as_user() {
  local program=$1
  shift
  if [ "$(id -u)" = 0 ]; then
    runuser -u postgres -- "$bin/$program" "$@"
  else
    "$bin/$program" "$@"
  fi
}

# --- one cluster ------------------------------------------------------------------------------

start() {
  local dir=$1 port=$2
  if running "$dir" >/dev/null; then fail 1 "runs already: $dir"; fi
  bin=$(binaries) || fail 69 "no PostgreSQL here: postgres.sh install"
  mkdir -p "$dir"
  cd "$dir"
  if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"
    runuser -u postgres -- test -w "$dir" || fail 1 "the user postgres cannot reach $dir"
  fi
  if [ "$port" = 0 ]; then port=$(free_port); fi
  if [ -z "$port" ]; then port=$(cat port 2>/dev/null || echo 5432); fi
  echo "$port" >port
  if [ ! -f data/made ]; then make_cluster "$dir" "$port"; fi
  launch "$dir" "$port"
  echo "postgresql+psycopg://$user@127.0.0.1:$port/$user"
}

make_cluster() {
  rm -rf "$1/data" # what an earlier call could not finish
  as_user initdb --pgdata "$1/data" --username "$user" --auth trust --encoding UTF8 --locale C \
    --no-sync >/dev/null
  cat >>"$1/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
fsync = ${POSTGRES_FSYNC:-on}
END
  launch "$1" "$2"
  as_user createdb --host 127.0.0.1 --port "$2" --username "$user" "$user"
  stop_cluster "$1"
  touch "$1/data/made"
}

launch() {
  as_user pg_ctl --pgdata "$1/data" --log "$1/server.log" --options "-p $2" --wait \
    --timeout "$wait_s" --silent start </dev/null >/dev/null 2>&1 || {
    echo "postgres.sh: the end of $1/server.log:" >&2
    tail -n 20 "$1/server.log" >&2
    fail 1 "did not start: $1"
  }
}

# The process id; only of a process that is this cluster, as an id may have been given anew.
running() {
  local pid
  pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "$1/data" || return 1
  echo "$pid"
}

is_gone() {
  ! running "$1" >/dev/null
}

stop_cluster() {
  local pid
  if ! pid=$(running "$1"); then return; fi
  kill -INT "$pid" # a "fast" shutdown
  if ! within "$wait_s" is_gone "$1"; then
    echo "postgres.sh: did not end within $wait_s s, killed: $1" >&2
    kill_cluster "$1"
  fi
}

kill_cluster() {
  local pid all
  if ! pid=$(running "$1"); then return; fi
  kill -STOP "$pid" # so that it makes no more children
  read -r -a all <"/proc/$pid/task/$pid/children" || true
  all+=("$pid")
  kill -KILL "${all[@]}" 2>/dev/null || true
  within 10 none_of "${all[@]}" || fail 1 "does not die: $1 (${all[*]})"
}

none_of() {
  ! kill -0 "$@" 2>/dev/null
}

status_cluster() {
  local pid
  if ! pid=$(running "$1"); then
    echo stopped
    exit 3
  fi
  echo "running $pid 127.0.0.1:$(cat "$1/port")"
}

# within SECONDS COMMAND...: whether the command came true in that time.
within() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= until)); then return 1; fi
    sleep 0.05
  done
}

# Below those that the system gives to clients: one of them may hold the port while we are down.
free_port() {
  local port
  until port=$((20000 + RANDOM % 10000)) && is_free "$port"; do :; done
  echo "$port"
}

is_free() {
  ! (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

main "$@"
