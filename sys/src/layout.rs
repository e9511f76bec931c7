//! The layouts that Rust believes in against those that the C compiler made.

extern crate std;

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::mem::{offset_of, size_of};
use std::string::String;
use std::vec::Vec;

use crate::*;

/// Type, field ("" for the type itself), offset, size.
type Row = (&'static str, &'static str, usize, usize);

/// The size of the field that `project` points to, without a value of the struct.
fn size_behind<T, F>(_project: fn(*const T) -> *const F) -> usize {
    size_of::<F>()
}

/// Rows of one type. `field = path` where bindgen had to name an anonymous union.
macro_rules! rows {
    ($rows:ident, $ty:ident $(, $name:literal = $($path:ident).+)* $(,)?) => {
        $rows.push((stringify!($ty), "", 0, size_of::<$ty>()));
        $($rows.push((
            stringify!($ty),
            $name,
            offset_of!($ty, $($path).+),
            // SAFETY: `&raw const` computes an address; the pointer is never passed, let alone read.
            size_behind(|p: *const $ty| unsafe { &raw const (*p).$($path).+ }),
        ));)*
    };
}

fn packet_rows(rows: &mut Vec<Row>) {
    rows!(
        rows,
        rte_mbuf,
        "buf_addr" = buf_addr,
        "data_off" = data_off,
        "refcnt" = refcnt,
        "nb_segs" = nb_segs,
        "port" = port,
        "ol_flags" = ol_flags,
        "packet_type" = __bindgen_anon_1.packet_type,
        "pkt_len" = pkt_len,
        "data_len" = data_len,
        "hash.rss" = __bindgen_anon_2.hash.rss,
        "buf_len" = buf_len,
        "pool" = pool,
        "next" = next,
    );
}

fn configuration_rows(rows: &mut Vec<Row>) {
    rows!(
        rows,
        rte_eth_dev_info,
        "driver_name" = driver_name,
        "min_mtu" = min_mtu,
        "max_mtu" = max_mtu,
        "if_index" = if_index,
        "max_rx_pktlen" = max_rx_pktlen,
        "max_rx_queues" = max_rx_queues,
        "max_tx_queues" = max_tx_queues,
        "rx_offload_capa" = rx_offload_capa,
        "tx_offload_capa" = tx_offload_capa,
        "reta_size" = reta_size,
        "hash_key_size" = hash_key_size,
        "flow_type_rss_offloads" = flow_type_rss_offloads,
        "default_rxconf" = default_rxconf,
        "default_txconf" = default_txconf,
    );
    rows!(
        rows,
        rte_eth_conf,
        "rxmode" = rxmode,
        "rxmode.mq_mode" = rxmode.mq_mode,
        "rxmode.mtu" = rxmode.mtu,
        "rxmode.offloads" = rxmode.offloads,
        "txmode" = txmode,
        "txmode.offloads" = txmode.offloads,
        "rx_adv_conf.rss_conf" = rx_adv_conf.rss_conf,
    );
    rows!(
        rows,
        rte_eth_rss_conf,
        "rss_key" = rss_key,
        "rss_key_len" = rss_key_len,
        "rss_hf" = rss_hf,
    );
    rows!(rows, rte_eth_rss_reta_entry64, "mask" = mask, "reta" = reta);
    rows!(rows, rte_eth_rxconf, "offloads" = offloads);
    rows!(rows, rte_eth_txconf, "offloads" = offloads);
}

fn status_rows(rows: &mut Vec<Row>) {
    rows!(
        rows,
        rte_eth_stats,
        "ipackets" = ipackets,
        "opackets" = opackets,
        "ibytes" = ibytes,
        "obytes" = obytes,
        "imissed" = imissed,
        "ierrors" = ierrors,
        "oerrors" = oerrors,
        "rx_nombuf" = rx_nombuf,
    );
    rows!(rows, rte_eth_link, "link_speed" = link_speed);
    rows!(rows, rte_eth_xstat, "id" = id, "value" = value);
    rows!(rows, rte_eth_xstat_name, "name" = name);
    rows!(rows, rte_ether_addr, "addr_bytes" = addr_bytes);
}

type Table = BTreeMap<(String, String), (usize, usize)>;

fn rust_table() -> Table {
    let mut rows = Vec::new();
    packet_rows(&mut rows);
    configuration_rows(&mut rows);
    status_rows(&mut rows);
    rows.into_iter()
        .map(|(ty, field, offset, size)| ((ty.into(), field.into()), (offset, size)))
        .collect()
}

/// # Safety
/// `text` is null or a NUL-terminated string that lives for the program.
unsafe fn name(text: *const core::ffi::c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller guarantees the rest.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

fn c_table() -> Table {
    let mut length = 0;
    // SAFETY: writes the number of rows to a valid place and returns a static array.
    let first = unsafe { vd_layout_table(&raw mut length) };
    // SAFETY: the shim's array has `length` rows and is never written.
    let rows = unsafe { core::slice::from_raw_parts(first, length) };
    rows.iter()
        .map(|row| {
            // SAFETY: the table holds string literals and null.
            let ty = unsafe { name(row.type_) };
            // SAFETY: as above.
            let field = unsafe { name(row.field) };
            ((ty, field), (row.offset, row.size))
        })
        .collect()
}

#[test]
fn rust_and_c_agree_on_every_field() {
    let (rust, c) = (rust_table(), c_table());
    for (key, layout) in &c {
        assert_eq!(
            rust.get(key),
            Some(layout),
            "{key:?}: C has (offset, size) {layout:?}"
        );
    }
    assert_eq!(
        rust.len(),
        c.len(),
        "a field is missing from the shim's table"
    );
}

#[test]
fn the_link_status_bit_is_where_c_reads_it() {
    let mut link = rte_eth_link::default();
    link.set_link_status(1);
    // bits after a 32-bit speed: duplex, autoneg, status
    // SAFETY: the struct is 8 bytes, 8-byte aligned, without padding that was never written.
    let raw: u64 = unsafe { core::mem::transmute(link) };
    assert_eq!(raw, 1 << 34);
}

#[test]
fn flags_have_the_values_of_the_manual() {
    assert_eq!(VD_MBUF_RX_IP_CKSUM_BAD, 1 << 4);
    assert_eq!(VD_MBUF_RX_IP_CKSUM_GOOD, 1 << 7);
    assert_eq!(VD_MBUF_RX_IP_CKSUM_MASK, 1 << 4 | 1 << 7);
    assert_eq!(VD_LCORE_ID_ANY, u32::MAX);
}
