//! Bindings to DPDK and a burst-level C shim. No policy.
//!
//! bindgen reads the headers of the DPDK that is linked, through an allow-list (`build.rs`); the
//! shim (`shim/`) exports, one call per burst, the functions that DPDK only has inline. Safe
//! wrappers live in the `dataplane` crate, which is the only user.
//!
//! The packet path reads fields of `rte_mbuf` in Rust, so a wrong layout would be memory corruption.
//! It is checked twice: bindgen's assertions on libclang's view fail the build, and a unit test
//! compares every field that Rust touches with the C compiler's own `offsetof` and `sizeof`.
#![no_std]

#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unnameable_types,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    rustdoc::all,
    reason = "generated"
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use bindings::*;

/// The packet path's fields, all in the first cache line that the driver has just written: reading
/// the second one costs a miss per packet.
const _: () = {
    const CACHE_LINE: usize = 64;
    assert!(core::mem::offset_of!(rte_mbuf, buf_addr) < CACHE_LINE);
    assert!(core::mem::offset_of!(rte_mbuf, data_off) < CACHE_LINE);
    assert!(core::mem::offset_of!(rte_mbuf, refcnt) < CACHE_LINE);
    assert!(core::mem::offset_of!(rte_mbuf, nb_segs) < CACHE_LINE);
    assert!(core::mem::offset_of!(rte_mbuf, ol_flags) < CACHE_LINE);
    assert!(core::mem::offset_of!(rte_mbuf, pkt_len) < CACHE_LINE);
    assert!(core::mem::offset_of!(rte_mbuf, data_len) < CACHE_LINE);
    assert!(core::mem::offset_of!(rte_mbuf, buf_len) < CACHE_LINE);
    assert!(core::mem::offset_of!(rte_mbuf, pool) < CACHE_LINE);
};

#[cfg(test)]
mod layout;
