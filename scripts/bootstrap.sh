#!/bin/sh
# The virtual environment .venv, made from requirements.lock and kept in step with it. `make` runs this in the project
# folder; what the machine lacks is named with its remedy. Needs a POSIX shell and nothing else.
#   bootstrap.sh check     look whether the environment can be made, and print the Python that would make it
#   bootstrap.sh install   make it, or bring it up to date; does nothing when nothing changed
set -u

VENV=.venv
OLDEST=11           # Python 3.x, as requires-python of pyproject.toml says
NEWEST=13           # dagster-dbt refuses 3.14
ENVIRONMENT_MB=3000 # 1.7 GB of packages, and the downloads while they are unpacked
DATA_MB=1000

fail() { # problem, remedy
    printf '\n✗ %s\n  → %s\n' "$1" "$2" >&2
    exit 1
}

on_debian() { command -v apt-get >/dev/null 2>&1; }

usable() { # does it start (a pyenv shim may not), and is it neither too old nor too new?
    "$1" -c "import sys; sys.exit(not (3, $OLDEST) <= sys.version_info[:2] <= (3, $NEWEST))" >/dev/null 2>&1
}

version_of() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }

find_python() { # sets $python
    if [ -n "${PYTHON:-}" ]; then
        python=$PYTHON
        usable "$python" && return
        found=$(version_of "$python") && found="Python $found" || found="no Python that starts"
        fail "PYTHON=$python is $found" "name a Python 3.$OLDEST to 3.$NEWEST, or leave PYTHON away"
    fi
    unfit=
    for python in python3.13 python3.12 python3.11 python3; do
        usable "$python" && return
        found=$(version_of "$python") && unfit="$python is $found"
    done
    remedy="install it from your system's packages or python.org, or name one: make PYTHON=/path/to/python3.12"
    on_debian && remedy="apt-get install python3 python3-venv, or name another: make PYTHON=/path/to/python3.12"
    fail "Python 3.$OLDEST to 3.$NEWEST is needed, and ${unfit:-none is on the PATH}" "$remedy"
}

check_venv_module() {
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 && return
    remedy="install the venv module of $python from your system's packages"
    on_debian && remedy="apt-get install python3-venv (python3.x-venv for a Python that is not Debian's default)"
    fail "$python has no module venv, or no ensurepip" "$remedy"
}

check_folder() {
    probe=.writable.$$
    (: >"$probe") 2>/dev/null || fail "$(pwd -P) is not writable for $(id -un 2>/dev/null || id -u)" \
        "clone the project into a folder of your own"
    rm -f "$probe"
}

check_disk() { # how many MB are wanted
    free=$(df -Pk . 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }')
    [ -z "$free" ] || [ "$free" -ge "$1" ] || fail "$(pwd -P) has $free MB free, and $1 MB are needed" \
        "free some space, or clone the project to a larger disk"
}

# What the packages were made from. The folder counts since a virtual environment cannot be moved.
packages() { pwd -P && cksum <requirements.lock && "$VENV/bin/python" -VV; }
project() { cksum <pyproject.toml; }

unchanged() { # recorded in, made from
    [ -f "$VENV/.$1" ] && [ "$(cat "$VENV/.$1")" = "$($1 2>/dev/null)" ]
}

install() {
    if ! unchanged packages; then
        find_python
        check_venv_module
        check_folder
        check_disk $((ENVIRONMENT_MB + DATA_MB))
        echo "› Making $VENV with $python $(version_of "$python"):" \
            "$(grep -c '==' requirements.lock) packages from requirements.lock, 1 to 5 minutes"
        # What an interrupted installation was writing looks installed to pip, so nothing of it is believed.
        rm -rf "$VENV" || fail "the old $VENV cannot be removed" "remove it as the user who made it"
        "$python" -m venv "$VENV" || fail "$python -m venv did not work" "see the lines above"
        # --no-deps: the lock is complete, extras included; there is nothing to resolve
        pip_install --require-hashes -r requirements.lock
        packages >"$VENV/.packages"
    fi
    if ! unchanged project; then
        rm -f "$VENV/.project"
        pip_install --no-build-isolation -e . # with the setuptools of the lock: works with the network closed
        project >"$VENV/.project"
        echo "› $VENV is ready"
    fi
}

pip_install() { # quiet; what went wrong is shown, the log has the rest
    "$VENV/bin/python" -m pip install --no-deps --no-input --disable-pip-version-check \
        --root-user-action=ignore "$@" >"$VENV/pip.log" 2>&1 && return
    grep -v '^WARNING' "$VENV/pip.log" | tail -n 6 | cut -c 1-200 >&2
    fail "pip did not finish" "$VENV/pip.log has the rest. Then repeat: what was downloaded is kept"
}

case ${1:-} in
    check)
        find_python
        check_venv_module
        check_folder
        check_disk "$DATA_MB"
        echo "$python"
        ;;
    install) install ;;
    *) fail "usage: bootstrap.sh check | install" "make runs it for you" ;;
esac
