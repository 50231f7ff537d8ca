# make demo    set up, then watch a Dify-shaped stack being shipped and searched
# make test    the whole test suite, against the real parts (see `make tools`)
# make bench   events per CPU second and memory, beside a reference loop and rsyslog
# make conformance  the published cases of log shippers, one by one, with result and time
# make peers   those of them that any shipper can be asked, also on rsyslog and syslog-ng where they are installed
# make generate  write what is made of tables: index templates, fields, dashboards, searches
# make pictures  draw the dashboards in docs/dashboards, of the answers of a real Elasticsearch
# make soak    1,000 random kills with rotation and outages (KILLS=1000); the seed is printed
# make fuzz    random and mutated lines through every pipeline for 10 minutes; FUZZ="--seed 7" repeats a run
# make lint    ruff, mypy, and a docstring for every test
# make lock    resolve the dependencies again, with hashes
# make wheel   build dist/*.whl
#
# PYTHON=python3.12 picks an interpreter (3.11 or newer), VENV=.venv-3.12 the environment's folder.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test unit bench soak fuzz conformance peers generate pictures lint lock wheel tools clean

VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --require-hashes --no-deps --only-binary :all:
TESTS ?=
PYTEST_OPTIONS ?=

help:
	@sed -n '/^$$/q;s/^# \{0,1\}//p;s/^#$$//p' Makefile

# The first interpreter that really runs and is new enough (a pyenv shim may exist and not run).
$(BIN)/python:
	@for candidate in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then echo "logship needs Python 3.11 or newer; none found among: $(or $(PYTHON),python3.13 python3.12 python3.11 python3)" >&2; exit 1; fi; \
	echo "creating $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv $(VENV) || { echo "making a virtual environment failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: requirements.lock requirements-build.lock pyproject.toml | $(BIN)/python
	@echo "installing what logship needs (versions and hashes from requirements.lock)"
	@$(INSTALL) -r requirements.lock -r requirements-build.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q logship # as an installer does: a third of the start
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "installing what the tests need (requirements-dev.lock)"
	@$(INSTALL) -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.runtime
	@$(BIN)/logship demo

test: $(VENV)/.dev tools
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) $(TESTS)

unit: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) tests/unit

bench: $(VENV)/.dev
	$(BIN)/python -m bench

soak: $(VENV)/.dev tools
	LOGSHIP_TEST_KILLS=$(or $(KILLS),1000) nice $(BIN)/python -m pytest -s $(PYTEST_OPTIONS) tests/crash

FUZZ ?=
fuzz: $(VENV)/.dev
	$(BIN)/python tests/fuzz/fuzz.py $(FUZZ)

conformance: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m conformance.board

peers: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m conformance.peers

generate: $(VENV)/.runtime
	@$(BIN)/python -m logship.elastic.generate
	@$(BIN)/python -m logship.elastic.views

pictures: $(VENV)/.dev tools
	@PYTHONPATH=tests $(BIN)/python -m views.draw

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/interrogate --quiet tests

wheel: $(VENV)/.runtime
	@rm -rf dist
	@$(BIN)/python -m hatchling build --target wheel

# Hashes of every platform's files; no index address, so that a mirror serves as well.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
lock:
	@command -v uv >/dev/null || { echo "make lock needs uv: python3 -m pip install uv" >&2; exit 1; }
	$(COMPILE) $(LOCK_OPTIONS) pyproject.toml -o requirements.lock
	printf 'hatchling>=1.27\neditables>=0.5\n' | $(COMPILE) $(LOCK_OPTIONS) --constraints requirements.lock - -o requirements-build.lock
	$(COMPILE) $(LOCK_OPTIONS) --constraints requirements.lock --constraints requirements-build.lock --extra dev pyproject.toml -o requirements-dev.lock

# The real parts that the tests run against: command, and the package that brings it on Debian and Ubuntu.
TOOLS := dockerd:docker.io iptables:iptables debootstrap:debootstrap busybox:busybox-static rsyslogd:rsyslog \
	logrotate:logrotate mvn:maven unzip:unzip setpriv:util-linux strace:strace mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs
tools:
	@export PATH="$$PATH:/usr/sbin:/sbin"; missing=(); \
	for tool in $(TOOLS); do command -v "$${tool%%:*}" >/dev/null || missing+=("$${tool#*:}"); done; \
	if [ $${#missing[@]} -gt 0 ]; then \
		echo "make test runs against the real parts and misses: $${missing[*]}" >&2; \
		echo "  apt-get install --no-install-recommends $${missing[*]}" >&2; exit 1; \
	fi; \
	if ! command -v go >/dev/null && ! [ -x /usr/local/go/bin/go ]; then \
		echo "make test builds a real S3 server (MinIO) and misses Go 1.24 or newer in PATH or /usr/local/go" >&2; exit 1; \
	fi; \
	for home in "$${JAVA_HOME:-}" /usr/lib/jvm/* /opt/java/*; do \
		if [ -x "$$home/bin/javac" ] && [ "$$("$$home/bin/javac" -version 2>&1 | sed 's/^javac \([0-9]*\).*/\1/')" -ge 21 ]; then exit 0; fi; \
	done; \
	echo "make test starts a real Elasticsearch 9 and misses a JDK of version 21 or newer in /usr/lib/jvm or JAVA_HOME" >&2; \
	echo "  apt-get install --no-install-recommends openjdk-21-jdk-headless   (or Temurin 21 or newer)" >&2; exit 1

clean:
	rm -rf .venv .venv-* dist build .mypy_cache .ruff_cache .hypothesis
