# Everything that can be run. Every CI check is one of these targets.

.DEFAULT_GOAL := help
export RUSTFLAGS ?= -D warnings
export CARGO_TERM_COLOR ?= auto
ELIXIR_LIBS = $(shell elixir -e 'IO.puts(Path.dirname(:code.lib_dir(:elixir)))')

# The crates whose tests run together: cargo compiles their dependencies once, with the features of all.
CRATES = --package chunker-cdc --package chunker-store --package chunker-cli --all-features

# A tool written in Rust, of one version, in target/tools.
define tool
@command -v target/tools/bin/$(1) >/dev/null || { \
	echo "$@: installing $(1) into target/tools"; \
	cargo install --quiet --locked --debug --config profile.dev.debug=false --root target/tools --version $(2) $(1); }
endef

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing on a machine with rustup, Node.js and git
	@scripts/setup.sh

# After `make package`, the demo builds the whole package; before, only the parts that it uses.
demo: $(if $(wildcard target/addons/test),package,demo-package) ## upload two real releases with deduplication, then serve the upload page (FILES="a b": your own files; COMPRESSION=zstd)
	@npm --prefix npm run --silent demo

demo-package:
	@scripts/setup.sh --demo
	@scripts/side-by-side.sh demo-addon demo-modules
	npm --prefix npm run --silent build

demo-addon:
	scripts/addon.sh demo

demo-modules:
	rm -rf npm/wasm-out # the modules of an older package no longer fit
	cargo xtask wasm chunker chunker-codecs

demo-elixir: package ## serve the upload page with the upload server on the BEAM (STORE=dir; PORT=4000)
	npm/node_modules/.bin/tsc -p npm/demo
	@scripts/demo-elixir.sh

demo-nix: setup ## push two builds to the binary cache on the BEAM with real nix, with and without references in the chunks, and pull them
	cd nif/examples/binary_cache && mix run demo.exs

# Clippy checks the tests, too: dependencies then have the same features in both builds, which share their C and macros.
check: ## check the core alone (start here): formatting, clippy, and all tests that need no other programs; installs nothing
	cargo fmt --package chunker-cdc --check
	cargo clippy --quiet --package chunker-cdc --all-targets --all-features
	cargo test --quiet --package chunker-cdc --all-features --lib --test suite -- --skip ::tools:: --skip real_nars::

# Within a chain one target follows the other, whatever --jobs says, since they share folders.
test: setup ## run everything that a change must pass
	@scripts/side-by-side.sh test-crates test-packaged

test-crates: # the crates, by cargo
	@MAKEFLAGS= $(MAKE) --no-print-directory lint test-regression test-rust

# The last two have folders of their own, and make the chains equally long.
test-packaged: # what the packages of npm and Hex hold
	@MAKEFLAGS= $(MAKE) --no-print-directory test-npm test-server test-nif test-ingest test-cache release-check \
		test-no-std miri

lint: setup deny lint-nif lint-ingest lint-cache ## check formatting, clippy, versions, licences, the pages' links, and that the documentation has no warnings
	cargo fmt --all --check
	rustfmt --edition 2024 --check tests/scan_limit/program.rs
	cargo clippy --quiet --workspace --all-targets --all-features
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --package chunker-cdc --all-features --no-deps
	npm --prefix npm run --silent lint
	npm --prefix npm run --silent lint:workflows
	scripts/check-versions.sh
	scripts/check-names.py
	scripts/check-imports.py
	scripts/check-links.py

lint-nif: setup target/nif.plt ## check the Elixir package: formatting, compiler warnings, Dialyzer
	cd nif && mix format --check-formatted && MIX_ENV=prod mix compile --warnings-as-errors
	ERL_LIBS="$(ELIXIR_LIBS)" dialyzer --quiet --plt target/nif.plt -Wunmatched_returns -Werror_handling \
		nif/_build/prod/lib/chunker/ebin

