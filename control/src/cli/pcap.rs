//! A packet of a pcap or pcapng file, as hexadecimal digits.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};

/// What pcapng files begin with: the type of a section header, the same in both byte orders.
const PCAPNG: &[u8] = &[0x0a, 0x0d, 0x0d, 0x0a];

/// There is no such packet.
#[derive(Debug, thiserror::Error)]
pub(super) enum PcapError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{} is not a pcap or pcapng file of Ethernet frames: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It has fewer packets.
    #[error("{} has no packet {number}; they count from 1", path.display())]
    Number {
        /// The file.
        path: PathBuf,
        /// The packet that was asked for.
        number: usize,
    },
}

/// The packet of this number, from 1.
pub(super) fn frame(path: &Path, number: usize) -> Result<String, PcapError> {
    let bytes = fs::read(path).map_err(|source| PcapError::File {
        path: path.to_owned(),
        source,
    })?;
    let found = match bytes.starts_with(PCAPNG) {
        true => of_pcapng(&bytes, number),
        false => of_pcap(&bytes, number),
    };
    let found = found.map_err(|reason| PcapError::Format {
        path: path.to_owned(),
        reason,
    })?;
    let frame = found.ok_or_else(|| PcapError::Number {
        path: path.to_owned(),
        number,
    })?;
    Ok(frame.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn of_pcap(bytes: &[u8], number: usize) -> Result<Option<Vec<u8>>, String> {
    let mut reader = PcapReader::new(bytes).map_err(|error| error.to_string())?;
    check(reader.header().datalink)?;
    let mut seen = 0;
    while let Some(packet) = reader.next_packet() {
        let packet = packet.map_err(|error| error.to_string())?;
        seen += 1;
        if seen == number {
            return Ok(Some(packet.data.into_owned()));
        }
    }
    Ok(None)
}

fn of_pcapng(bytes: &[u8], number: usize) -> Result<Option<Vec<u8>>, String> {
    let mut reader = PcapNgReader::new(bytes).map_err(|error| error.to_string())?;
    let mut seen = 0;
    while let Some(block) = reader.next_block() {
        let data = match block.map_err(|error| error.to_string())? {
            Block::InterfaceDescription(interface) => {
                check(interface.linktype)?;
                continue;
            }
            Block::EnhancedPacket(packet) => packet.data,
            Block::SimplePacket(packet) => packet.data,
            _ => continue,
        };
        seen += 1;
        if seen == number {
            return Ok(Some(data.into_owned()));
        }
    }
    Ok(None)
}

fn check(link: DataLink) -> Result<(), String> {
    match link {
        DataLink::ETHERNET => Ok(()),
        other => Err(format!("its link type is {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pcap_file::pcap::{PcapPacket, PcapWriter};
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
    use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;
    use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter};
    use tempfile::TempDir;

    use super::*;

    fn write(bytes: &[u8]) -> (TempDir, PathBuf) {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("capture");
        fs::write(&path, bytes).expect("writes");
        (directory, path)
    }

    fn pcap() -> Vec<u8> {
        let mut writer = PcapWriter::new(Vec::new()).expect("memory");
        for data in [[0x11; 20], [0xab; 20]] {
            let packet = PcapPacket::new(Duration::ZERO, 20, &data);
            writer.write_packet(&packet).expect("memory");
        }
        writer.into_writer()
    }

    fn pcapng() -> Vec<u8> {
        let mut writer = PcapNgWriter::new(Vec::new()).expect("memory");
        let interface = InterfaceDescriptionBlock::new(DataLink::ETHERNET, 100);
        writer.write_block(&interface.into_block()).expect("memory");
        for data in [[0x11; 20], [0xab; 20]] {
            let packet = EnhancedPacketBlock {
                interface_id: 0,
                timestamp: Duration::ZERO,
                original_len: 20,
                data: data.to_vec().into(),
                options: vec![],
            };
            writer.write_block(&packet.into_block()).expect("memory");
        }
        writer.into_inner()
    }

    #[test]
    fn packets_of_both_formats_are_found_by_number() {
        for bytes in [pcap(), pcapng()] {
            let (_directory, path) = write(&bytes);
            assert_eq!(frame(&path, 1).expect("the first"), "11".repeat(20));
            assert_eq!(frame(&path, 2).expect("the second"), "ab".repeat(20));
            for number in [0, 3] {
                let error = frame(&path, number).expect_err("none").to_string();
                assert!(error.contains(&format!("no packet {number}")), "{error}");
            }
        }
    }

    #[test]
    fn what_is_no_capture_is_named() {
        let (_directory, path) = write(b"not a capture");
        let error = frame(&path, 1).expect_err("text").to_string();
        assert!(error.contains("is not a pcap or pcapng file"), "{error}");
        let missing = Path::new("/nonexistent/x.pcap");
        let error = frame(missing, 1).expect_err("missing").to_string();
        assert!(error.contains("cannot read /nonexistent/x.pcap"), "{error}");
    }
}
