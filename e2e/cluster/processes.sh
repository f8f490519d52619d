# Part of cluster.sh: processes of a folder, each with a pid file and a log there.
# shellcheck shell=bash

start() { # name, command…
    local name=$1
    shift
    mkdir -p "$D/logs"
    # A session of its own: Ctrl-C at the terminal is for whoever waits, not for the cluster.
    setsid "$@" >"$D/logs/$name.log" 2>&1 </dev/null &
    echo "$! $(started_at $!)" >"$D/$name.pid"
}

# When a process started, in ticks since the machine did; nothing when it has ended.
started_at() { # pid
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    # After the name, which may have anything in it: the state first, the time as the 20th.
    read -ra fields <<<"${stat##*) }"
    [ "${fields[0]}" = Z ] || echo "${fields[19]}"
}

# Whether the process of this name runs, and not another one that has got its number since.
is_running() { # name
    local pid since
    { read -r pid since <"$D/$1.pid"; } 2>/dev/null || return 1
    [ -n "$since" ] && [ "$(started_at "$pid")" = "$since" ]
}

signal() { # signal, name
    local pid
    read -r pid _ <"$D/$2.pid"
    kill "-$1" "$pid" 2>/dev/null || true
}

stop() { # name…: asks all of them at once, and insists when they take too long
    local name deadline=$((SECONDS + STOP_SECONDS))
    for name in "$@"; do ! is_running "$name" || signal TERM "$name"; done
    for name in "$@"; do
        while is_running "$name"; do
            [ $SECONDS -lt $deadline ] || signal KILL "$name"
            sleep $PAUSE_SECONDS
        done
        rm -f "$D/$name.pid"
    done
}

names() { # pattern: the names of processes that were started
    local file
    for file in "$D"/$1.pid; do
        [ ! -f "$file" ] || basename "$file" .pid
    done
}

wait_until() { # what, condition…
    local what=$1 deadline=$((SECONDS + DEADLINE_SECONDS))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || { last_words; fail "waited ${DEADLINE_SECONDS} s for $what: see $D/logs"; }
        sleep $PAUSE_SECONDS
    done
}

last_words() {
    local log
    for log in "$D"/logs/*.log; do
        echo "--- the end of $log" >&2
        tail -n 5 "$log" >&2
    done
}
