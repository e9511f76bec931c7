//! Where fuzzing begins: the packet suite's cases, and valid files.

use std::io;
use std::path::Path;

use control::check::{Case, Pattern, Step, Suite};

use crate::pipeline::{SETUPS, SUITES};

const CONFIGURATION: &str = include_str!("../../docs/viaduct.toml");

const SERVICES: &str = "\
    [[service]]\nname = \"web\"\nframework = \"static\"\nport = 80\nprotocol = \"udp,tcp\"\n\
    backends = [\"10.0.0.11:8080\", { address = \"10.0.0.12:8080\", weight = 0 }]\n\
    [[service]]\naddress = \"fd00::1\"\nport = 53\nprotocol = \"udp\"\nbackends = [\"[fd00::11]:53\"]\n";

/// All seeds of a target, by its name.
#[must_use]
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let cases = || {
        SUITES
            .iter()
            .flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)))
    };
    match target {
        "parse" => cases().flat_map(|(_, case)| frames(case)).collect(),
        "pipeline" => cases()
            .filter_map(|(suite, case)| sequence(suite, case))
            .collect(),
        "services-file" => vec![SERVICES.into()],
        "config" => vec![CONFIGURATION.into()],
        _ => Vec::new(),
    }
}

/// Frames longer than this only differ in how much of the same they carry.
const LONGEST: usize = 2000;

fn frame(step: &Step) -> Option<Vec<u8>> {
    step.frame
        .as_ref()
        .and_then(Pattern::bytes)
        .filter(|bytes| bytes.len() <= LONGEST)
}

fn frames(case: &Case) -> impl Iterator<Item = Vec<u8>> {
    case.step.iter().filter_map(frame)
}

fn number(suite: &Suite, setup: &str) -> Option<u8> {
    let name = format!("{}/{setup}", suite.name);
    let number = SETUPS.iter().position(|&known| known == name)?;
    u8::try_from(number).ok()
}

/// A case as [`crate::pipeline`] reads it. `None` for setups that it does not know.
fn sequence(suite: &Suite, case: &Case) -> Option<Vec<u8>> {
    let mut bytes = vec![number(suite, &case.setup)?];
    for step in &case.step {
        if let Some(setup) = &step.publish {
            bytes.extend([3, number(suite, setup)?]);
        }
        if let Some(period) = step.advance {
            let ticks = period.get().as_millis() / 100;
            bytes.extend([2, ticks.min(255) as u8]);
        }
        if let Some(frame) = frame(step) {
            let flags = step.worker as u8 & 1 | (step.port as u8 & 1) << 1;
            bytes.extend([0, flags]);
            bytes.extend((frame.len() as u16).to_be_bytes());
            bytes.extend(frame);
        }
    }
    Some(bytes)
}

/// Writes all seeds into `<folder>/<target>/`.
///
/// # Errors
/// A folder cannot be made or a file not be written.
pub fn write(folder: &Path) -> io::Result<()> {
    for target in crate::TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in of(target.name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
    }
    Ok(())
}
