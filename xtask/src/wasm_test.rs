//! Runs the core's tests as WebAssembly, with wasm-bindgen-test.

use std::env;
use std::error::Error;
use std::process::{Command, Output};

/// The task that cargo calls to run a module of tests.
pub(crate) const RUNNER: &str = "wasm-test-runner";

/// The builds: name, flags of rustc, and features in addition to [`FEATURES`].
const BUILDS: [(&str, &str, &str); 2] =
    [("plain", "-Dwarnings", ""), ("simd128", "-Dwarnings -Ctarget-feature=+simd128", ",wasm-simd")];

/// Every feature that works in WebAssembly.
const FEATURES: &str = "serde,nix,zstd,lz4,xz,bzip2";

/// Returns the environment of tests in Node, or in a worker of a page, which keeps the page responsive.
fn variables(place: &str) -> Option<&'static [(&'static str, &'static str)]> {
    match place {
        "node" => Some(&[]),
        "chromium" => Some(&[
            ("CHROMEDRIVER", "chromedriver"),
            ("WASM_BINDGEN_USE_DEDICATED_WORKER", "1"),
            ("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "60"),
            ("WASM_BINDGEN_TEST_TIMEOUT", "900"),
        ]),
        _ => None,
    }
}

/// Runs the tests of each build in `place`, and prints their counts.
pub(crate) fn run(place: &str) -> Result<(), Box<dyn Error>> {
    let variables = variables(place).ok_or_else(|| format!("{place} is neither node nor chromium"))?;
    let c_tools = crate::c_tools()?;
    for (build, rustflags, features) in BUILDS {
        let cargo = |last: &[&str]| -> Result<Command, Box<dyn Error>> {
            let root = crate::workspace_root()?;
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo
                .args(["test", "--locked", "--package", "chunker-cdc", "--target", crate::TARGET])
                .args(["--test", "suite", "--features", &format!("{FEATURES}{features}")])
                .arg("--target-dir")
                .arg(root.join("target/wasm/test"))
                .args(last)
                .current_dir(root)
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", rustflags)
                .env(
                    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
                    format!("{} {RUNNER}", env::current_exe()?.display()),
                )
                // Debug information would be written and read at each run, and is not used.
                .env("CARGO_PROFILE_TEST_DEBUG", "0")
                .envs(c_tools.iter().copied())
                .envs(variables.iter().copied())
                // These would replace the flags above.
                .env_remove("RUSTFLAGS")
                .env_remove("CARGO_ENCODED_RUSTFLAGS");
            Ok(cargo)
        };
        if !cargo(&["--quiet", "--no-run"])?.status()?.success() {
            return Err(format!("the tests do not build: {build}").into());
        }
        let output = cargo(&["--", "--nocapture"])?.output()?;
        report(&output, &format!("wasm32 {build}, {place}"))?;
    }
    Ok(())
}

/// Prints the counts, or all output if a test failed. A run of no tests, or of no vectors, is a failure too.
fn report(output: &Output, what: &str) -> Result<(), Box<dyn Error>> {
    let printed = String::from_utf8_lossy(&output.stdout);
    let (mut passed, mut vectors) = (None, 0);
    for line in printed.lines().map(str::trim) {
        passed = passed.or_else(|| line.strip_prefix("test result: ok. "));
        if let Some(counted) = line.strip_prefix("conformance: wasm32 ") {
            println!("conformance: {what}: {counted}");
            vectors += 1;
        }
    }
    match passed {
        Some(passed) if output.status.success() && vectors > 0 => println!("laws: {what}: {passed}"),
        _ => {
            println!("{printed}");
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            return Err(format!("tests failed, or ran no vectors: {what}").into());
        }
    }
    Ok(())
}

/// Runs one module of tests. Cargo calls this with the path of the module.
pub(crate) fn run_module(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(arguments)
        .map_err(|error| format!("{error:#}").into())
}
