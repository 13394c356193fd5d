#!/usr/bin/env bash
# One Kafka broker in a folder, without Docker: Java, and jars that Maven fetches.
#
#   kafka.sh install            apt-get what is missing (root), fetch the jars
#   kafka.sh start DIR [PORT]   make the broker if DIR is new, start it, wait until it answers
#   kafka.sh stop DIR           end it in order
#   kafka.sh kill DIR           end it as a power cut would
#   kafka.sh status DIR         "running PID 127.0.0.1:PORT", or "stopped" and exit code 3
#
# What was written survives every end. Brokers of different folders and ports live side by side.
# DIR keeps server.properties, pid, server.log and data/. Without PORT a broker that was made
# before starts as it was, a new one takes 9092; PORT 0 is any free one. It listens on 127.0.0.1
# only, but to users (KAFKA_USERS_HOST). Exit code 69: this machine has no Java, or no jars and no Maven to fetch them.
#
# KAFKA_LIBS             folder of the jars (libs/ beside this script)
# KAFKA_HEAP             heap of a broker (512m)
# KAFKA_WAIT_S           how long start and stop may take [s] (60)
# KAFKA_CONTROLLER_PORT  where its controller listens (PORT + 1)
# KAFKA_USERS_PORT       where users come in, by SCRAM-SHA-512, with rights that they were given;
#                        0 is any free one, without it there is no such listener; another one
#                        than PORT and the controller's
# KAFKA_USERS_HOST       the address that it listens on and is known by (127.0.0.1)
# KAFKA_USERS_PEM        key and certificates (PEM) of that listener: SASL_SSL, not SASL_PLAINTEXT
# For a broker that is one of several, see cluster.sh:
# KAFKA_NODE, KAFKA_VOTERS, KAFKA_REPLICAS, KAFKA_CLUSTER
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
libs=${KAFKA_LIBS:-$here/libs}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
wait_s=${KAFKA_WAIT_S:-60}

main() {
  case "${1:-} $#" in
    "install 1") install ;;
    "start 2" | "start 3") start "$(folder "$2")" "${3:-}" ;;
    "stop 2" | "kill 2" | "status 2") "$1_broker" "$(folder "$2")" ;;
    *) sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
}

# fail CODE WORDS...
fail() {
  echo "kafka.sh: ${*:2}" >&2
  exit "$1"
}

folder() {
  realpath --canonicalize-missing -- "$1"
}

has() {
  command -v "$1" >/dev/null
}

# --- the jars ---------------------------------------------------------------------------------

is_installed() {
  [ "$(cat "$libs/.of-pom" 2>/dev/null)" = "$(cksum <"$here/pom.xml")" ]
}

install() {
  has "$java" && has mvn || install_tools
  get_jars
}

get_jars() {
  if is_installed; then return; fi
  has mvn || fail 69 "needs Maven to fetch the jars: kafka.sh install"
  mkdir -p "$(dirname "$libs")"
  exec 9>"$libs.lock"
  flock 9 # several may ask at once
  is_installed || fetch_jars
  exec 9>&-
}

fetch_jars() {
  rm -rf "$libs"
  mvn --batch-mode --quiet --log-file "$libs.log" --file "$here/pom.xml" \
    dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libs" >/dev/null || {
    cat "$libs.log" >&2
    fail 69 "Maven could not fetch the jars"
  }
  cksum <"$here/pom.xml" >"$libs/.of-pom" # last: what is half done is not installed
}

install_tools() {
  [ "$(id -u)" = 0 ] && has apt-get || fail 69 "needs Java 17 or later, and Maven"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y default-jre-headless maven >/dev/null
}

# --- one broker -------------------------------------------------------------------------------

start() {
  local dir=$1 port=$2
  if running "$dir" >/dev/null; then fail 1 "runs already: $dir"; fi
  has "$java" || fail 69 "needs Java 17 or later: kafka.sh install"
  get_jars
  mkdir -p "$dir"
  if [ "$port" = 0 ]; then port=$(free_port); fi
  if [ -n "$port" ] || [ ! -f "$dir/server.properties" ]; then
    properties "$dir" "${port:-9092}" >"$dir/server.properties"
  fi
  if [ ! -f "$dir/data/meta.properties" ]; then format "$dir"; fi
  launch "$dir"
}

launch() {
  local dir=$1 pid
  : >"$dir/server.log"
  # A session of its own: Ctrl-C at the terminal is not for the broker.
  setsid "$java" "-Xmx${KAFKA_HEAP:-512m}" -XX:+ExitOnOutOfMemoryError -cp "$libs/*" \
    -Dlog4j2.configurationFile="$here/log4j2.properties" \
    kafka.Kafka "$dir/server.properties" </dev/null >>"$dir/server.log" 2>&1 &
  pid=$!
  echo "$pid" >"$dir/pid"
  within "$wait_s" is_up_or_gone "$dir" "$pid" || true
  if is_up "$dir"; then return; fi
  echo "kafka.sh: the end of $dir/server.log:" >&2
  tail -n 20 "$dir/server.log" >&2
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$dir/pid"
  fail 1 "did not start (within $wait_s s): $dir"
}

