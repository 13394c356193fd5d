#!/usr/bin/env bash
# Three Kafka brokers on one machine, each a controller too: any one may die, nothing is lost.
#
#   cluster.sh start DIR [PORT]   make the brokers if DIR is new; start those that do not run
#   cluster.sh stop DIR           end all of them in order
#   cluster.sh kill DIR N         end broker N (1, 2 or 3) as a power cut would
#   cluster.sh status DIR         a line for each broker
#
# Broker N lives in DIR/N and listens on PORT + 2 (N - 1), its controller on the port after it.
# PORT is 9092 at first, later what it was. Topics have three copies, and a record counts as
# written when two of them have it (min.insync.replicas=2; a producer must ask for acks=all).
# On three machines: kafka.sh on each, with KAFKA_NODE and KAFKA_VOTERS as below, and listeners
# that the others can reach.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

main() {
  case "${1:-} $#" in
    "start 2" | "start 3") start "$2" "${3:-}" ;;
    "stop 2") stop "$2" ;;
    "kill 3") "$here/kafka.sh" kill "$2/$3" ;;
    "status 2") status "$2" ;;
    *) sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
}

start() {
  local dir=$1 port=$2 node
  mkdir -p "$dir"
  if [ ! -f "$dir/id" ]; then
    head -c 16 /dev/urandom | base64 | tr '+/' 'Ab' | cut -c -22 >"$dir/id"
    port=${port:-9092}
  fi
  KAFKA_CLUSTER=$(cat "$dir/id")
  export KAFKA_CLUSTER KAFKA_REPLICAS=3
  if [ -n "$port" ]; then
    KAFKA_VOTERS=$(printf '%s@127.0.0.1:%s,' 1 $((port + 1)) 2 $((port + 3)) 3 $((port + 5)))
    export KAFKA_VOTERS=${KAFKA_VOTERS%,}
  fi
  # All at once: the first waits for a second, as two of three make a quorum.
  for node in 1 2 3; do
    if "$here/kafka.sh" status "$dir/$node" >/dev/null; then continue; fi
    KAFKA_NODE=$node "$here/kafka.sh" start "$dir/$node" ${port:+$((port + 2 * (node - 1)))} &
  done
  each_job
}

stop() {
  local node
  for node in 1 2 3; do "$here/kafka.sh" stop "$1/$node" & done
  each_job
}

status() {
  local node
  for node in 1 2 3; do echo "$node $("$here/kafka.sh" status "$1/$node" || true)"; done
}

# Wait for every job of this shell; fail if one has failed.
each_job() {
  local job failed=0
  for job in $(jobs -p); do wait "$job" || failed=1; done
  return "$failed"
}

main "$@"
