//! Captured packets in the format pcapng (draft-ietf-opsawg-pcapng): an interface for each port and
//! one for what comes from other workers, and a comment for each packet.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use dataplane::inspect::{Point, Sample};
use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{Block, PcapNgBlock};
use pcap_file::{Endianness, PcapResult};

use super::record::Record;

/// Timestamps are in units of 10^-9 s.
const NANOSECONDS: u8 = 9;
/// Name of the interface for packets that another worker has handed over.
const INBOX: &str = "(other worker)";
/// Direction bits of a packet's flags (section 4.3.1).
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// Writes into memory, from which it is sent on piece by piece.
pub(super) struct Pcapng {
    writer: PcapNgWriter<Vec<u8>>,
    ports: usize,
}

impl Pcapng {
    /// The beginning of a capture on these ports.
    pub(super) fn begin(ports: &[String], snaplen: u32) -> PcapResult<Self> {
        let application = format!("viaduct {}", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            endianness: Endianness::native(),
            options: vec![SectionHeaderOption::UserApplication(application.into())],
            ..SectionHeaderBlock::default()
        };
        let mut writer = PcapNgWriter::with_section_header(Vec::new(), section)?;
        let names = ports.iter().map(String::as_str).chain([INBOX]);
        for name in names {
            writer.write_pcapng_block(InterfaceDescriptionBlock {
                linktype: DataLink::ETHERNET,
                snaplen,
                options: vec![
                    InterfaceDescriptionOption::IfName(name.into()),
                    InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
                ],
            })?;
        }
        Ok(Self {
            writer,
            ports: ports.len(),
        })
    }

    /// Adds a packet.
    pub(super) fn add(&mut self, sample: &Sample, record: &Record) {
        let time = sample.time.duration_since(UNIX_EPOCH);
        let flags = match sample.point {
            Point::Tx => OUTBOUND,
            Point::Rx | Point::Drop | Point::Punt => INBOUND,
        };
        let block = EnhancedPacketBlock {
            interface_id: sample.port.unwrap_or(self.ports) as u32,
            timestamp: time.unwrap_or(Duration::ZERO),
            original_len: sample.len as u32,
            data: Cow::Borrowed(&sample.bytes),
            options: vec![
                EnhancedPacketOption::Comment(record.comment().into()),
                EnhancedPacketOption::Flags(flags),
            ],
        };
        self.write(&block.into_block());
    }

    /// Says at the end how many packets are missing.
    pub(super) fn end(&mut self, lost: u64) {
        let block = InterfaceStatisticsBlock {
            interface_id: 0,
            // Of the end of the capture; the packets have their own.
            timestamp: 0,
            options: vec![InterfaceStatisticsOption::IsbIfDrop(lost)],
        };
        self.write(&block.into_block());
    }

    fn write(&mut self, block: &Block<'_>) {
        let written = self.writer.write_block(block);
        written.expect("memory takes everything, and the interfaces are known");
    }

    /// Takes what has been written since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.get_mut())
    }

    /// Bytes that [`Self::take`] would give.
    pub(super) fn len(&self) -> usize {
        self.writer.get_ref().len()
    }
}
