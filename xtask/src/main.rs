//! Tasks of this workspace that need more than cargo.
//!
//! `cargo xtask wasm` builds the WebAssembly modules and their JavaScript into `npm/wasm-out/`;
//! `cargo xtask wasm-bench` one for benchmarks into `target/wasm/bench/bound/`; `cargo xtask wasm-test` runs
//! the core's tests as WebAssembly. It runs wasm-bindgen as a library, so nothing is installed outside the
//! workspace, and `Cargo.lock` ties its version to that of the crate in `wasm/`.

mod wasm_test;

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask wasm                        build npm/wasm-out/: the WebAssembly modules and their glue
       cargo xtask wasm MODULE...              build only these, and those that share their glue
       cargo xtask wasm-bench                  build target/wasm/bench/bound/: the module that benchmarks need
       cargo xtask wasm-test node|chromium     run the core's tests as WebAssembly, plain and with simd128";

const TARGET: &str = "wasm32-unknown-unknown";
/// The file cargo makes of the package `chunker-wasm`.
const CARGO_OUTPUT: &str = "chunker_wasm.wasm";
/// What C is compiled and archived by, in the order of preference; cc takes the variables.
const C_TOOLS: [(&str, [&str; 2]); 2] = [
    ("CC_wasm32_unknown_unknown", ["clang-19", "clang"]),
    ("AR_wasm32_unknown_unknown", ["llvm-ar-19", "llvm-ar"]),
];

/// One WebAssembly module of the npm package.
struct Build {
    /// The module's name in the package, and that of its target directory.
    name: &'static str,
    /// The name of its JavaScript and types; builds that share it have the same.
    glue: &'static str,
    rustflags: &'static str,
    features: &'static str,
}

const BUILDS: [Build; 5] = [
    Build { name: "chunker", glue: "bindgen", rustflags: "", features: "chunking" },
    Build {
        name: "chunker-simd128",
        glue: "bindgen",
        rustflags: "-Ctarget-feature=+simd128",
        features: "chunking,wasm-simd",
    },
    Build { name: "chunker-codecs", glue: "codecs-bindgen", rustflags: "", features: "codecs" },
    Build {
        name: "chunker-threads",
        glue: "threads-bindgen",
        // The exports are what wasm-bindgen starts a thread by.
        rustflags: "-Ctarget-feature=+simd128,+atomics,+bulk-memory,+mutable-globals \
            -Clink-arg=--shared-memory -Clink-arg=--import-memory -Clink-arg=--max-memory=1073741824 \
            -Clink-arg=--export=__wasm_init_tls -Clink-arg=--export=__tls_size \
            -Clink-arg=--export=__tls_align -Clink-arg=--export=__tls_base",
        features: "threads,wasm-simd",
    },
    Build {
        name: "chunker-debug",
        glue: "debug-bindgen",
        rustflags: "-Ctarget-feature=+simd128",
        features: "debug,wasm-simd",
    },
];

/// The module of `chunker-simd128`, and what only benchmarks call.
const BENCH: Build = Build {
    name: "bench",
    glue: "bindgen",
    rustflags: "-Ctarget-feature=+simd128",
    features: "bench,wasm-simd",
};

/// Keeps loads at constant distances from one address. LLVM's loop strength reduction gives each load of
/// a loop an address of its own, which WebAssembly has to compute every time: 11 % of the time of a cut.
const ONE_ADDRESS: &str = "-Cllvm-args=-disable-lsr";

/// Packages that start threads and give them work, once for many kilobytes of input.
const SMALL: [&str; 7] = [
    "crossbeam-channel",
    "crossbeam-deque",
    "crossbeam-epoch",
    "crossbeam-utils",
    "rayon-core",
    "wasm-bindgen-rayon",
    "wasm_sync",
];

/// A panic traps at once. Its message would go nowhere, but weighs 2 KB with brotli.
const NO_PANIC_MESSAGES: &str = "-Zunstable-options -Cpanic=immediate-abort";

/// What builds the standard library for this, and for shared memory: the one that rustup has is for one
/// thread. Cargo takes such arguments from the pinned stable toolchain when this variable is set.
const BUILD_STD: &str = "-Zbuild-std=std,panic_abort";
const UNSTABLE: (&str, &str) = ("RUSTC_BOOTSTRAP", "1");
/// Gives each compilation its own folder, so that all modules can be built in one place although their files have the
/// same names. Modules with the same flags then share a standard library, and all share build scripts and macros.
const OWN_FOLDERS: &str = "-Zbuild-dir-new-layout";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [task, modules @ ..] if task == "wasm" => wasm(modules),
        [task] if task == "wasm-bench" => wasm_bench(),
        [task, place] if task == "wasm-test" => wasm_test::run(place),
        [task, ..] if task == wasm_test::RUNNER => wasm_test::run_module(&arguments),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the named modules, or all of them, and checks that builds with the same glue can share it.
