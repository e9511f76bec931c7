//! VLAN identifiers (IEEE 802.1Q): 1 to 4094.

use std::fmt;

use serde::Deserialize;

use super::ValueError;

/// A VLAN identifier; 0 and 4095 are reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct VlanId(u16);

impl VlanId {
    /// The number, 1 to 4094.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<i64> for VlanId {
    type Error = ValueError;

    fn try_from(number: i64) -> Result<Self, ValueError> {
        match u16::try_from(number) {
            Ok(id @ 1..=4094) => Ok(Self(id)),
            _ => Err(ValueError::new(
                format_args!("`{number}` is not a VLAN identifier"),
                "a number from 1 to 4094",
            )),
        }
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_identifiers_are_refused() {
        assert_eq!(VlanId::try_from(1).map(VlanId::get), Ok(1));
        assert_eq!(VlanId::try_from(4094).map(VlanId::get), Ok(4094));
        for number in [-1, 0, 4095, 70_000] {
            VlanId::try_from(number).expect_err("reserved or out of range");
        }
    }
}