lint-ingest: setup target/nif.plt ## check the upload server on the BEAM: formatting, compiler warnings, Dialyzer
	cd nif/examples/ingest && mix format --check-formatted && MIX_ENV=prod mix compile
	ERL_LIBS="$(ELIXIR_LIBS)" dialyzer --quiet --plt target/nif.plt -Wunmatched_returns -Werror_handling \
		nif/examples/ingest/_build/prod/lib/chunker/ebin nif/examples/ingest/_build/prod/lib/ingest/ebin

lint-cache: setup target/nif.plt ## check the binary cache on the BEAM: formatting, compiler warnings, Dialyzer
	cd nif/examples/binary_cache && mix format --check-formatted && MIX_ENV=prod mix compile
	ERL_LIBS="$(ELIXIR_LIBS)" dialyzer --quiet --plt target/nif.plt -Wunmatched_returns -Werror_handling \
		$(addprefix nif/examples/binary_cache/_build/prod/lib/,chunker/ebin ingest/ebin binary_cache/ebin)

# What Dialyzer knows of Erlang and Elixir: made once, in about a minute.
target/nif.plt: | setup
	mkdir -p target
	ERL_LIBS="$(ELIXIR_LIBS)" dialyzer --quiet --build_plt --output_plt $@ --apps erts kernel stdlib crypto inets elixir

deny: setup ## check licences, sources and duplicates of all dependencies
	$(call tool,cargo-deny,0.20.2)
	target/tools/bin/cargo-deny --log-level error check licenses bans sources

test-rust: setup ## test the crates; the core with each feature alone, with each limit on scan kernels, and with xz of WebAssembly; the vectors in Python
	python3 tests/conformance/reference.py
	cargo test --quiet $(CRATES)
	RUSTFLAGS="$(RUSTFLAGS) --cfg chunker_xz=\"rust\" --cfg chunker_scan=\"portable\"" cargo test --quiet \
		--package chunker-cdc --target-dir target/xz --features zstd,lz4,xz,bzip2,nix \
		--test suite -- compression:: push_decoder:: conformance_codecs:: conformance:: scan_tiers::the_fastest
	for kernel in portable scalar avx2; do \
		rustc -D warnings --edition 2024 --cfg 'feature="alloc"' --cfg 'feature="std"' --cfg "chunker_scan=\"$$kernel\"" \
			-o target/scan_limit tests/scan_limit/program.rs && target/scan_limit >/dev/null || exit 1; \
	done
	for feature in alloc std async tokio rayon serde zstd lz4 xz bzip2 signing nix tracing metrics spans flamegraph; do \
		cargo clippy --quiet --package chunker-cdc --no-default-features --features $$feature || exit 1; \
	done
	for module in chunking codecs threads debug; do \
		cargo clippy --quiet --package chunker-wasm --no-default-features --features $$module || exit 1; \
	done

test-s3: setup ## test the store on S3, simulated by moto (installs it into target/)
	scripts/test-s3.sh

