//! Whatever arrives, each packet has one end.

use proptest::prelude::*;

use super::*;

/// A packet that gets far: a good one with a few bytes changed.
fn damaged_packet() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![
        (4000u16..4008, "[SAFR]{1,2}").prop_map(|(port, flags)| tcp(
            client(port),
            vip(80),
            &flags,
            b"data"
        )),
        (4000u16..4008).prop_map(|port| udp(client(port), vip(80), b"data")),
        (1024u16..1032).prop_map(|port| udp(
            (backend_mac(1), backend_address(1)),
            (OURS, (SNAT, port).into()),
            b""
        )),
        prop::collection::vec(any::<u8>(), 0..80),
    ];
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (whole, damage, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(mut bytes, damage, cut, whole)| {
            for (at, value) in damage {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = value;
                }
            }
            if !whole {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            bytes
        },
    )
}

proptest! {
    /// Whatever arrives, at whichever worker, each packet has one end and no frame is lost.
    #[test]
    fn each_packet_is_accounted_for(
        packets in prop::collection::vec((0usize..2, damaged_packet()), 1..60), waits in prop::collection::vec(0u32..40, 60),
    ) {
        let mut rig = rig(2, None);
        rig.strict = false;
        let count = packets.len();
        let mut sent = 0;
        for ((worker, bytes), wait) in packets.into_iter().zip(waits) {
            rig.put(worker, &bytes);
            rig.now = rig.now.after(TickSpan(wait));
            sent += rig.run().len();
        }
        for worker in &mut rig.workers {
            worker.finish();
        }
        rig.check_accounts();
        let originated: u64 = rig.counters.iter().map(|c| c.originated.get()).sum();
        let sent = sent + rig.announced.len();
        prop_assert_eq!(sent as u64 + rig.wire.borrow().discarded as u64, count as u64 + originated);
    }
}
