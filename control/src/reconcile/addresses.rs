//! Viaduct's own addresses: read with the status, and logged when another station claims one.

use dataplane::runtime::OwnAddress;
use tracing::{info, warn};

use crate::status::AddressStatus;

/// What was last known of them.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    known: Vec<OwnAddress>,
}

impl Addresses {
    /// Reports what has changed, and says how they are.
    pub(super) fn adopt(&mut self, now: Vec<OwnAddress>) -> Vec<AddressStatus> {
        for (place, own) in now.iter().enumerate() {
            report(change(self.known.get(place), own), own);
        }
        let status = now.iter().map(status).collect();
        self.known = now;
        status
    }
}

/// What has happened to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    /// It turned out to be somebody else's.
    Duplicate,
    /// It was somebody else's, and is free now.
    Free,
    /// Somebody claims it while it is in use.
    Claimed,
}

fn change(before: Option<&OwnAddress>, now: &OwnAddress) -> Change {
    let was_duplicate = before.is_some_and(|own| own.is_duplicate);
    let conflicts = before.map_or(0, |own| own.conflicts);
    match (was_duplicate, now.is_duplicate) {
        (false, true) => Change::Duplicate,
        (true, false) => Change::Free,
        (false, false) if now.conflicts > conflicts => Change::Claimed,
        _ => Change::Nothing,
    }
}

fn report(change: Change, own: &OwnAddress) {
    let OwnAddress { port, address, .. } = own;
    match change {
        Change::Nothing => {}
        Change::Duplicate => warn!(
            port,
            %address,
            "another station has this address: Viaduct does not answer for it; take it from one of them"
        ),
        Change::Free => info!(port, %address, "no other station has this address any more"),
        Change::Claimed => warn!(
            port,
            %address,
            "another station claims this address, which Viaduct uses and keeps: take it from one of them"
        ),
    }
}

fn status(own: &OwnAddress) -> AddressStatus {
    AddressStatus {
        port: own.port.clone(),
        vlan: own.vlan,
        address: own.address.to_string(),
        duplicate: own.is_duplicate,
        conflicts_total: own.conflicts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(conflicts: u64, is_duplicate: bool) -> OwnAddress {
        OwnAddress {
            port: "fabric".to_owned(),
            vlan: Some(7),
            address: [10, 99, 0, 2].into(),
            conflicts,
            is_duplicate,
        }
    }

    #[test]
    fn each_change_is_told_once() {
        let ours = own(0, false);
        assert_eq!(change(None, &ours), Change::Nothing);
        assert_eq!(change(None, &own(1, true)), Change::Duplicate);
        assert_eq!(change(Some(&own(1, true)), &own(5, true)), Change::Nothing);
        assert_eq!(change(Some(&own(5, true)), &own(5, false)), Change::Free);
        assert_eq!(change(Some(&ours), &own(1, false)), Change::Claimed);
        assert_eq!(
            change(Some(&own(1, false)), &own(1, false)),
            Change::Nothing
        );
    }

    #[test]
    fn the_status_names_the_address() {
        let status = Addresses::default().adopt(vec![own(2, true)]);
        let expected = AddressStatus {
            port: "fabric".to_owned(),
            vlan: Some(7),
            address: "10.99.0.2".to_owned(),
            duplicate: true,
            conflicts_total: 2,
        };
        assert_eq!(status, [expected]);
    }
}
