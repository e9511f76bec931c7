//! Checks of `[workers]` and `[control]` against each other and against the machine's CPUs.

use super::Notes;
use crate::config::Config;

pub(super) fn check(config: &Config, cpus: &[usize], notes: &mut Notes<'_>) {
    for (index, core) in config.workers.cores.as_slice().iter().enumerate() {
        let path = format!("workers.cores.{index}");
        exists(*core, &path, cpus, notes);
        shared(config, index, &path, notes);
    }
    exists(config.control.core, "control.core", cpus, notes);
}

fn exists(core: usize, path: &str, cpus: &[usize], notes: &mut Notes<'_>) {
    if cpus.contains(&core) {
        return;
    }
    let list: Vec<_> = cpus.iter().map(ToString::to_string).collect();
    notes.error(
        path,
        format!("this machine has no CPU {core}"),
        "expected a CPU of this machine",
        format!("its CPUs are {}", list.join(", ")),
    );
}

fn shared(config: &Config, index: usize, path: &str, notes: &mut Notes<'_>) {
    let cores = config.workers.cores.as_slice();
    let core = cores[index];
    let with = if cores[..index].contains(&core) {
        "another worker"
    } else if core == config.control.core {
        "the control thread"
    } else {
        return;
    };
    notes.warning(
        path,
        format!("the worker on CPU {core} shares it with {with}"),
        "expected a CPU of its own",
        "give every worker its own CPU; sharing is only for trials",
    );
}
