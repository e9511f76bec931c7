//! Which tasks may have traffic, and how much of it.
//!
//! * Only running tasks count: `TASK_RUNNING`, or no state at all but a start (before Marathon
//!   reported states).
//! * `TASK_KILLING` is weight 0: its connections go on, it gets no new ones.
//! * With health checks, a task gets traffic (weight 1) only when every check has said that it is
//!   alive. A check that says otherwise makes the weight 0, and so does one that has not spoken:
//!   such a task has no connections yet, so listing it with weight 0 sends it nothing.
//! * After Marathon's leader has changed, the results are gone until the checks have run again.
//!   A task that was healthy in the read before stays so until a check speaks against it.

use std::collections::BTreeSet;

use super::model::{App, Task};

/// Ids of tasks with health checks that were found healthy.
pub(super) type Healthy = BTreeSet<String>;

/// The weight of `task`; `None` if it is not listed at all.
pub(super) fn weight(app: &App, task: &Task, before: &Healthy) -> Option<u16> {
    match task.state.as_deref() {
        Some("TASK_KILLING") => Some(0),
        Some("TASK_RUNNING") => Some(u16::from(is_healthy(app, task, before))),
        None if has_started(task) => Some(u16::from(is_healthy(app, task, before))),
        _ => None,
    }
}

/// The tasks of `app` that a later read without results should still hold healthy.
pub(super) fn healthy<'a>(app: &'a App, before: &'a Healthy) -> impl Iterator<Item = String> + 'a {
    let checked = app.tasks.iter().filter(|_| !app.health_checks.is_empty());
    checked
        .filter(|task| is_healthy(app, task, before))
        .map(|task| task.id.clone())
}

fn has_started(task: &Task) -> bool {
    task.started_at.as_deref().is_some_and(|at| !at.is_empty())
}

fn is_healthy(app: &App, task: &Task, before: &Healthy) -> bool {
    let verdicts: Vec<bool> = task
        .health_check_results
        .iter()
        .filter_map(|result| result.alive)
        .collect();
    let all_spoke = verdicts.len() >= app.health_checks.len();
    let known = !task.id.is_empty() && before.contains(&task.id);
    (all_spoke || known) && verdicts.iter().all(|alive| *alive) || app.health_checks.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::model;
    use super::*;

    fn judge(checks: usize, task: &Value, before: &Healthy) -> Option<u16> {
        let app = json!({"healthChecks": vec![json!({}); checks], "tasks": [task]});
        let app = model::app(&app).expect("an object");
        weight(&app, &app.tasks[0], before)
    }

    fn running(results: &Value) -> Value {
        json!({"id": "t", "state": "TASK_RUNNING", "healthCheckResults": results})
    }

    #[test]
    fn only_running_and_dying_tasks_are_listed() {
        let none = Healthy::new();
        let weight = |task| judge(0, &task, &none);
        assert_eq!(weight(json!({"state": "TASK_RUNNING"})), Some(1));
        assert_eq!(
            weight(json!({"startedAt": "2016-02-01T22:14:03.432Z"})),
            Some(1)
        );
        assert_eq!(
            weight(json!({"state": "TASK_KILLING", "startedAt": "x"})),
            Some(0)
        );
        for state in [
            "TASK_STAGING",
            "TASK_STARTING",
            "TASK_LOST",
            "TASK_UNREACHABLE",
            "TASK_FINISHED",
            "",
        ] {
            assert_eq!(
                weight(json!({"state": state, "startedAt": "x"})),
                None,
                "{state}"
            );
        }
        assert_eq!(weight(json!({"stagedAt": "x", "startedAt": null})), None);
    }

    #[test]
    fn every_check_must_say_that_the_task_is_alive() {
        let none = Healthy::new();
        let (up, down) = (json!({"alive": true}), json!({"alive": false}));
        assert_eq!(judge(1, &running(&json!([up])), &none), Some(1));
        assert_eq!(judge(2, &running(&json!([up])), &none), Some(0));
        assert_eq!(judge(2, &running(&json!([up, up])), &none), Some(1));
        assert_eq!(judge(2, &running(&json!([up, down])), &none), Some(0));
        for missing in [
            json!([]),
            json!(null),
            json!([null]),
            json!([{"alive": null}]),
        ] {
            assert_eq!(judge(1, &running(&missing), &none), Some(0), "{missing}");
        }
    }

    #[test]
    fn a_healthy_task_stays_healthy_while_results_are_missing() {
        let before = Healthy::from(["t".to_owned()]);
        assert_eq!(judge(1, &running(&json!([])), &before), Some(1));
        assert_eq!(
            judge(2, &running(&json!([{"alive": true}])), &before),
            Some(1)
        );
        assert_eq!(
            judge(2, &running(&json!([{"alive": false}])), &before),
            Some(0)
        );
    }

    #[test]
    fn results_of_checks_that_the_app_no_longer_has_do_not_count() {
        assert_eq!(
            judge(0, &running(&json!([{"alive": false}])), &Healthy::new()),
            Some(1)
        );
    }
}
