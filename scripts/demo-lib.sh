# shellcheck shell=bash
# The pieces of the demo: its network, its servers, Marathon's scenario, Viaduct, and taking
# all of it away. Sourced by scripts/demo after lib.sh.

run=${VIADUCT_TEST_RUN:+$VIADUCT_TEST_RUN-}demo
prefix=vd-$run-
state=/run/viaduct-$run
fabric=${prefix}fabric
client=${prefix}client1
zone=l4lb.thisdcos.directory
service=my-service.marathon.$zone
hugepages_file=/proc/sys/vm/nr_hugepages

# Pages of 2 MiB for the memory that the configuration below asks for, with some to spare.
hugepages_wanted=160

inside() { ip netns exec "$@"; }

# Starts a program in a namespace and in a session of its own, so that Ctrl-C ends the demo in the
# demo's own order.
start() {
    local namespace=$1 log=$state/logs/$2.log
    shift 2
    setsid ip netns exec "$namespace" "$@" </dev/null >>"$log" 2>&1 &
    started=$!
    # The shell shall not comment on how it ends.
    disown "$started"
}

# await WHAT COMMAND...: waits until the command succeeds, as long as what was started last lives.
await() {
    local what=$1 tries
    shift
    for ((tries = 0; tries < 300; tries++)); do
        ! "$@" >/dev/null 2>&1 || return 0
        kill -0 "$started" 2>/dev/null || die "waited for $what, and it ended"
        sleep 0.1
    done
    die "waited 30 s for $what"
}

# ---- network

add_namespace() {
    ip netns add "$1"
    inside "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    ip -n "$1" link set lo up
}

add_host() {
    local name=$1 address=$2
    add_namespace "$prefix$name"
    ip -n "$fabric" link add "$name" type veth peer name eth0 netns "$prefix$name"
    ip -n "$fabric" link set "$name" master br0 up
    ip -n "$prefix$name" addr add "$address/24" dev eth0
    ip -n "$prefix$name" link set eth0 up
}

make_network() {
    add_namespace "$fabric"
    ip -n "$fabric" link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0
    ip -n "$fabric" addr add 10.99.0.1/24 dev br0
    ip -n "$fabric" link set br0 up
    add_host client1 10.99.0.101
    ip -n "$client" route add 11.0.0.0/8 via 10.99.0.2
    mkdir -p "/etc/netns/$client"
    printf 'nameserver 10.99.0.1\noptions timeout:2 attempts:2\n' >"/etc/netns/$client/resolv.conf"
    local n
    for n in 1 2 3; do
        add_host "agent$n" "10.99.0.1$n"
    done
}

# ---- the tasks of two apps

listens() { inside "$1" ss -Hltn "sport = :$2" | grep -q .; }

# start_nginx AGENT PORT ID
start_nginx() {
    local name=nginx-agent$1-$2 folder=$state/nginx-agent$1-$2
    mkdir -p "$folder"
    cat >"$folder/nginx.conf" <<CONF
daemon off;
master_process off;
user root;
pid $folder/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
    access_log off;
    default_type text/plain;
    keepalive_requests 1000000;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    server {
        listen $2 backlog=4096;
        location / { return 200 "$3\n"; }
    }
}
CONF
    start "${prefix}agent$1" "$name" nginx -e stderr -p "$folder" -c "$folder/nginx.conf"
    await "nginx on agent$1" listens "${prefix}agent$1" "$2"
}

# ---- Marathon

# scenario AGENT...: my-service has a task on each of these agents.
scenario() {
    local agent
    cat <<'APP'
framework = "marathon"

[[apps]]
id = "/my-service"
network = "container/bridge"
[[apps.ports]]
port = 80
labels = { VIP_0 = "/my-service:5555" }
[[apps.health_checks]]
protocol = "MESOS_HTTP"
path = "/"
APP
    for agent in "$@"; do
        printf '[[apps.tasks]]\nid = "my-service.instance-%s"\nhost = "10.99.0.1%s"\n' \
            "$agent" "$agent"
        printf 'ports = [31001]\nhealth = [true]\n'
    done
    cat <<'APP'

[[apps]]
id = "/shop/api"
network = "host"
[[apps.ports]]
port = 8080
labels = { VIP_0 = "/shop/api:80" }
[[apps.tasks]]
id = "shop_api.instance-2"
host = "10.99.0.12"
ports = [8080]
[[apps.tasks]]
id = "shop_api.instance-3"
host = "10.99.0.13"
ports = [8080]
APP
}

