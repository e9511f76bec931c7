//! What may stand at the keys of the drivers.

use super::At;
use crate::config::value::Size;
use crate::config::{Driver, Port};

/// Bytes of a page, of which the kernel allocates AF_PACKET's rings.
const PAGE: u64 = 4096;
/// Longest secret of a memif, in bytes, less the final zero.
const SECRET_MAX: usize = 23;

pub(super) fn check(port: &Port, at: &mut At<'_, '_>) {
    match port.driver {
        Driver::AfPacket => rings(port, at),
        Driver::Pcap => files(port, at),
        Driver::Memif => memif(port, at),
        Driver::Null => packet_size(port, at),
        Driver::Pci => pci(port, at),
        _ => {}
    }
}

/// The kernel wants whole pages, and DPDK whole frames without gaps between blocks.
fn rings(port: &Port, at: &mut At<'_, '_>) {
    let frame = u64::from(port.ring_frame());
    let block = port.block_size.map_or(4 * frame, |size| size.bytes());
    if block == 0 || !block.is_multiple_of(frame) || !block.is_multiple_of(PAGE) {
        let problem = format!(
            "blocks of {block} bytes do not hold whole frames of {frame} bytes and pages of {PAGE}"
        );
        let hint = format!(
            "remove it, or use a multiple of \"{}\"",
            Size::new(4 * frame)
        );
        at.error("block_size", problem, "expected a multiple of both", &hint);
        return;
    }
    let (frames, of_block) = (u64::from(port.ring_frames()), block / frame);
    if frames == 0 || !frames.is_multiple_of(of_block) {
        let problem = format!("{frames} frames do not fill whole blocks of {of_block} frames");
        let hint = format!("use a multiple of {of_block}, such as 512");
        at.error(
            "frames",
            problem,
            "expected a multiple of the block's frames",
            &hint,
        );
    }
}

fn files(port: &Port, at: &mut At<'_, '_>) {
    let (file, interface) = (
        port.rx_file.is_some() || port.tx_file.is_some(),
        port.interface.is_some(),
    );
    if file && interface {
        let problem = "a pcap port has files or an interface, not both".to_owned();
        at.error(
            "interface",
            problem,
            "expected one of the two",
            "remove this key, or rx_file and tx_file",
        );
    } else if !file && !interface {
        let problem = format!(
            "the pcap port `{}` has neither files nor an interface",
            port.name
        );
        let hint = "add rx_file = \"in.pcap\" and tx_file = \"out.pcap\", or interface = \"eth1\"";
        at.error(
            "rx_file",
            problem,
            "expected rx_file, tx_file or interface in this table",
            hint,
        );
    }
    if port.infinite == Some(true) && port.rx_file.is_none() {
        let problem = "there is no rx_file to read again and again".to_owned();
        at.error(
            "infinite",
            problem,
            "only with rx_file",
            "add rx_file, or remove this key",
        );
    }
}

fn memif(port: &Port, at: &mut At<'_, '_>) {
    if port.socket.as_ref().is_some_and(|path| !path.is_absolute()) {
        let problem = "the memif's socket is not an absolute path".to_owned();
        at.error(
            "socket",
            problem,
            "expected a path from /",
            "such as \"/run/viaduct/memif.sock\"",
        );
    }
    let legal = |secret: &String| {
        (1..=SECRET_MAX).contains(&secret.len()) && !secret.contains([',', '=', '[', ']'])
    };
    if port.secret.as_ref().is_some_and(|secret| !legal(secret)) {
        let problem = "this cannot be a memif's secret".to_owned();
        at.error(
            "secret",
            problem,
            "expected 1 to 23 bytes without , = [ and ]",
            "use another secret on both sides",
        );
    }
}

fn packet_size(port: &Port, at: &mut At<'_, '_>) {
    let largest = port.mtu.saturating_add(14);
    if port
        .packet_size
        .is_some_and(|size| !(60..=largest).contains(&size))
    {
        let problem = "a made-up packet of that size does not fit the port's MTU".to_owned();
        let expected = format!("expected 60 to {largest}");
        at.error(
            "packet_size",
            problem,
            &expected,
            "use 64, or raise the mtu",
        );
    }
}

fn pci(port: &Port, at: &mut At<'_, '_>) {
    let Some(device) = port.device.as_deref().filter(|device| !device.is_empty()) else {
        return;
    };
    if let Some((address, arguments)) = device.split_once(',') {
        let problem = format!("`{device}` is more than a PCI address");
        let hint = format!("write device = \"{address}\" and arguments = \"{arguments}\"");
        at.error("device", problem, "expected an address alone", &hint);
    } else if !is_pci_address(device) {
        let problem = format!("`{device}` is not a PCI address");
        let hint = "see `dpdk-devbind.py --status`, or `lspci -D`";
        at.error(
            "device",
            problem,
            "expected an address such as \"0000:03:00.0\"",
            hint,
        );
    }
}

/// `DDDD:BB:DD.F` or `BB:DD.F`, in hexadecimal.
fn is_pci_address(text: &str) -> bool {
    let hex = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.chars().all(|c| c.is_ascii_hexdigit())
    };
    let Some((place, function)) = text.rsplit_once('.') else {
        return false;
    };
    let parts: Vec<&str> = place.split(':').collect();
    let place = match parts[..] {
        [bus, device] => hex(bus, 2) && hex(device, 2),
        [domain, bus, device] => hex(domain, 8) && hex(bus, 2) && hex(device, 2),
        _ => false,
    };
    place && matches!(function.as_bytes(), [b'0'..=b'7'])
}
