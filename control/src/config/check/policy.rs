//! Checks of `[services]` and `[tunnels]`.

use super::Notes;
use crate::config::Config;
use crate::config::value::{Prefix, segment_size};

pub(super) fn check(config: &Config, notes: &mut Notes<'_>) {
    let services = &config.services;
    if let Err(problem) = segment_size(services.max_segment) {
        notes.error(
            "services.max_segment",
            problem,
            "expected a number of bytes",
            "use what fits the path less 40 bytes of headers, or 60 for IPv6; 1460 for Ethernet",
        );
    }
    both(&services.allow, &services.deny, notes);
    if config.tunnels.gue_port == 0 {
        notes.error(
            "tunnels.gue_port",
            "no packet can be sent to port 0".to_owned(),
            "expected 1 to 65535",
            "use 6080, or the port that the backends listen on",
        );
    }
}

/// A prefix in both lists is denied, which whoever allowed it did not mean.
fn both(allow: &[Prefix], deny: &[Prefix], notes: &mut Notes<'_>) {
    for (index, prefix) in allow.iter().enumerate() {
        if deny.contains(prefix) {
            notes.warning(
                &format!("services.allow.{index}"),
                format!("{prefix} is denied, too, and denial wins"),
                "expected a prefix that is not in services.deny",
                "remove it from one of the two lists",
            );
        }
    }
}