# Marathon's state changes; the stand-in tells its event streams.
set_scenario() {
    scenario "$@" >"$state/scenario.new"
    mv "$state/scenario.new" "$state/scenario.toml"
}

start_marathon() {
    start "$fabric" marathon "$programs/marathon-standin" --scenario "$state/scenario.toml" \
        --listen 10.99.0.1:8080 --control 127.0.0.1:8081
    await "the Marathon stand-in" listens "$fabric" 8080
}

# ---- Viaduct

configuration() {
    local worker=1
    (($(nproc) > 1)) || worker=0
    cat <<CONF
[workers]
cores = [$worker]
idle = "sleep"
flows = 65536

[control]
core = 0

[memory]
hugepages = "auto"
size = "256 MiB"

[[ports]]
name = "fabric"
driver = "tap"
interface = "dtap0"
bridge = "br0"
address = "10.99.0.2/24"

[nat]
addresses = ["10.99.0.3"]

[vips]
pool = "11.0.0.0-11.255.255.255"
zone = "$zone"

[sources.marathon]
urls = ["http://10.99.0.1:8080"]

[dns]
listen = ["10.99.0.1:53"]

[api]
socket = "$state/api.sock"
http = "127.0.0.1:9100"
CONF
}

probe() { inside "$fabric" curl -sf -m 2 "http://127.0.0.1:9100/$1"; }

start_viaduct() {
    configuration >"$state/viaduct.toml"
    start "$fabric" viaduct "$viaduct" run --config "$state/viaduct.toml"
    printf '%s\n' "$started" >"$state/viaduct.pid"
    await "Viaduct to be ready" probe readyz
}

list_vips() { inside "$fabric" "$viaduct" vips --socket "$state/api.sock" "$@"; }

# Number of backends of my-service that take new connections.
backends() {
    list_vips -o json | python3 -c '
import json, sys
for service in json.load(sys.stdin):
    if service["port"] == 5555:
        print(sum(1 for backend in service["backends"] if backend["weight"] > 0))'
}

has_backends() { [[ $(backends) == "$1" ]]; }

# ---- memory

hugepages_total() { cat "$hugepages_file"; }

hugepages_in_use() {
    awk '/^HugePages_Total:/ { total = $2 } /^HugePages_Free:/ { free = $2 }
         END { print total - free }' /proc/meminfo
}

# Asks the kernel for more hugepages; it may give fewer. What was there before is put back.
raise_hugepages() {
    [[ -w $hugepages_file ]] || return 0
    local before
    before=$(hugepages_total)
    printf '%s\n' "$before" >"$state/hugepages.before"
    printf '%s\n' $((before + hugepages_wanted)) >"$hugepages_file" 2>/dev/null || true
}

restore_hugepages() {
    [[ -s $state/hugepages.before ]] || return 0
    cat "$state/hugepages.before" >"$hugepages_file" 2>/dev/null || true
}

# ---- taking it away

# The recorded process, if it still is the one that runs in the demo's namespace.
viaduct_pid() {
    local pid
    pid=$(cat "$state/viaduct.pid" 2>/dev/null) || return 1
    [[ $(ip netns identify "$pid" 2>/dev/null) == "$fabric" ]] || return 1
    printf '%s\n' "$pid"
}

# SIGTERM first, so that Viaduct can end in order; sets `stop_ms` to how long that took.
stop_viaduct() {
    local pid begin tries
    stop_ms=
    pid=$(viaduct_pid) || return 0
    begin=$(now_ms)
    kill -TERM "$pid" 2>/dev/null || true
    for ((tries = 0; tries < 500; tries++)); do
        if [[ ! -d /proc/$pid || $(ip netns identify "$pid" 2>/dev/null) != "$fabric" ]]; then
            stop_ms=$(($(now_ms) - begin))
            return 0
        fi
        sleep 0.01
    done
}

now_ms() { date +%s%3N; }

take_away() {
    stop_viaduct
    "$viaduct_root/scripts/sweep" "$prefix"
    restore_hugepages
    rm -rf "${state:?}"
}
