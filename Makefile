# What a newcomer runs. `make` alone prints the list.
#
# Two build profiles, no more, since each compiles the crypto library anew: `release` for the extension
# that Python loads, `dev` for the Rust tests and clippy.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WHEEL_TOOLS := $(VENV)/.wheel-tools
SUPPLY_CHAIN := $(VENV)/.supply-chain
EXTENSION := python/strongroom/_rust.abi3.so
SDKS := benches/peers/sdks
# a process for each core, four at most, each of which takes file after file
SIDE_BY_SIDE := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)

export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 1
# tests start commands by the hundred, and none is to compile the package again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14 | sed 's/^/  make /'

.PHONY: demo
demo: build ## encrypt, verify, decrypt and compare a real directory in a room of its own
	tools/demo.sh

.PHONY: test
test: build ## run every lint and every test
	@for step in lint test-rust test-python; do \
		start=$$SECONDS; \
		$(MAKE) --no-print-directory $$step; \
		echo "make $$step: $$((SECONDS - start)) s"; \
	done

.PHONY: lint
lint: build ## formatters, clippy, ruff, mypy, and the stubs against the extension
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	ruff check .
	ruff format --check .
	mypy
	stubtest --concise --allowlist tools/stubtest-allow.txt strongroom._rust

.PHONY: test-rust
test-rust: $(INSTALLED) ## the tests of the Rust crates, on the vectors that .venv holds
	cargo test --quiet --workspace

.PHONY: test-python
test-python: build ## the tests of the package, the architecture and the docs
	tools/needs.sh tests
	pytest --quiet -rs $(SIDE_BY_SIDE)

.PHONY: fuzz
fuzz: build ## run every fuzz target, with a nightly compiler: some minutes; more with `python -m torture fuzz`
	tools/needs.sh fuzz
	python -m torture fuzz

.PHONY: fuzz-seeds
fuzz-seeds: build ## put the smallest inputs of all that fuzzing has found into fuzz/seeds
	tools/needs.sh fuzz
	tools/fuzz_seeds.sh

.PHONY: mutants
mutants: build ## change secmem, messages and cache in every place, and look whether a test notices: hours; what is known stays in build/
	tools/needs.sh mutants
	python -m torture mutants --all --scratch build/mutants --under "nice -n 19"

.PHONY: sanitize
sanitize: build ## the bindings under AddressSanitizer, the core under ThreadSanitizer: some minutes
	tools/needs.sh sanitize
	tools/sanitize.sh

.PHONY: bench
bench: build ## measure every path against the limit and every peer, on a quiet machine: half an hour
	tools/needs.sh bench
	python -m pip install --group bench
	mkdir -p build
	python -m benches run --json build/bench.json

.PHONY: bench-check
bench-check: build ## fail if a change made a promised ratio or a count worse: some minutes
	tools/needs.sh counts
	python -m benches check

.PHONY: bench-python
bench-python: build ## time the Python API, call by call
	python -m pip install --group bench
	pytest --benchmark-only --benchmark-columns=median,iqr,ops,rounds --benchmark-sort=name benches/python

.PHONY: bench-sdks
bench-sdks: ## build the AWS SDKs for Rust, Java and Go, for `make bench` to find
	cargo build --release --quiet --manifest-path $(SDKS)/rust/Cargo.toml --target-dir target/sdks/rust \
		|| echo "the Rust SDK is not measured"
	mvn --quiet --batch-mode --file $(SDKS)/java -Dsdks.target=$(CURDIR)/target/sdks/java package \
		|| echo "the Java SDK is not measured"
	go build -C $(SDKS)/go -o $(CURDIR)/target/sdks/go/sdk-go . \
		|| echo "the Go SDK is not measured"

.PHONY: torture
torture: build ## try to break every promise, each for some seconds
	tools/needs.sh tests
	tools/needs.sh fuzz
	tools/needs.sh mutants
	python -m torture --json build/torture all

.PHONY: torture-full
torture-full: build ## the same at the scale of docs/assurance.md: hours
	tools/needs.sh tests
	tools/needs.sh fuzz
	tools/needs.sh mutants
	python -m torture --json build/torture all --full

