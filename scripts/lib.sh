# shellcheck shell=bash
# Functions that the scripts share. To be sourced; each function prints one line of what it does.

REPO_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$PATH:/usr/sbin:/sbin  # where Debian keeps dockerd, iptables and debootstrap
ENGINE_DIR=""  # set while an engine of ours runs

say() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

# quietly COMMAND...: its output is shown only when it fails.
quietly() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" != 0 ]; then
    say "failed with $status: $*"
    tail -n 60 "$log" >&2
  fi
  rm -f "$log"
  return "$status"
}

# find_python: the name of a Python that can make our virtual environment.
find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

# venv EXTRAS: .venv beside pyproject.toml with this project and its extras, as an editable installation.
venv() {
  local extras=$1 directory=$REPO_TOP/.venv mark stamp interpreter
  mark=$directory/.installed
  stamp="$extras $directory $(cksum <"$REPO_TOP/pyproject.toml")"
  if [ -f "$mark" ] && [ "$(cat "$mark")" = "$stamp" ]; then
    say "the virtual environment .venv is up to date"
    return 0
  fi
  if [ ! -x "$directory/bin/python" ]; then
    if ! interpreter=$(find_python); then
      install_packages python3 python3-venv || return
      if ! interpreter=$(find_python); then
        say "needs Python 3.11 or newer with its venv module"
        return 1
      fi
    fi
    say "making the virtual environment .venv with $("$interpreter" --version)"
    quietly "$interpreter" -m venv "$directory" || return
  fi
  say "installing the project and what it needs ($extras) into .venv"
  (cd "$REPO_TOP" && quietly "$directory/bin/python" -m pip install -e ".[$extras]") || return
  printf '%s\n' "$stamp" >"$mark"
}

# need_packages COMMAND:PACKAGE...: installs the packages whose command is missing (root on Debian); else names them.
need_packages() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}

# install_packages PACKAGE...
install_packages() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "missing, to be installed by you (Debian's names): $*"
    return 1
  fi
  say "installing $*"
  # Nothing that is installed may start a server of its own accord.
  local policy=/usr/sbin/policy-rc.d made="" status=0
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made=yes
  fi
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
  { quietly "${apt[@]}" update && quietly "${apt[@]}" install -y --no-install-recommends "$@"; } || status=$?
  [ -z "$made" ] || rm -f "$policy"
  return "$status"
}

# ensure_engine: a Docker engine that answers. One that is there is used as it is; else, for root on Debian, one is
# started, and stop_engine (which the script calls from its EXIT trap) stops it again.
ensure_engine() {
  if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    say "using the Docker engine that is running"
    return 0
  fi
  if [ -n "${DOCKER_HOST:-}" ]; then
    say "no Docker engine: DOCKER_HOST is set, and nothing answers there"
    return 1
  fi
  if [ "$(id -u)" != 0 ]; then
    say "no Docker engine: none answers, and only root could start one"
    return 1
  fi
  # From Debian 13 on the client is a package of its own.
  if ! { need_packages dockerd:docker.io iptables:iptables && { command -v docker >/dev/null || need_client; }; }; then
    say "no Docker engine: it is not installed, and could not be"
    return 1
  fi
  ENGINE_DIR=$(mktemp -d)
  say "starting a Docker engine"
  # A session of its own, so that Ctrl-C reaches the script first and the engine is stopped in order.
  setsid dockerd --pidfile "$ENGINE_DIR/pid" >"$ENGINE_DIR/log" 2>&1 </dev/null 9<&- &
  local child=$! second
  for second in $(seq 60); do
    if docker info >/dev/null 2>&1; then
      say "the Docker engine answers after $second s"
      return 0
    fi
    kill -0 "$child" 2>/dev/null || break
    sleep 1
  done
  local reason
  reason=$(grep -E 'level=(fatal|error)|failed' "$ENGINE_DIR/log" | tail -n 1 || true)
  stop_engine
  say "no Docker engine: dockerd did not come up: ${reason:-no answer within 60 s}"
  return 1
}

need_client() {
  if apt-cache show docker-cli >/dev/null 2>&1; then install_packages docker-cli; else install_packages docker.io; fi
}

# keep_engine: what ensure_engine has started goes on running after the script.
keep_engine() {
  [ -n "$ENGINE_DIR" ] || return 0
  KEPT_ENGINE=$(cat "$ENGINE_DIR/pid")
  ENGINE_DIR=""
}

# stop_engine: stops the engine that ensure_engine started, and no other.
stop_engine() {
  [ -n "$ENGINE_DIR" ] || return 0
  local pid=""
  [ ! -f "$ENGINE_DIR/pid" ] || pid=$(cat "$ENGINE_DIR/pid")
  if [ -n "$pid" ] && kill "$pid" 2>/dev/null; then
    say "stopping the Docker engine that was started here"
    local tenth
    for tenth in $(seq 300); do
      kill -0 "$pid" 2>/dev/null || break
      [ "$tenth" != 300 ] || kill -9 "$pid" 2>/dev/null || true
      sleep 0.1
    done
  fi
  rm -rf "$ENGINE_DIR"
  ENGINE_DIR=""
}