is_up() {
  grep -q 'Kafka Server started' "$1/server.log"
}

is_up_or_gone() {
  is_up "$1" || ! kill -0 "$2" 2>/dev/null
}

is_gone() {
  ! running "$1" >/dev/null
}

# The process id; only of a process that is this broker, as an id may have been given anew.
running() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "$1/server.properties" || return 1
  echo "$pid"
}

stop_broker() {
  local dir=$1 pid
  if pid=$(running "$dir"); then
    kill -TERM "$pid"
    if ! within "$wait_s" is_gone "$dir"; then
      echo "kafka.sh: did not end within $wait_s s, killed: $dir" >&2
      kill_broker "$dir"
    fi
  fi
  rm -f "$dir/pid"
}

kill_broker() {
  local dir=$1 pid
  if pid=$(running "$dir"); then
    kill -KILL "$pid"
    within 10 is_gone "$dir" || fail 1 "process $pid does not die: $dir"
  fi
  rm -f "$dir/pid"
}

status_broker() {
  local dir=$1 pid
  if ! pid=$(running "$dir"); then
    echo stopped
    exit 3
  fi
  echo "running $pid $(sed -n 's|^advertised.listeners=PLAINTEXT://\([^,]*\).*|\1|p' "$dir/server.properties")"
}

# within SECONDS COMMAND...: whether the command came true in time.
within() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= until)); then return 1; fi
    sleep 0.1
  done
}

# Two that are free, by the first. Below those that the system gives to clients: one of them may
# hold the port while the broker is down.
free_port() {
  local port
  until
    port=$((20000 + 2 * (RANDOM % 5000)))
    is_free "$port" && is_free "$((port + 1))"
  do :; done
  echo "$port"
}

is_free() {
  ! (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# --- its settings -----------------------------------------------------------------------------

format() {
  "$java" -XX:TieredStopAtLevel=1 -cp "$libs/*" \
    -Dlog4j2.configurationFile="$here/log4j2.properties" kafka.tools.StorageTool \
    format --config "$1/server.properties" --cluster-id "${KAFKA_CLUSTER:-$(new_id)}" >/dev/null
}

new_id() {
  head -c 16 /dev/urandom | base64 | tr '+/' 'Ab' | cut -c -22
}

properties() {
  local dir=$1 port=$2 node=${KAFKA_NODE:-1} replicas=${KAFKA_REPLICAS:-1}
  local controller=127.0.0.1:${KAFKA_CONTROLLER_PORT:-$((port + 1))}
  local in_sync=$((replicas > 1 ? replicas - 1 : 1))
  local session_ms=$((replicas > 1 ? 6000 : 3000))
  cat <<END
process.roles=broker,controller
node.id=$node
controller.quorum.voters=${KAFKA_VOTERS:-$node@$controller}
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data

# Topics are made up front, with the settings that they need.
auto.create.topics.enable=false
delete.topic.enable=true
num.partitions=4
default.replication.factor=$replicas
min.insync.replicas=$in_sync
unclean.leader.election.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=$replicas
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$in_sync
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$in_sync

# A sky map may come as one record: 32 MiB.
message.max.bytes=33554432
replica.fetch.max.bytes=33554432
replica.fetch.response.max.bytes=67108864
fetch.max.bytes=67108864
socket.request.max.bytes=104857600

# Groups and brokers notice soon that somebody came or died.
group.initial.rebalance.delay.ms=100
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=$session_ms

# Retention and compaction happen soon after they are due.
log.retention.check.interval.ms=2000
log.cleaner.backoff.ms=1000
log.cleaner.dedupe.buffer.size=16777216
log.segment.delete.delay.ms=1000
END
  if [ -n "${KAFKA_USERS_PORT:-}" ]; then users "$port" "$controller"; fi
}

# Later lines take the place of earlier ones. Whoever reaches the other listener is ANONYMOUS and may
# do everything; nobody is that at this one. So the other one must stay on 127.0.0.1, or inside.
users() {
  local host=${KAFKA_USERS_HOST:-127.0.0.1} port=$KAFKA_USERS_PORT protocol=SASL_PLAINTEXT
  if [ "$port" = 0 ]; then port=$(free_port); fi
  if [ -n "${KAFKA_USERS_PEM:-}" ]; then protocol=SASL_SSL; fi
  cat <<END

# Users.
listeners=PLAINTEXT://127.0.0.1:$1,USERS://$host:$port,CONTROLLER://$2
advertised.listeners=PLAINTEXT://127.0.0.1:$1,USERS://$host:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:$protocol
listener.name.users.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.users.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS
END
  if [ -n "${KAFKA_USERS_PEM:-}" ]; then
    printf '%s\n' "listener.name.users.ssl.keystore.type=PEM" \
      "listener.name.users.ssl.keystore.location=$(realpath -- "$KAFKA_USERS_PEM")"
  fi
}

main "$@"