soak-store: setup ## stress one store with processes that write, read, delete and collect at the same time and get killed (MINUTES=10; S3=1: on S3, simulated by moto)
	cargo build --quiet --release --package chunker-cli
	rm -rf target/soak && mkdir -p target/soak
	$(if $(S3),scripts/with-s3.sh) scripts/soak-store.py target/release/chunker \
		$(if $(S3),s3://chunker/soak,target/soak/store) $(or $(MINUTES),10) $(SEED)

simulate: setup ## run clients, servers, a collector and their store on simulated networks, disks and clocks that fail (SECONDS=600; SEED=0)
	CHUNKER_SIMULATE_SECONDS=$(or $(SECONDS),600) CHUNKER_STORE_SEED=$(or $(SEED),0) \
		cargo test --quiet --package chunker-store --lib -- simulation::system::simulate --ignored --nocapture

cross-store: setup ## check that the command, with all remote stores, links for every system (TARGETS="triple …": for these; installs Zig)
	scripts/cross-store.sh $(TARGETS)

test-store: setup ## test only the store and the command, which test-rust covers too
	cargo test --quiet --package chunker-store --package chunker-cli

miri: setup ## search for undefined behaviour with Miri, in all tests it can run (installs a nightly toolchain)
	@cargo +nightly miri --version >/dev/null 2>&1 || { \
		echo "miri: installing it with a nightly toolchain"; \
		rustup toolchain install nightly --profile minimal --component miri --component rust-src; } 2>/dev/null
	RUSTFLAGS="-Ctarget-feature=+avx2,+avx512f,+avx512bw,+avx512vbmi,+avx512vnni" \
		MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --quiet --package chunker-cdc \
		--target-dir target/miri --no-default-features --features std,nix --test miri

coverage: package ## measure line coverage by file: the crate, Elixir, TypeScript; each must reach 95 % (installs cargo-llvm-cov)
	$(call tool,cargo-llvm-cov,0.9.1)
	scripts/coverage.sh

mutants: setup ## check that the tests notice small changes to options, cuts, manifests and limits (takes hours; installs cargo-mutants)
	$(call tool,cargo-mutants,27.1.0)
	CARGO_PROFILE_TEST_DEBUG=0 PATH="$(CURDIR)/target/tools/bin:$$PATH" cargo mutants --output target/mutants --package chunker-cdc

# Each seed is another order of the threads' steps. rayon's threads outlive its pools, and its queues make
# pointers of integers. The small read size splits the inputs into several reads.
miri-concurrent: setup ## run threads under Miri on small inputs, in many interleavings (SEEDS=64: more)
	@cargo +nightly miri --version >/dev/null 2>&1 || { \
		echo "miri: installing it with a nightly toolchain"; \
		rustup toolchain install nightly --profile minimal --component miri --component rust-src; } 2>/dev/null
	for tests in "--test miri -- concurrent::" "--lib -- two_threads"; do \
		MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-permissive-provenance -Zmiri-tree-borrows \
			-Zmiri-many-seeds=0..$(or $(SEEDS),8)" CHUNKER_READ_SLICE_CAP_BYTES=100 \
			cargo +nightly miri test --quiet --package chunker-cdc \
			--target-dir target/miri --no-default-features --features rayon $$tests || exit 1; \
	done

test-machines: setup ## run the vectors on emulated big-endian, 32-bit and ARM machines (MACHINES="triple …": on these; installs compilers and qemu)
	scripts/test-machines.sh $(MACHINES)

sanitize: setup ## test the codecs and the Elixir package under AddressSanitizer (installs a nightly toolchain and a runtime)
	scripts/sanitize.sh

test-no-std: setup ## build the crate for a target without std, and for one without a clock
	cargo build --quiet --package chunker-cdc --no-default-features --target wasm32v1-none
	cargo build --quiet --package chunker-cdc --no-default-features --features alloc,serde --target wasm32v1-none
	cargo build --quiet --package chunker-cdc --no-default-features --features tracing,metrics --target wasm32-unknown-unknown

test-wasm: setup ## test the crate as WebAssembly in Node.js, plain and with simd128: the vectors, and the laws that need no threads or other programs
	cargo xtask wasm-test node

test-wasm-browser: setup ## do the same as test-wasm in a worker of headless Chromium (installs chromedriver)
	@scripts/setup.sh chromedriver=chromium-driver
	cargo xtask wasm-test chromium

package: setup addon ## build the npm package
	cargo xtask wasm
	npm --prefix npm run --silent build

addon: setup ## build the npm package's native addon for this machine, for tests
	scripts/addon.sh test

addons: setup ## build the packages of the native addon for all platforms, in target/addons/packages (TARGETS="linux-x64-gnu …": for these; installs Zig)
	scripts/addons.sh $(TARGETS)

packages: package ## build the crate, the npm and the Hex packages as published, in target/packages (ADDONS=target/addons/packages)
	scripts/package.sh

test-packages: packages ## install the three packages in empty projects, and run the READMEs' examples there
	scripts/test-packages.sh

release-check: packages ## check versions, the changelog, and the files of the three packages (TAG=v1.2.3: for that release)
	scripts/release-check.sh

semver: setup ## check the crate's public interface for breaking changes since the last release (BASE=ref: since then; installs cargo-semver-checks)
	$(call tool,cargo-semver-checks,0.51.0)
	@base=$(or $(BASE),$$(git describe --tags --abbrev=0 --match 'v*' HEAD^ 2>/dev/null)); \
	if [ -z "$$base" ]; then echo "semver: there is no release before this one"; else \
		RUSTFLAGS="" target/tools/bin/cargo-semver-checks semver-checks --package chunker-cdc --all-features \
			--baseline-rev "$$base"; fi

public-api: setup ## list the crate's public items (BASE=ref: what changed since then; installs cargo-public-api and a nightly toolchain)
	$(call tool,cargo-public-api,0.52.0)
	@cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal
	RUSTFLAGS="" target/tools/bin/cargo-public-api public-api --package chunker-cdc --all-features -sss \
		$(if $(BASE),diff "$(BASE)..HEAD")

advisories: setup deny ## check all dependencies for known vulnerabilities (asks the registries)
	target/tools/bin/cargo-deny --log-level error check advisories
	npm --prefix npm audit

sbom: setup ## list the contents of the three packages, as CycloneDX, in target/sbom (installs cargo-cyclonedx)
	$(call tool,cargo-cyclonedx,0.5.9)
	scripts/sbom.sh

nif-libraries: setup ## build the Elixir package's native library for all systems, in target/libraries (TARGETS="triple …": for these; installs Zig)
	scripts/nif-libraries.sh $(TARGETS)

pack-load: package ## pack what `make load-libraries` needs on other systems, in target/load
	scripts/load-libraries.sh pack

load-libraries: ## load this system's native libraries of target/addons/packages and target/libraries, and run the vectors and a store (needs only Node.js)
	scripts/load-libraries.sh

emulate-addons: pack-load ## load the addons of target/addons/packages for Linux and Windows, emulated, and run the vectors and a store (PLATFORMS="linux-arm64-gnu …": only these; installs qemu, Wine, musl)
	scripts/emulate-addons.sh $(PLATFORMS)

# The release workflow runs these. DRY_RUN=--dry-run tries the first two.
publish-crate: setup ## publish the crates: the core, the store and the command
	cargo publish --package chunker-cdc --package chunker-store --package chunker-cli $(DRY_RUN)

publish-npm: package ## publish the npm packages, with provenance if REPOSITORY is the URL of the source
	ADDONS=target/addons/packages scripts/package.sh
	ADDONS=target/addons/packages scripts/release-check.sh
	for package in target/packages/chunker-cdc-[a-z]*.tgz target/packages/chunker-cdc-[0-9]*.tgz; do \
		npm publish $(DRY_RUN) --access public $(if $(REPOSITORY),--provenance) "./$$package" || exit 1; done

publish-assets: sbom ## create the release on GitHub, with the changelog, target/libraries and target/sbom
	gh release create "$(TAG)" --verify-tag --title "$(TAG)" --notes "$$(scripts/changelog.sh)" target/libraries/* target/sbom/*

publish-hex: package ## publish the Elixir package, with the list of target/libraries at LIBRARIES_URL
	mix local.hex --force
	LIBRARIES=target/libraries scripts/package.sh
	scripts/release-check.sh
	crate=$$(mktemp -d) && cp -r target/packages/hex/native/chunker_nif/. "$$crate" && \
		cargo fetch --locked --manifest-path "$$crate/Cargo.toml" # fails unless the registry has that very crate
	cd target/packages/hex && mix hex.publish package --yes

test-npm: package ## test the npm package: in Node.js with the addon and with WebAssembly, in Chromium, and as a tarball in throw-away projects
	npm --prefix npm test --silent
	npm --prefix npm run --silent test:wasm
	npm --prefix npm run --silent test:browser
	npm --prefix npm run --silent test:package

test-browsers: package ## test the npm package in Firefox and WebKitGTK, where they are installed (BROWSERS="firefox webkitgtk": in these)
	npm --prefix npm run --silent test:browsers

test-bundlers: package ## test the packed tarball with Vite 5 to 7, Next, Bun, Deno, Jest, and old TypeScript, and docs/recipes.md (installs what they need)
	@scripts/setup.sh nginx=nginx-light
	npm --prefix npm run --silent test:bundlers

test-nif: setup ## test the Elixir package, with every case of the vectors
	cd nif && mix test

test-server: package ## test that the server for Node.js follows the protocol
	npm/node_modules/.bin/tsc -p npm/test
	CHUNKER_SERVER="node $(CURDIR)/npm/test-out/dedup/server-process.js" cargo test --quiet $(CRATES) --test server

test-ingest: setup ## test the upload server on the BEAM: sockets, timeouts, kill -9, and the protocol
	cd nif/examples/ingest && mix test
	CHUNKER_SERVER=$(CURDIR)/nif/examples/ingest/test/support/server \
		cargo test --quiet $(CRATES) --test server

test-cache: setup ## test the binary cache on the BEAM: real nix, hostile requests, kill -9
	cd nif/examples/binary_cache && mix test

bench-cache: setup ## measure pushing a NAR to the binary cache on the BEAM and pulling it: speed, and memory of the VM (MIB=2048; NIX=1: with real nix)
	cd nif/examples/binary_cache && MIX_ENV=prod mix run large.exs $(or $(MIB),2048) $(if $(NIX),nix)

test-bigfile: package ## upload 6 GB and an edited copy through the page in Chromium, and measure memory (GB=20: 20 GB, of which 2 are distinct)
	$(if $(GB),CHUNKER_BIGFILE_BYTES=$(GB)000000000 CHUNKER_BIGFILE_DISTINCT=2000000000) npm --prefix npm run --silent test:bigfile

conformance: package ## run the vectors in Python, native Rust, Node.js, Chromium and Elixir
	python3 tests/conformance/reference.py
	cargo test --quiet --package chunker-cdc --all-features --test suite -- conformance:: conformance_codecs:: --nocapture
	npm --prefix npm run --silent conformance
	cd nif && mix test --only conformance

remote-execution: package ## run the Remote Execution API's own vectors in every tier and language (INPUT=SekienAkashita.jpg, from its repository)
	@test -f "$(INPUT)" || { echo "$@: INPUT names no file"; exit 2; }
	REMOTE_EXECUTION_INPUT="$(abspath $(INPUT))" cargo test --quiet --package chunker-cdc --all-features \
		--test suite -- remote_execution:: --include-ignored --nocapture
	REMOTE_EXECUTION_INPUT="$(abspath $(INPUT))" npm --prefix npm run --silent conformance
	cd nif && REMOTE_EXECUTION_INPUT="$(abspath $(INPUT))" mix test --only remote_execution

vectors: ## regenerate the conformance vectors (needs sha256sum, b3sum, and the tools that setup installs)
	cargo run --quiet --profile test --all-features --example conformance-vectors > target/vectors.json
	python3 tests/conformance/generate_codecs.py > target/codecs.json
	mv target/vectors.json target/codecs.json tests/conformance

bench: setup ## measure time and allocations of every operation; writes JSON to target/benchmarks.json, target/allocations.json (BENCH_LARGEST=10MB, 100MB, 1GB: larger inputs)
	rm -rf target/benchmarks
	BENCH_LARGEST=$(or $(BENCH_LARGEST),1MB) CRITERION_HOME=$(CURDIR)/target/benchmarks cargo bench --quiet --package benches \
		--features rayon,nix,zstd,lz4,xz,bzip2 --bench comprehensive -- --noplot --quiet --sample-size 20 \
		--nresamples 1000 --warm-up-time 0.1 --measurement-time 0.3
	scripts/bench-summary.py target/benchmarks target/benchmarks.json
	cargo bench --quiet --package benches --features rayon,zstd,lz4,xz,bzip2 --bench allocations -- \
		$(CURDIR)/target/allocations.json

bench-ratios: setup ## compare input in pieces with one call, and all cores with one, as ratios; measure memory
	cargo bench --quiet --package benches --bench push
	cargo bench --quiet --package benches --features rayon,zstd --bench parallel

bench-regression: setup ## check that the working tree takes at most 5 % more time and 1 % more instructions than BASE=ref; builds both (installs valgrind and gungraun-runner)
	@scripts/setup.sh valgrind
	$(call tool,gungraun-runner,0.20.0)
	scripts/bench-regression.sh $(or $(BASE),origin/main)

test-regression: ## test the verdicts of the regression gate on results of every kind
	cd .github/scripts && python3 -m unittest --quiet

bench-observability: observability-builds ## measure what tracing, metrics and profiling cost per chunk, in nanoseconds
	cd target/observability && ./std compare ./std ./tracing ./metrics:none ./metrics:atomics ./metrics:prometheus

observability-builds: setup
	mkdir -p target/observability
	for features in std tracing metrics; do \
		cargo bench --quiet --package benches --no-default-features --features $$features \
			--bench observability -- copy $(CURDIR)/target/observability/$$features || exit 1; \
	done

bench-codecs: setup ## compare each codec with calling its crate directly, on real files, as ratios
	cargo bench --quiet --package benches --features zstd,lz4,xz,bzip2 --bench codecs

bench-references: setup ## compare replacing and restoring Nix references with a copy and with aho-corasick, as ratios
	cargo bench --quiet --package benches --features nix --bench references

bench-bombs: setup ## measure time and memory until each codec refuses data that would decompress to 10 GB
	cargo bench --quiet --package benches --features zstd,lz4,xz,bzip2 --bench bombs

bench-nif: setup ## measure the Elixir package: cost of a call, speed, fairness, batches, 2,000,000 hostile calls
	cargo build --quiet --release --package chunker-nif --example direct
	cd nif && export MIX_ENV=prod && mix compile && for table in overhead throughput fairness fairness_stores batch; do \
		mix run bench/$$table.exs ../target/release/examples/direct || exit 1; \
	done
	cd nif && MIX_ENV=test mix run bench/hostile.exs && MIX_ENV=test mix run bench/hostile.exs stores

bench-peers: setup target/peers/python/bin/python target/peers/real.tar ## compare the core with libraries that find the same cut points, as ratios (TAR=file: your data; needs python3-venv)
	cargo run --quiet --release --package bench-peers -- $(or $(TAR),target/peers/real.tar) target/peers/python/bin/python

bench-scale: ## measure the store's index: look-ups, memory and rebuilding; lists, checks, collections (CHUNKS=10000000 FILES=1000000)
	cargo bench --quiet --package chunker-store --bench scale -- $(or $(CHUNKS),1000000) $(or $(FILES),100000)

load: package ## put 200 clients, some of them slow or hostile, on the Node.js server (SERVER="command": on that one; SECONDS=60; CLIENTS=200)
	npm/node_modules/.bin/tsc -p npm/test
	node npm/scripts/load.mjs "$(or $(SERVER),node npm/test-out/dedup/server-process.js)" \
		$(or $(SECONDS),60) $(or $(CLIENTS),200)

soak-transfer: package ## upload, download, delete, collect and check through two servers of one store, and kill them all (MINUTES=10; S3=1: on S3, simulated by moto; STORE=…; SERVERS="'command' …")
	npm/node_modules/.bin/tsc -p npm/test
	cargo build --quiet --release --package chunker-cli
	$(if $(S3),scripts/with-s3.sh) node npm/scripts/soak-transfer.mjs target/release/chunker \
		"$(or $(STORE),$(if $(S3),s3://chunker/soak-transfer,$$(mktemp -d)))" $(or $(MINUTES),10) \
		$(or $(SERVERS),serve "node npm/test-out/dedup/server-process.js")

bench-store: setup target/peers/store.tar ## compare the command with restic, borg and casync on 700 MB and an edited copy (ROUNDS=3; TAR=file; installs them)
	@scripts/setup.sh restic borg=borgbackup casync
	cargo build --quiet --release --package chunker-cli
	scripts/bench-store.py target/release/chunker $(or $(TAR),target/peers/store.tar) $(or $(ROUNDS),3)

dedup-report: setup target/peers/python/bin/python ## measure what deduplication saves on real releases, for docs/deduplication.md (fetches 9 releases)
	cargo build --quiet --release --package bench-peers --bin dedup
	scripts/dedup-report.py target/release/dedup target/peers/python/bin/pip

bench-node: package ## compare the native addon, WebAssembly and the crate in Node.js, as ratios; calls, event loop (ROUNDS=20: more)
	cargo build --quiet --release --package chunker-napi --example direct
	node npm/scripts/bench-node.mjs

bench-pool: package target/peers/npm ## compare workers, threads, native code and peers in Node.js and Chromium, as ratios (ROUNDS=20: more)
	cargo xtask wasm-bench
	RUSTFLAGS="$(RUSTFLAGS) --cfg chunker_scan=\"portable\"" cargo build --quiet --release --target-dir target/portable \
		--package bench-peers --bin portable --features vectors-128
	npm --prefix npm run --silent bench:pool

test-serve: package ## test the npm client against chunker serve, killing both at random moments
	cargo build --quiet --package chunker-cli
	CHUNKER_SERVE=$(CURDIR)/target/debug/chunker npm --prefix npm run --silent test:serve

bench-transfer: package target/peers/tus ## compare uploads and downloads with tus and a plain GET, as ratios (SERVERS="node serve beam"; CLIENTS="node chromium"; LINKS="0 20 40 100 slow"; AVERAGES="1M 64K 16K"; HASHES="sha256 blake3"; ROUNDS=5; MIB=128)
	npm/node_modules/.bin/tsc -p npm/test
	$(if $(findstring serve,$(SERVERS)),cargo build --quiet --release --package chunker-cli)
	$(if $(findstring beam,$(SERVERS)),cd nif/examples/ingest && MIX_ENV=prod mix compile)
	node npm/scripts/bench-transfer.mjs target/peers/tus $(foreach option,CLIENTS SERVERS LINKS AVERAGES HASHES ROUNDS MIB, \
		$(if $($(option)),--$(shell echo $(option) | tr A-Z a-z) "$($(option))"))

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

instructions: observability-builds ## check the instructions per byte of each scan kernel on x86-64, and those that tracing and metrics add per chunk, against fixed limits (installs valgrind)
	@scripts/setup.sh valgrind
	cargo build --quiet --release --package bench-peers
	scripts/count-instructions.py target/release/bench-peers
	scripts/count-hooks.py target/observability

FUZZ_TARGETS = scan cuts manifest nix references decode round_trip pack store protocol

fuzz: setup ## run each fuzz target, starting from the conformance vectors (SECONDS=600: longer each; installs cargo-fuzz and nightly)
	$(call tool,cargo-fuzz,0.13.2)
	@cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal
	FUZZ_SEEDS=target/fuzz/seeds cargo test --quiet --package chunker-cdc --all-features --test suite -- fuzz_seeds:: --ignored
	FUZZ_SEEDS=$(CURDIR)/target/fuzz/seeds cargo test --quiet --package chunker-store --test protocol_law -- --ignored
	scripts/fuzz.sh $(or $(SECONDS),60) $(or $(TARGET),$(FUZZ_TARGETS))

docs: ## build the crate's documentation, in target/doc
	RUSTDOCFLAGS="-D warnings" cargo doc --package chunker-cdc --all-features --no-deps

# No target without a slash or a dot in its name is a file.
.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*/\1/p' Makefile)
