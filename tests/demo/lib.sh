# How the demo talks: steps with their time, plain lines off a terminal. Sourced by tests/demo/run.
# shellcheck shell=bash
# shellcheck source=tests/cluster/lib/say.sh
source tests/cluster/lib/say.sh

# shellcheck disable=SC2034 # read by the script that sources this file
demo_started=$SECONDS
background=()
bold='' dim='' red='' green='' plain=''
if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
fi

say() { printf '%s%s%s\n' "$bold" "$*" "$plain" >&2; }
note() { printf '  %s\n' "$*" >&2; }
elapsed_since() { printf '%d min %02d s' $(((SECONDS - $1) / 60)) $(((SECONDS - $1) % 60)); }

# fail WHAT FIX
fail() {
  printf '%serror:%s %s\n  fix: %s\n' "$red" "$plain" "$1" "$2" >&2
  exit 1
}

# step TITLE COMMAND…: runs it with a moving account on a terminal; its output is shown only when it fails.
step() {
  local title=$1 log started=$SECONDS code=0 pid
  shift
  log=$(mktemp "$work/step.XXXXXX")
  [[ -t 2 ]] || note "… $title"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  if [[ -t 2 ]]; then account "$title" "$pid" "$log" "$started"; fi
  wait "$pid" || code=$?
  if ((code == 0)); then
    printf '%s✓%s %s %s(%s)%s\n' "$green" "$plain" "$title" "$dim" "$(elapsed_since "$started")" "$plain" >&2
    printf '%s\t%s\n' "$title" $((SECONDS - started)) >>"$work/times"
  else
    printf '%s✗%s %s %s(%s)%s\n' "$red" "$plain" "$title" "$dim" "$(elapsed_since "$started")" "$plain" >&2
    tail -n 40 "$log" >&2
    fail "the step '$title' failed: $*" "the reason stands above; run the command by itself to see all of it"
  fi
}

# beside NAME COMMAND…: starts it; its output goes to a file, and `wait_for NAME` takes both up again.
beside() {
  local name=$1
  shift
  : >"$work/beside.$name"
  (
    code=0
    "$@" >"$work/beside.$name" 2>&1 </dev/null || code=$?
    echo $code >"$work/beside.$name.code"
  ) &
  background+=($!)
}

wait_for() {
  until [[ -s $work/beside.$1.code ]]; do
    tail -n 1 "$work/beside.$1"
    sleep 0.5
  done
  cat "$work/beside.$1"
  return "$(<"$work/beside.$1.code")"
}

# account TITLE PID LOG STARTED: one line, redrawn, with the step's latest words.
account() {
  local frames='⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏' frame=0 words
  while kill -0 "$2" 2>/dev/null; do
    words=$(tail -c 400 "$3" | tr '\r' '\n' | tail -n 1 | tr -cd '[:print:]' | cut -c 1-"$((${COLUMNS:-100} - 45))")
    printf '\r\e[K%s %s (%s) %s%s%s' "${frames:frame:1}" "$1" "$(elapsed_since "$4")" "$dim" "$words" "$plain" >&2
    frame=$(((frame + 1) % ${#frames}))
    sleep 0.15
  done
  printf '\r\e[K' >&2
}

# show TITLE COMMAND…: runs it with its output shown, and drawn where PICTURES names a folder.
show() {
  local picture=${1%% (*}
  picture=${picture//[^a-z ]/}
  say "$1"
  shift
  [[ -z ${PICTURES:-} ]] || set -- "$UNINLU_CACHE/pictures/bin/python3" tests/demo/picture.py "$PICTURES/${picture// /-}.svg" "$@"
  "$@" || fail "failed: $*" "the reason stands above"
}

# painter DIR: a terminal's emulator in a folder of its own, for pictures in DIR.
painter() {
  python3 -m venv "$UNINLU_CACHE/pictures"
  "$UNINLU_CACHE/pictures/bin/pip" install --quiet --disable-pip-version-check pyte==0.8.2
  mkdir -p "$1"
}

end_background() {
  local pid
  for pid in "${background[@]}"; do kill "$pid" 2>/dev/null || true; done
}

# Certificates that were added to this machine (a company's proxy): the build stages need them too.
own_certificates() {
  find /usr/local/share/ca-certificates -name '*.crt' -printf '"%p", ' 2>/dev/null || true
}
