# Processes that outlive this script, each with its log and its recorded identity. Sourced by ../docker.
# shellcheck shell=bash

# start NAME COMMAND…
start() {
  local name=$1 pid
  shift
  setsid "$@" >"$data/log/$name.log" 2>&1 </dev/null &
  pid=$!
  # The start time goes with the pid, so that a pid that was given away since is never taken for ours.
  echo "$pid $(start_time "$pid")" >"$data/pid/$name"
}

# Clock ticks since boot at which the process started; nothing when there is none.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # The name in parentheses may hold spaces; what follows it does not.
  awk '{ print $20 }' <<<"${stat##*) }"
}

is_alive() {
  local pid started
  [[ -e $data/pid/$1 ]] || return 1
  read -r pid started <"$data/pid/$1" || return 1
  [[ -n $started && $(start_time "$pid") == "$started" ]]
}

# await NAME WHAT COMMAND…: until the command succeeds, for as long as the process lives, at most a minute.
await() {
  local name=$1 what=$2 started=$SECONDS
  shift 2
  until "$@" >/dev/null 2>&1; do
    is_alive "$name" || give_up "$name" "$name ended before $what"
    ((SECONDS - started < 60)) || give_up "$name" "no $what after 60 s"
    sleep 0.1
  done
}

give_up() {
  say "last lines of $data/log/$1.log:"
  tail -n 8 "$data/log/$1.log" >&2
  fail "$2" "the reason is in $data/log/$1.log"
}

# stop_processes NAME…: ten seconds to obey (an engine stops its containers), then no choice. Only what start recorded.
stop_processes() {
  local name pid pids=() attempt
  for name; do
    if is_alive "$name"; then
      read -r pid _ <"$data/pid/$name"
      pids+=("$pid")
    fi
    rm -f "$data/pid/$name"
  done
  ((${#pids[@]})) || return 0
  kill "${pids[@]}" 2>/dev/null || true
  for attempt in {1..100}; do
    kill -0 "${pids[@]}" 2>/dev/null || return 0
    sleep 0.1
    ((attempt < 100)) || kill -9 "${pids[@]}" 2>/dev/null || true
  done
}
