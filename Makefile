# What can be run. Every check of CI is one of these targets.

.DEFAULT_GOAL := help
export RUSTFLAGS ?= -D warnings
export CARGO_TERM_COLOR ?= auto
ELIXIR_LIBS = $(shell elixir -e 'IO.puts(Path.dirname(:code.lib_dir(:elixir)))')

# A tool written in Rust, of one version, in target/tools.
define tool
@command -v target/tools/bin/$(1) >/dev/null || { \
	echo "$@: installing $(1) into target/tools"; \
	cargo install --quiet --locked --debug --config profile.dev.debug=false --root target/tools --version $(2) $(1); }
endef

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' Makefile

setup: ## install what a machine with only rustup, Node.js and git lacks
	@scripts/setup.sh

demo: package ## upload two real releases with deduplication, then serve the upload page (FILES="a b": your own; COMPRESSION=zstd)
	@npm --prefix npm run --silent demo

demo-elixir: package ## the upload page, served by the upload server on the BEAM (STORE=dir; PORT=4000)
	npm/node_modules/.bin/tsc -p npm/demo
	cd nif/examples/ingest && mix run serve.exs "$${STORE:-$$(mktemp -d)}" --port "$${PORT:-4000}" \
		--page /page/=../../../npm/demo/page --page /page/=../../../npm/demo-out/page \
		--page /chunker-cdc/=../../../npm/dist

# Clippy sees the tests in `make lint`: here it would have all of their dependencies compiled twice.
check: ## the core alone: formatting, clippy, and its tests, but for those that need other programs; installs nothing
	cargo fmt --package chunker-cdc --check
	cargo clippy --quiet --package chunker-cdc --all-features
	cargo test --quiet --package chunker-cdc --all-features --lib --test suite -- --skip ::tools:: --skip real_nars::

# Two chains side by side; within a chain one after another, since its targets share folders.
test: setup ## everything that must hold before a change lands
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=line test-crates test-packaged

test-crates: # the crates, by cargo
	@$(MAKE) --no-print-directory --jobs 1 lint test-regression test-rust test-store test-no-std miri

test-packaged: # what the packages of npm and Hex hold
	@$(MAKE) --no-print-directory --jobs 1 test-npm test-server test-nif test-ingest release-check

lint: setup deny lint-nif lint-ingest ## formatting, clippy, versions, licences; documentation without warnings
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets --all-features
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --package chunker-cdc --all-features --no-deps
	npm --prefix npm run --silent lint
	npm --prefix npm run --silent lint:workflows
	scripts/check-versions.sh
	scripts/check-names.py

lint-nif: setup target/nif.plt ## the Elixir package: formatting, compiler warnings, Dialyzer
	cd nif && mix format --check-formatted && MIX_ENV=prod mix compile --warnings-as-errors
	ERL_LIBS="$(ELIXIR_LIBS)" dialyzer --quiet --plt target/nif.plt -Wunmatched_returns -Werror_handling \
		nif/_build/prod/lib/chunker/ebin

lint-ingest: setup target/nif.plt ## the same for the upload server on the BEAM
	cd nif/examples/ingest && mix format --check-formatted && MIX_ENV=prod mix compile
	ERL_LIBS="$(ELIXIR_LIBS)" dialyzer --quiet --plt target/nif.plt -Wunmatched_returns -Werror_handling \
		nif/examples/ingest/_build/prod/lib/chunker/ebin nif/examples/ingest/_build/prod/lib/ingest/ebin

# What Dialyzer knows of Erlang and Elixir: made once, in about a minute.
target/nif.plt: | setup
	mkdir -p target
	ERL_LIBS="$(ELIXIR_LIBS)" dialyzer --quiet --build_plt --output_plt $@ --apps erts kernel stdlib crypto inets elixir

deny: setup ## licences, sources and duplicates of all dependencies
	$(call tool,cargo-deny,0.20.2)
	target/tools/bin/cargo-deny --log-level error check licenses bans sources

