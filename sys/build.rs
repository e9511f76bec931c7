//! Finds DPDK, compiles the shim and generates the bindings.
//!
//! Everything that can be missing on a fresh machine is an error that names the Debian
//! packages to install. Linking is shared: with static archives the poll-mode drivers' constructors
//! are dropped by the linker, and no port ever comes up.

use std::env;
use std::fmt;
use std::panic;
use std::path::PathBuf;
use std::process::Command;

const MINIMUM: &str = "22.11";
const PACKAGES: &str = "on Debian 12: apt-get install libdpdk-dev libclang-dev clang pkg-config";

/// A message for whoever builds; `Debug` because that is what cargo prints when `main` returns it.
struct BuildError(String);

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dpdk-sys: {}\n  {PACKAGES}", self.0)
    }
}

fn main() -> Result<(), BuildError> {
    for path in ["build.rs", "shim/shim.h", "shim/shim.c"] {
        say(&format!("rerun-if-changed={path}"));
    }
    let flags = discover()?;
    compile_shim(&flags)?;
    check_libclang()?;
    generate_bindings(&flags)
}

/// Tells cargo something.
#[allow(
    clippy::print_stdout,
    reason = "standard output is how a build script talks to cargo"
)]
fn say(directive: &str) {
    println!("cargo:{directive}");
}

/// Emits the link directives and returns the C flags. The pkg-config crate keeps only include
/// paths and defines; DPDK's headers also need `-include rte_config.h` and the `-march` that
/// the library was built for, so the tool is asked itself.
fn discover() -> Result<Vec<String>, BuildError> {
    pkg_config::Config::new()
        .atleast_version(MINIMUM)
        .probe("libdpdk")
        .map_err(|error| {
            BuildError(format!(
                "no DPDK >= {MINIMUM} found by pkg-config (set PKG_CONFIG_PATH if it is in an unusual place)\n{error}"
            ))
        })?;
    let tool = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let output = Command::new(&tool)
        .args(["--cflags", "libdpdk"])
        .output()
        .map_err(|error| BuildError(format!("cannot run `{tool}`: {error}")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(BuildError(format!("`{tool} --cflags libdpdk`: {text}")));
    }
    let flags = String::from_utf8_lossy(&output.stdout);
    Ok(flags.split_whitespace().map(str::to_owned).collect())
}

fn compile_shim(flags: &[String]) -> Result<(), BuildError> {
    let mut build = cc::Build::new();
    build.file("shim/shim.c").warnings(true).opt_level(3);
    for flag in flags {
        build.flag(flag);
    }
    build
        .try_compile("vd_shim")
        .map_err(|error| BuildError(format!("the C shim does not compile: {error}")))
}

/// bindgen loads libclang at run time and panics without it; turn that into an explanation.
fn check_libclang() -> Result<(), BuildError> {
    say("rerun-if-env-changed=LIBCLANG_PATH");
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let found = panic::catch_unwind(bindgen::clang_version);
    panic::set_hook(hook);
    if found.is_ok() {
        return Ok(());
    }
    let advice = match env::var("LIBCLANG_PATH") {
        Ok(path) => format!("LIBCLANG_PATH is {path:?}, but no usable libclang.so is there; unset it or correct it"),
        Err(_) => "set LIBCLANG_PATH to the directory of libclang.so, as in LIBCLANG_PATH=/usr/lib/llvm-14/lib".into(),
    };
    Err(BuildError(format!(
        "libclang, which reads DPDK's headers, cannot be loaded.\n  {advice}"
    )))
}

fn generate_bindings(flags: &[String]) -> Result<(), BuildError> {
    let mut builder = bindgen::Builder::default()
        .header("shim/shim.h")
        .clang_args(flags)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .use_core()
        .generate_comments(false)
        .derive_default(true)
        .merge_extern_blocks(true)
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()));
    for function in FUNCTIONS {
        builder = builder.allowlist_function(function);
    }
    for item in VARIABLES {
        builder = builder.allowlist_var(item);
    }
    for item in OPAQUE {
        builder = builder.opaque_type(item);
    }
    let bindings = builder
        .generate()
        .map_err(|error| BuildError(format!("bindgen cannot read DPDK's headers: {error}")))?;
    let out = env::var("OUT_DIR").map_err(|error| BuildError(format!("OUT_DIR: {error}")))?;
    let path = PathBuf::from(out).join("bindings.rs");
    bindings
        .write_to_file(&path)
        .map_err(|error| BuildError(format!("cannot write {}: {error}", path.display())))
}

/// What the data plane calls; a type comes along when a function needs it.
const FUNCTIONS: &[&str] = &[
    "vd_.*",
    // EAL
    "rte_eal_init",
    "rte_eal_cleanup",
    "rte_eal_hotplug_add",
    "rte_eal_get_runtime_dir",
    "rte_strerror",
    "rte_version",
    "rte_log_set_global_level",
    "rte_get_tsc_hz",
    "rte_thread_register",
    "rte_thread_unregister",
    // ethdev
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_get_name_by_port",
    "rte_eth_find_next",
    "rte_eth_dev_socket_id",
    "rte_eth_dev_info_get",
    "rte_eth_dev_configure",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_rx_queue_setup",
    "rte_eth_tx_queue_setup",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_dev_close",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_get_mtu",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_enable",
    "rte_eth_promiscuous_disable",
    "rte_eth_allmulticast_enable",
    "rte_eth_link_get_nowait",
    "rte_eth_stats_get",
    "rte_eth_xstats_get",
    "rte_eth_xstats_get_names",
    "rte_eth_dev_rss_hash_conf_get",
    "rte_eth_dev_rss_hash_update",
    "rte_eth_dev_rss_reta_query",
    "rte_eth_dev_rss_reta_update",
    // memory
    "rte_pktmbuf_pool_create",
    "rte_mempool_avail_count",
    "rte_ring_create",
    "rte_ring_free",
];

const VARIABLES: &[&str] = &[
    "VD_.*",
    "RTE_PKTMBUF_HEADROOM",
    "RTE_MEMPOOL_CACHE_MAX_SIZE",
    "RTE_MAX_LCORE",
    "RTE_MAX_ETHPORTS",
    "RTE_ETH_NAME_MAX_LEN",
    "RTE_ETH_RETA_GROUP_SIZE",
    "RTE_ETHER_HDR_LEN",
    "RTE_ETHER_CRC_LEN",
    "RTE_VLAN_HLEN",
    "RING_F_.*",
    "RTE_LOG_WARNING",
];

/// Types whose insides belong to DPDK.
const OPAQUE: &[&str] = &["rte_mempool", "rte_ring", "rte_device"];