.PHONY: docs
docs: build ## rebuild the generated pages, run the code in the docs, check the links
	python tools/reference.py
	python docs/build_cli.py
	pytest --quiet tests/docs

.PHONY: build
build: $(EXTENSION) ## make .venv and build the extension into it
	@:

.PHONY: wheel
wheel: $(WHEEL_TOOLS) ## build an abi3 wheel into dist/, audit it, and try it on every Python there is
	python tools/third_party.py THIRD-PARTY.txt
	$(if $(findstring zig,$(WHEEL_FLAGS)),python -m pip install 'maturin[zig]')
	rm -f dist/strongroom-*.whl
	maturin build --release --quiet --out dist $(WHEEL_FLAGS)
	STRONGROOM_WHEEL=$$(ls dist/strongroom-*.whl) pytest --quiet -s -m wheel --noconftest tests/wheels

.PHONY: wheel-fips
wheel-fips: $(WHEEL_TOOLS) ## the same for strongroom-fips, on the AWS-LC FIPS module
	tools/needs.sh fips
	python tools/third_party.py --fips THIRD-PARTY.txt
	rm -f dist/strongroom_fips-*.whl
	folder=$$(mktemp -d) && trap 'rm -r "$$folder"' EXIT && python tools/fips_project.py "$$folder" && cd "$$folder" \
		&& maturin build --release --quiet --out $(CURDIR)/dist $(WHEEL_FLAGS)
	STRONGROOM_WHEEL=$$(ls dist/strongroom_fips-*.whl) pytest --quiet -s -m wheel --noconftest tests/wheels

.PHONY: sdist
sdist: $(WHEEL_TOOLS) ## the source distribution, into dist/
	python tools/third_party.py THIRD-PARTY.txt
	maturin sdist --out dist

.PHONY: sbom
sbom: $(SUPPLY_CHAIN) ## what a wheel is made of, as CycloneDX: crates and Python packages, into dist/
	python tools/sbom.py dist

.PHONY: supply-chain
supply-chain: deny pip-audit lint-workflows ## licences, sources and advisories of what is used, and the workflows

.PHONY: deny
deny: ## licences, bans and sources of the crates (deny.toml)
	command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny
	cargo deny --offline check --hide-inclusion-graph licenses bans sources

.PHONY: pip-audit
pip-audit: $(SUPPLY_CHAIN) ## known vulnerabilities of the Python packages that the wheel depends on
	python tools/sbom.py --requirements build/requirements.txt
	pip-audit --strict --disable-pip --no-deps --requirement build/requirements.txt

.PHONY: lint-workflows
lint-workflows: $(SUPPLY_CHAIN) ## actionlint and zizmor on .github/workflows
	command -v actionlint >/dev/null || GOBIN=$(CURDIR)/$(BIN) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	actionlint
	zizmor --offline --quiet .github/workflows

.PHONY: test-fips
test-fips: wheel-fips ## every test of the crates and the package on the FIPS build, in .venv-fips
	cargo test --quiet -p strongroom-secmem -p strongroom-core -p strongroom-hsm --no-default-features --features strongroom-core/fips
	python -m venv --clear .venv-fips
	.venv-fips/bin/python -m pip install --upgrade "pip>=25.1"
	.venv-fips/bin/python -m pip install --group test dist/strongroom_fips-*.whl
	.venv-fips/bin/python -m pytest --quiet -rs $(SIDE_BY_SIDE) --ignore tests/architecture --ignore tests/docs --ignore tests/bench

.PHONY: clean
clean: ## remove everything that these targets made
	rm -rf $(VENV) .venv-fips build dist target $(EXTENSION) THIRD-PARTY.txt

$(INSTALLED): pyproject.toml tools/needs.sh
	tools/needs.sh
	python3 -m venv $(VENV)
	# dependency groups need pip 25.1
	python -m pip install --upgrade 'pip>=25.1'
	python -m pip install --group test --group lint 'maturin>=1.16,<2'
	touch $@

$(WHEEL_TOOLS): $(INSTALLED)
	python -m pip install --group wheel
	touch $@

$(SUPPLY_CHAIN): $(INSTALLED)
	python -m pip install --group supply-chain
	touch $@

$(EXTENSION): $(INSTALLED) $(RUST_SOURCES)
	maturin develop --release --quiet
	touch $@