test-rust: setup ## tests of the crate: all features, each alone; the xz and the scan kernel of WebAssembly; the vectors in Python
	python3 tests/conformance/reference.py
	cargo test --quiet --package chunker-cdc --all-features
	RUSTFLAGS="$(RUSTFLAGS) --cfg chunker_xz=\"rust\" --cfg chunker_scan=\"portable\"" cargo test --quiet \
		--package chunker-cdc --target-dir target/xz --features zstd,lz4,xz,bzip2,nix \
		--test suite -- compression:: push_decoder:: conformance_codecs:: conformance:: scan_tiers::
	for feature in alloc std async tokio rayon serde zstd lz4 xz bzip2 signing nix tracing metrics flamegraph; do \
		cargo clippy --quiet --package chunker-cdc --no-default-features --features $$feature || exit 1; \
	done
	for module in chunking codecs threads; do \
		cargo clippy --quiet --package chunker-wasm --no-default-features --features $$module || exit 1; \
	done

test-s3: setup ## the store on S3, as moto plays it on this machine (installs it into target/)
	scripts/test-s3.sh

soak-store: setup ## processes that write, read, remove and collect in one store at once, and are killed (MINUTES=10; S3=1: on S3, as moto plays it)
	cargo build --quiet --release --package chunker-cli
	rm -rf target/soak && mkdir -p target/soak
	$(if $(S3),scripts/with-s3.sh) scripts/soak-store.py target/release/chunker \
		$(if $(S3),s3://chunker/soak,target/soak/store) $(or $(MINUTES),10) $(SEED)

cross-store: setup ## whether the command, with all remote stores, links for every system (TARGETS="triple …": for these; installs Zig)
	scripts/cross-store.sh $(TARGETS)

test-store: setup ## tests of the store and of the command
	cargo test --quiet --package chunker-store --package chunker-cli

miri: setup ## what Miri can run, searched for undefined behaviour (needs a nightly toolchain, installs it)
	@cargo +nightly miri --version >/dev/null 2>&1 || { \
		echo "miri: installing it with a nightly toolchain"; \
		rustup toolchain install nightly --profile minimal --component miri --component rust-src; } 2>/dev/null
	RUSTFLAGS="-Ctarget-feature=+avx2,+avx512f,+avx512bw,+avx512vbmi,+avx512vnni" \
		MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --quiet --package chunker-cdc \
		--target-dir target/miri --no-default-features --features std,nix --test miri

coverage: package ## lines that tests run, by file: the crate, Elixir, TypeScript; each at least 95 % (installs cargo-llvm-cov)
	$(call tool,cargo-llvm-cov,0.9.1)
	scripts/coverage.sh

mutants: setup ## whether tests notice small changes of options, cuts, manifests and limits (hours; installs cargo-mutants)
	$(call tool,cargo-mutants,27.1.0)
	CARGO_PROFILE_TEST_DEBUG=0 PATH="$(CURDIR)/target/tools/bin:$$PATH" cargo mutants --output target/mutants --package chunker-cdc

# Each seed is another order of the threads' steps. rayon's threads outlive its pools, and its queues make
# pointers of integers.
miri-concurrent: setup ## threads on small inputs under Miri, in many orders of their steps (SEEDS=64: more)
	@cargo +nightly miri --version >/dev/null 2>&1 || { \
		echo "miri: installing it with a nightly toolchain"; \
		rustup toolchain install nightly --profile minimal --component miri --component rust-src; } 2>/dev/null
	for tests in "--test miri -- concurrent::" "--lib -- two_threads"; do \
		MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-permissive-provenance -Zmiri-tree-borrows \
			-Zmiri-many-seeds=0..$(or $(SEEDS),8)" cargo +nightly miri test --quiet --package chunker-cdc \
			--target-dir target/miri --no-default-features --features rayon $$tests || exit 1; \
	done

test-machines: setup ## the vectors on big-endian, 32-bit and ARM machines, emulated (MACHINES="triple …": on these; installs compilers and qemu)
	scripts/test-machines.sh $(MACHINES)

sanitize: setup ## tests of the codecs and of the Elixir package under AddressSanitizer (installs a nightly toolchain and a runtime)
	scripts/sanitize.sh

test-no-std: setup ## the crate builds for a target without std, and for one without a clock of its own
	cargo build --quiet --package chunker-cdc --no-default-features --target wasm32v1-none
	cargo build --quiet --package chunker-cdc --no-default-features --features alloc,serde --target wasm32v1-none
	cargo build --quiet --package chunker-cdc --no-default-features --features tracing,metrics --target wasm32-unknown-unknown

package: setup addon ## the npm package, built
	cargo xtask wasm
	npm --prefix npm run --silent build

addon: setup ## the npm package's native addon for this machine, for tests
	scripts/addon.sh

addons: setup ## its packages for all platforms, in target/addons/packages (TARGETS="linux-x64-gnu …": for these; installs Zig)
	scripts/addons.sh $(TARGETS)

packages: package ## the crate, the npm and the Hex packages as they are published, in target/packages (ADDONS=target/addons/packages)
	scripts/package.sh

test-packages: packages ## the three packages, installed in empty projects, run the README's examples
	scripts/test-packages.sh

release-check: packages ## versions, the changelog, and the files of the three packages (TAG=v1.2.3: of that release)
	scripts/release-check.sh

semver: setup ## what the crate's public interface has lost since the last release (BASE=ref: since then; installs cargo-semver-checks)
	$(call tool,cargo-semver-checks,0.51.0)
	@base=$(or $(BASE),$$(git describe --tags --abbrev=0 --match 'v*' HEAD^ 2>/dev/null)); \
	if [ -z "$$base" ]; then echo "semver: there is no release before this one"; else \
		RUSTFLAGS="" target/tools/bin/cargo-semver-checks semver-checks --package chunker-cdc --all-features \
			--baseline-rev "$$base"; fi

public-api: setup ## the crate's public items (BASE=ref: what changed since then; installs cargo-public-api and a nightly toolchain)
	$(call tool,cargo-public-api,0.52.0)
	@cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal
	RUSTFLAGS="" target/tools/bin/cargo-public-api public-api --package chunker-cdc --all-features -sss \
		$(if $(BASE),diff "$(BASE)..HEAD")

advisories: setup deny ## known vulnerabilities of all dependencies (asks the registries)
	target/tools/bin/cargo-deny --log-level error check advisories
	npm --prefix npm audit

sbom: setup ## what the three packages are made of, as CycloneDX, in target/sbom (installs cargo-cyclonedx)
	$(call tool,cargo-cyclonedx,0.5.9)
	scripts/sbom.sh

nif-libraries: setup ## the Elixir package's native library for all systems, in target/libraries (TARGETS="triple …": for these; installs Zig)
	scripts/nif-libraries.sh $(TARGETS)

# The release workflow runs these. DRY_RUN=--dry-run tries the first two.
publish-crate: setup ## publish the crates: the core, the store and the command
	cargo publish --package chunker-cdc --package chunker-store --package chunker-cli $(DRY_RUN)

publish-npm: package ## publish the npm packages, with their provenance if REPOSITORY is the URL of the source
	ADDONS=target/addons/packages scripts/package.sh
	ADDONS=target/addons/packages scripts/release-check.sh
	for package in target/packages/chunker-cdc-[a-z]*.tgz target/packages/chunker-cdc-[0-9]*.tgz; do \
		npm publish $(DRY_RUN) --access public $(if $(REPOSITORY),--provenance) "./$$package" || exit 1; done

publish-assets: sbom ## make the release on GitHub: the changelog, target/libraries and target/sbom
	gh release create "$(TAG)" --verify-tag --title "$(TAG)" --notes "$$(scripts/changelog.sh)" target/libraries/* target/sbom/*

publish-hex: package ## publish the Elixir package, with the list of target/libraries at LIBRARIES_URL
	mix local.hex --force
	LIBRARIES=target/libraries scripts/package.sh
	scripts/release-check.sh
	crate=$$(mktemp -d) && cp -r target/packages/hex/native/chunker_nif/. "$$crate" && \
		cargo fetch --locked --manifest-path "$$crate/Cargo.toml" # fails unless the registry has that very crate
	cd target/packages/hex && mix hex.publish package --yes

test-npm: package ## the npm package: Node.js by the addon and by WebAssembly, Chromium, and the packed tarball in throw-away projects
	npm --prefix npm test --silent
	npm --prefix npm run --silent test:wasm
	npm --prefix npm run --silent test:browser
	npm --prefix npm run --silent test:package

test-bundlers: package ## the packed tarball with Vite 5 to 7, Next, Bun, Deno, Jest, and old TypeScript (installs them into target/)
	npm --prefix npm run --silent test:bundlers

test-nif: setup ## the Elixir package, with every case of the vectors
	cd nif && mix test

test-server: package ## the laws of the protocol, over the server for Node.js
	npm/node_modules/.bin/tsc -p npm/test
	CHUNKER_SERVER="node $(CURDIR)/npm/test-out/dedup/server-process.js" cargo test --quiet --package chunker-store --test server

test-ingest: setup ## the upload server on the BEAM: sockets, time and kill -9, and the laws of every server of the protocol
	cd nif/examples/ingest && mix test
	CHUNKER_SERVER=$(CURDIR)/nif/examples/ingest/test/support/server \
		cargo test --quiet --package chunker-store --test server

test-bigfile: package ## 6 GB through the page in Chromium, and an edited copy; the memory of both
	npm --prefix npm run --silent test:bigfile

conformance: package ## the vectors in Python, native Rust, Node.js, Chromium and Elixir
	python3 tests/conformance/reference.py
	cargo test --quiet --package chunker-cdc --all-features --test suite -- conformance:: conformance_codecs:: --nocapture
	npm --prefix npm run --silent conformance
	cd nif && mix test --only conformance

remote-execution: package ## the Remote Execution API's own vectors in every tier and language (INPUT=SekienAkashita.jpg, from its repository)
	@test -f "$(INPUT)" || { echo "$@: INPUT names no file"; exit 2; }
	REMOTE_EXECUTION_INPUT="$(abspath $(INPUT))" cargo test --quiet --package chunker-cdc --all-features \
		--test suite -- remote_execution:: --include-ignored --nocapture
	REMOTE_EXECUTION_INPUT="$(abspath $(INPUT))" npm --prefix npm run --silent conformance
	cd nif && REMOTE_EXECUTION_INPUT="$(abspath $(INPUT))" mix test --only remote_execution

vectors: ## generate the conformance vectors anew (needs sha256sum, b3sum, and the tools that setup installs)
	cargo run --quiet --profile test --all-features --example conformance-vectors > target/vectors.json
	python3 tests/conformance/generate_codecs.py > target/codecs.json
	mv target/vectors.json target/codecs.json tests/conformance

bench: setup ## time and allocations of every operation; JSON in target/benchmarks.json, target/allocations.json (BENCH_LARGEST=10MB, 100MB, 1GB: larger inputs)
	rm -rf target/benchmarks
	BENCH_LARGEST=$(or $(BENCH_LARGEST),1MB) CRITERION_HOME=$(CURDIR)/target/benchmarks cargo bench --quiet --package chunker-cdc \
		--features rayon,nix,zstd,lz4,xz,bzip2 --bench comprehensive -- --noplot --quiet --sample-size 20 \
		--nresamples 1000 --warm-up-time 0.1 --measurement-time 0.3
	scripts/bench-summary.py target/benchmarks target/benchmarks.json
	cargo bench --quiet --package chunker-cdc --features rayon,zstd,lz4,xz,bzip2 --bench allocations -- \
		$(CURDIR)/target/allocations.json

bench-ratios: setup ## pieces against one call, all cores against one, as ratios; memory
	cargo bench --quiet --package chunker-cdc --bench push
	cargo bench --quiet --package chunker-cdc --features rayon,zstd --bench parallel

bench-regression: setup ## whether the working tree is more than 5 % slower than BASE=ref, both run in turn here
	scripts/bench-regression.sh $(or $(BASE),origin/main)

bench-instructions: setup ## whether the working tree takes over 1 % more instructions than BASE=ref (installs valgrind and gungraun-runner)
	@scripts/setup.sh valgrind
	$(call tool,gungraun-runner,0.20.0)
	scripts/bench-instructions.sh $(or $(BASE),origin/main)

test-regression: ## what the regression gate says of results of every kind
	cd .github/scripts && python3 -m unittest --quiet

bench-observability: observability-builds ## what tracing, metrics and profiling cost a chunk, in nanoseconds
	cd target/observability && ./std compare ./std ./tracing ./metrics:none ./metrics:atomics ./metrics:prometheus

observability-builds: setup
	mkdir -p target/observability
	for features in std tracing metrics; do \
		cargo bench --quiet --package chunker-cdc --no-default-features --features $$features \
			--bench observability -- copy target/observability/$$features || exit 1; \
	done

bench-codecs: setup ## each codec against its crate called directly, on real files, as ratios
	cargo bench --quiet --package chunker-cdc --features zstd,lz4,xz,bzip2 --bench codecs

bench-references: setup ## replacing and restoring references of Nix against a copy and against aho-corasick, as ratios
	cargo bench --quiet --package chunker-cdc --features nix --bench references

bench-bombs: setup ## data of each codec that would become 10 GB: time and memory until they are refused
	cargo bench --quiet --package chunker-cdc --features zstd,lz4,xz,bzip2 --bench bombs

bench-nif: setup ## the Elixir package: cost of a call, speed, fairness to others, batches, 2,000,000 hostile calls
	cargo build --quiet --release --package chunker-nif --example direct
	cd nif && export MIX_ENV=prod && mix compile && for table in overhead throughput fairness fairness_stores batch; do \
		mix run bench/$$table.exs ../target/release/examples/direct || exit 1; \
	done
	cd nif && MIX_ENV=test mix run bench/hostile.exs && MIX_ENV=test mix run bench/hostile.exs stores

bench-peers: setup target/peers/python/bin/python target/peers/real.tar ## ratios to the libraries with these cuts (TAR=file: your data; needs python3-venv)
	cargo run --quiet --release --package bench-peers -- $(or $(TAR),target/peers/real.tar) target/peers/python/bin/python

bench-scale: ## the store's index: look-ups, memory and rebuilding; lists, checks, collections (CHUNKS=10000000 FILES=1000000)
	cargo bench --quiet --package chunker-store --bench scale -- $(or $(CHUNKS),1000000) $(or $(FILES),100000)

bench-store: setup target/peers/store.tar ## the command against restic, borg and casync on 700 MB and an edited copy (ROUNDS=3; TAR=file; installs them)
	@scripts/setup.sh restic borg=borgbackup casync
	cargo build --quiet --release --package chunker-cli
	scripts/bench-store.py target/release/chunker $(or $(TAR),target/peers/store.tar) $(or $(ROUNDS),3)

dedup-report: setup target/peers/python/bin/python ## what deduplication saves of real releases (fetches 9): docs/deduplication.md
	cargo build --quiet --release --package bench-peers --bin dedup
	scripts/dedup-report.py target/release/dedup target/peers/python/bin/pip

bench-node: package ## Node.js: the native addon, WebAssembly and the crate called directly, as ratios; calls, event loop (ROUNDS=20: more)
	cargo build --quiet --release --package chunker-napi --example direct
	node npm/scripts/bench-node.mjs

bench-pool: package target/peers/npm ## Node.js and Chromium: workers, threads, the same code natively, peers, as ratios (ROUNDS=20: more)
	cargo xtask wasm-bench
	RUSTFLAGS="$(RUSTFLAGS) --cfg chunker_scan=\"portable\"" cargo build --quiet --release --target-dir target/portable \
		--package bench-peers --bin portable --features vectors-128
	npm --prefix npm run --silent bench:pool

test-serve: package ## the npm client against chunker serve, both killed at random moments
	cargo build --quiet --package chunker-cli
	CHUNKER_SERVE=$(CURDIR)/target/debug/chunker npm --prefix npm run --silent test:serve

bench-transfer: package target/peers/tus ## uploads and downloads against tus and a plain GET, over links of different round trips, as ratios (ROUNDS=5; MIB=128; SERVERS=node: only that)
	cargo build --quiet --release --package chunker-cli
	node npm/scripts/bench-transfer.mjs "$(or $(SERVERS),node target/release/chunker)" target/peers/tus $(or $(ROUNDS),5) $(or $(MIB),128)

target/peers/tus:
	mkdir -p $@
	npm install --silent --no-audit --no-fund --prefix $@ tus-js-client@4.3.1 @tus/server@2.4.5 @tus/file-store@2.1.1 || { rm -r $@; exit 1; }

target/peers/npm:
	mkdir -p $@
	npm install --silent --no-audit --no-fund --prefix $@ @huggingface/xetchunk-wasm@0.2.0 hash-wasm@4.13.0 || { rm -r $@; exit 1; }

target/peers/python/bin/python:
	python3 -m venv target/peers/python
	target/peers/python/bin/pip install --quiet --disable-pip-version-check pyfastcdc==0.3.1

target/peers/real.tar: # programs, then source code: what is here anyway
	mkdir -p target/peers
	tar --create --directory "$$(rustc --print sysroot)" bin --directory "$${CARGO_HOME:-$$HOME/.cargo}/registry" src \
		2>/dev/null | head --bytes 64M > $@

target/peers/store.tar: # the same, and libraries
	mkdir -p target/peers
	tar --create --directory "$$(rustc --print sysroot)" bin --directory "$${CARGO_HOME:-$$HOME/.cargo}/registry" src \
		--directory "$$(rustc --print sysroot)" lib 2>/dev/null | head --bytes 700M > $@

instructions: setup ## instructions per byte of each scan kernel on x86-64, against their limits
	cargo build --quiet --release --package bench-peers
	scripts/count-instructions.py target/release/bench-peers

instructions-hooks: observability-builds ## instructions that tracing and metrics add to a chunk, and that none are there without them (installs valgrind)
	@scripts/setup.sh valgrind
	scripts/count-hooks.py target/observability

FUZZ_TARGETS = scan cuts manifest nix references decode round_trip pack store protocol

fuzz: setup ## each fuzz target, from the conformance vectors on (SECONDS=600: longer each; installs cargo-fuzz and nightly)
	$(call tool,cargo-fuzz,0.13.2)
	@cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal
	FUZZ_SEEDS=target/fuzz/seeds cargo test --quiet --package chunker-cdc --all-features --test suite -- fuzz_seeds:: --ignored
	FUZZ_SEEDS=$(CURDIR)/target/fuzz/seeds cargo test --quiet --package chunker-store --test protocol_law -- --ignored
	scripts/fuzz.sh $(or $(SECONDS),60) $(or $(TARGET),$(FUZZ_TARGETS))

docs: ## the crate's documentation, in target/doc
	RUSTDOCFLAGS="-D warnings" cargo doc --package chunker-cdc --all-features --no-deps

# No target without a slash or a dot in its name is a file.
.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*/\1/p' Makefile)
