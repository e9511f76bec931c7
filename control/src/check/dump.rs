//! Frames as a capture file: pcap, as every tool reads it.

use std::io;
use std::path::Path;

/// Microsecond timestamps, in this machine's byte order.
const MAGIC: u32 = 0xa1b2_c3d4;
const VERSION: [u16; 2] = [2, 4];
const LONGEST: u32 = 1 << 16;
/// LINKTYPE_ETHERNET.
const ETHERNET: u32 = 1;

/// Writes frames, in order, all at time 0.
pub(super) fn write(path: &Path, frames: &[(usize, Vec<u8>)]) -> io::Result<()> {
    let mut file = Vec::new();
    file.extend(MAGIC.to_ne_bytes());
    file.extend(VERSION.iter().flat_map(|word| word.to_ne_bytes()));
    file.extend(
        [0, 0, LONGEST, ETHERNET]
            .iter()
            .flat_map(|word| u32::to_ne_bytes(*word)),
    );
    for (_, frame) in frames {
        let len = frame.len() as u32;
        file.extend(
            [0, 0, len, len]
                .iter()
                .flat_map(|word| u32::to_ne_bytes(*word)),
        );
        file.extend(frame);
    }
    std::fs::write(path, file)
}
