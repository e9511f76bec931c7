//! The words of service policies, the same in the configuration and in services files.

use dataplane::table::{Mode, Refusal, Removal};
use serde::Deserialize;

/// From what every IPv4 host must be able to reassemble less headers, to what fits a jumbo frame.
const SEGMENT: std::ops::RangeInclusive<u16> = 256..=9176;

/// How a [`Mode`] is written; for `#[serde(with)]`.
#[derive(Deserialize)]
#[serde(remote = "Mode", rename_all = "lowercase")]
pub enum ModeName {
    /// [`Mode::Nat`].
    Nat,
    /// [`Mode::Gateway`].
    Gateway,
    /// [`Mode::Dsr`].
    Dsr,
    /// [`Mode::Ipip`].
    Ipip,
    /// [`Mode::Gue`].
    Gue,
}

/// How a [`Refusal`] is written; for `#[serde(with)]`.
#[derive(Deserialize)]
#[serde(remote = "Refusal", rename_all = "lowercase")]
pub enum RefusalName {
    /// [`Refusal::Reset`].
    Reset,
    /// [`Refusal::Unreachable`].
    Unreachable,
    /// [`Refusal::Drop`].
    Drop,
}

/// How a [`Removal`] is written; for `#[serde(with)]`.
#[derive(Deserialize)]
#[serde(remote = "Removal", rename_all = "lowercase")]
pub enum RemovalName {
    /// [`Removal::Reset`].
    Reset,
    /// [`Removal::Keep`].
    Keep,
}

/// What of a client chooses its backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Affinity {
    /// Address and port: each flow for itself.
    #[default]
    None,
    /// The address: all flows of a client go to the same backend.
    Source,
}

/// Whether `max_segment` can have this value; 0 leaves segments as they are.
///
/// # Errors
/// What is wrong with it.
pub fn segment_size(bytes: u16) -> Result<(), String> {
    if bytes == 0 || SEGMENT.contains(&bytes) {
        return Ok(());
    }
    let (least, most) = (SEGMENT.start(), SEGMENT.end());
    Err(format!(
        "a largest segment of {bytes} bytes is out of range ({least} to {most}, or 0)"
    ))
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    fn text(name: &str) -> StrDeserializer<'_, Error> {
        name.into_deserializer()
    }

    #[test]
    fn every_choice_has_its_name() {
        for mode in Mode::ALL {
            assert_eq!(ModeName::deserialize(text(mode.name())), Ok(mode));
        }
        for refusal in Refusal::ALL {
            assert_eq!(RefusalName::deserialize(text(refusal.name())), Ok(refusal));
        }
        for removal in Removal::ALL {
            assert_eq!(RemovalName::deserialize(text(removal.name())), Ok(removal));
        }
    }

    #[test]
    fn segments_have_bounds() {
        assert!(
            [0, 256, 1460, 9176]
                .into_iter()
                .all(|n| segment_size(n).is_ok())
        );
        assert!(
            [1, 255, 9177, u16::MAX]
                .into_iter()
                .all(|n| segment_size(n).is_err())
        );
    }
}