fn wasm(modules: &[String]) -> Result<(), Box<dyn Error>> {
    let c_tools = c_tools()?;
    let root = workspace_root()?;
    let out = root.join("npm/wasm-out");
    let named = |build: &Build| modules.is_empty() || modules.iter().any(|name| name == build.name);
    if let Some(unknown) = modules.iter().find(|name| BUILDS.iter().all(|build| build.name != **name)) {
        return Err(format!("unknown module {unknown}").into());
    }
    if modules.is_empty() {
        recreate(&out)?;
    }
    fs::create_dir_all(&out)?;
    let with_glue_of_named =
        |build: &&Build| BUILDS.iter().any(|other| other.glue == build.glue && named(other));
    let builds: Vec<&Build> = BUILDS.iter().filter(with_glue_of_named).collect();
    let mut written = HashMap::new();
    for build in builds {
        let bound = bind(&root, &compile(&root, build, &c_tools)?, build)?;
        fs::copy(bound.join("bindgen_bg.wasm"), out.join(format!("{}.wasm", build.name)))?;
        for ending in ["js", "d.ts"] {
            let text = fs::read(bound.join(format!("bindgen.{ending}")))?;
            let file = format!("{}.{ending}", build.glue);
            if written.get(&file).is_some_and(|other| *other != text) {
                return Err(format!("{file} of {} differs from another build's", build.name).into());
            }
            fs::write(out.join(&file), &text)?;
            written.insert(file, text);
        }
    }
    println!("xtask: wrote {}", out.display());
    Ok(())
}

/// Builds the module for benchmarks; it is used where wasm-bindgen leaves it.
fn wasm_bench() -> Result<(), Box<dyn Error>> {
    let root = workspace_root()?;
    bind(&root, &compile(&root, &BENCH, &c_tools()?)?, &BENCH)?;
    Ok(())
}

/// Returns the variables that name the tools for C, unless they are set: zstd is written in C.
fn c_tools() -> Result<Vec<(&'static str, &'static str)>, Box<dyn Error>> {
    let unset = C_TOOLS.iter().filter(|(variable, _)| env::var_os(variable).is_none());
    unset
        .map(|(variable, tools)| {
            let runs = |tool: &&str| Command::new(tool).arg("--version").output().is_ok();
            let tool = tools.iter().copied().find(runs);
            let [first, other] = tools;
            let missing = || format!("neither {first} nor {other} is installed; or set {variable}");
            tool.map(|tool| (*variable, tool)).ok_or_else(|| missing().into())
        })
        .collect()
}

/// Compiles the crate in `wasm/`; returns the path of the module.
fn compile(root: &Path, build: &Build, c_tools: &[(&str, &str)]) -> Result<PathBuf, Box<dyn Error>> {
    let target_dir = root.join("target/wasm").join(build.name);
    let rustflags = format!("{ONE_ADDRESS} {NO_PANIC_MESSAGES} {}", build.rustflags);
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["build", "--locked", "--release", "--package", "chunker-wasm"])
        .args(["--target", TARGET, "--no-default-features", "--features", build.features])
        // Whole-program optimization: pages download the module.
        .args(["--config", "profile.release.lto=true"])
        .args(SMALL.iter().flat_map(|package| {
            ["--config".into(), format!("profile.release.package.{package}.opt-level='z'")]
        }))
        .arg(BUILD_STD)
        .arg("--target-dir")
        .arg(&target_dir)
        .arg(OWN_FOLDERS)
        .env("CARGO_BUILD_BUILD_DIR", root.join("target/wasm/build"))
        .envs([UNSTABLE])
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", rustflags)
        .envs(c_tools.iter().copied())
        // These would replace the flags above.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if !status.success() {
        return Err(format!("building {} failed: {status}", build.name).into());
    }
    Ok(target_dir.join(TARGET).join("release").join(CARGO_OUTPUT))
}

/// Runs wasm-bindgen on a compiled module; returns the directory of its output.
fn bind(root: &Path, module: &Path, build: &Build) -> Result<PathBuf, Box<dyn Error>> {
    let out = root.join("target/wasm").join(build.name).join("bound");
    recreate(&out)?;
    let arguments: [&std::ffi::OsStr; 10] = [
        "wasm-bindgen".as_ref(),
        "--target".as_ref(),
        "web".as_ref(),
        "--out-name".as_ref(),
        "bindgen".as_ref(),
        // The package chooses the module; the glue must not name one.
        "--omit-default-module-path".as_ref(),
        "--remove-producers-section".as_ref(),
        "--out-dir".as_ref(),
        out.as_ref(),
        module.as_ref(),
    ];
    wasm_bindgen_cli::wasm_bindgen::run_cli_with_args(arguments)
        .map_err(|error| format!("wasm-bindgen on {}: {error:#}", build.name))?;
    Ok(out)
}

fn recreate(directory: &Path) -> Result<(), Box<dyn Error>> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    Ok(())
}

fn workspace_root() -> Result<PathBuf, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    Ok(root.ok_or("the xtask crate has no parent directory")?.to_path_buf())
}
