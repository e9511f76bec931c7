//! What Marathon's event bus says when one scenario becomes another, and how an event looks on
//! the wire. Pure: no clock but the caller's, no connection.

use serde_json::{Value, json};

use super::render::{VERSION, agent_id, is_healthy};
use super::scenario::{App, Scenario, Task};

/// One event of the event bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `eventType`, e.g. `status_update_event`.
    pub kind: &'static str,
    /// The whole body, with `eventType` and `timestamp`.
    pub body: Value,
}

impl Event {
    /// An event of this kind; `fields` must be an object.
    #[must_use]
    pub fn new(kind: &'static str, timestamp: &str, mut fields: Value) -> Self {
        fields["eventType"] = json!(kind);
        fields["timestamp"] = json!(timestamp);
        Self { kind, body: fields }
    }

    /// The event as a frame of the stream.
    #[must_use]
    pub fn frame(&self) -> String {
        format!("event: {}\r\ndata: {}\r\n\r\n", self.kind, self.body)
    }
}

/// The events between two scenarios, in an order that Marathon could have: tasks that end,
/// tasks that start or change, health, and the deployments that caused it.
#[must_use]
pub fn between(old: &Scenario, new: &Scenario, timestamp: &str) -> Vec<Event> {
    let mut events = Vec::new();
    for before in &old.apps {
        let after = new.apps.iter().find(|app| app.id == before.id);
        ended_tasks(before, after, timestamp, &mut events);
    }
    for after in &new.apps {
        let before = old.apps.iter().find(|app| app.id == after.id);
        changed_tasks(before, after, timestamp, &mut events);
        if before != Some(after) {
            events.push(deployment(&after.id, timestamp));
        }
    }
    events
}

fn find<'a>(app: Option<&'a App>, id: &str) -> Option<&'a Task> {
    app.and_then(|app| app.tasks.iter().find(|task| task.id == id))
}

fn ended_tasks(before: &App, after: Option<&App>, timestamp: &str, events: &mut Vec<Event>) {
    for task in &before.tasks {
        if find(after, &task.id).is_none() {
            events.push(status_update(before, task, "TASK_KILLED", timestamp));
        }
    }
    if after.is_none() {
        let fields = json!({ "appId": before.id });
        events.push(Event::new("app_terminated_event", timestamp, fields));
        events.push(deployment(&before.id, timestamp));
    }
}

fn changed_tasks(before: Option<&App>, after: &App, timestamp: &str, events: &mut Vec<Event>) {
    for task in &after.tasks {
        let old = find(before, &task.id);
        if old.is_none_or(|old| old.state != task.state) {
            events.push(status_update(after, task, &task.state, timestamp));
        }
        let health = is_healthy(after, task);
        let old_health = before.zip(old).and_then(|(app, old)| is_healthy(app, old));
        if let Some(alive) = health.filter(|_| health != old_health) {
            events.push(health_changed(after, task, alive, timestamp));
        }
    }
}

fn status_update(app: &App, task: &Task, status: &str, timestamp: &str) -> Event {
    let fields = json!({
        "slaveId": agent_id(&task.host),
        "taskId": task.id,
        "taskStatus": status,
        "message": "",
        "appId": app.id,
        "host": task.host,
        "ipAddresses": [],
        "ports": task.ports,
        "version": VERSION,
    });
    Event::new("status_update_event", timestamp, fields)
}

fn health_changed(app: &App, task: &Task, alive: bool, timestamp: &str) -> Event {
    let fields = json!({
        "appId": app.id,
        "instanceId": task.id,
        "version": VERSION,
        "alive": alive,
    });
    Event::new("health_status_changed_event", timestamp, fields)
}

fn deployment(app: &str, timestamp: &str) -> Event {
    let plan = json!({
        "id": "867ed450-f6a8-4d33-9b0e-e11c5513990b",
        "steps": [{ "actions": [{ "action": "ScaleApplication", "app": app }] }],
        "version": VERSION,
    });
    let fields = json!({ "id": plan["id"], "plan": plan });
    Event::new("deployment_success", timestamp, fields)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const NOW: &str = "2024-01-01T00:00:00.000Z";
    const AGENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 11);

    fn web() -> App {
        App::bridge("/web")
            .vip("tcp", "/web:80")
            .checked()
            .task(AGENT, 31001)
    }

    fn kinds(old: Vec<App>, new: Vec<App>) -> Vec<&'static str> {
        let events = between(&Scenario::of(old), &Scenario::of(new), NOW);
        events.iter().map(|event| event.kind).collect()
    }

    #[test]
    fn no_change_is_silent() {
        assert!(kinds(vec![web()], vec![web()]).is_empty());
    }

    #[test]
    fn a_new_task_runs_is_healthy_and_ends_a_deployment() {
        assert_eq!(
            kinds(vec![web()], vec![web().task(AGENT, 31002)]),
            [
                "status_update_event",
                "health_status_changed_event",
                "deployment_success"
            ]
        );
    }

    #[test]
    fn a_removed_task_was_killed() {
        let events = between(
            &Scenario::of(vec![web().task(AGENT, 31002)]),
            &Scenario::of(vec![web()]),
            NOW,
        );
        assert_eq!(events[0].kind, "status_update_event");
        assert_eq!(events[0].body["taskStatus"], "TASK_KILLED");
        assert_eq!(events[0].body["taskId"], "web.instance-11-31002");
        assert_eq!(events[0].body["timestamp"], NOW);
    }

    #[test]
    fn a_failed_check_changes_health_only() {
        let mut sick = web();
        sick.tasks[0].health = vec![false];
        let events = between(&Scenario::of(vec![web()]), &Scenario::of(vec![sick]), NOW);
        assert_eq!(events[0].kind, "health_status_changed_event");
        assert_eq!(events[0].body["alive"], false);
    }

    #[test]
    fn a_removed_app_terminates() {
        assert_eq!(
            kinds(vec![web()], vec![]),
            [
                "status_update_event",
                "app_terminated_event",
                "deployment_success"
            ]
        );
    }

    #[test]
    fn a_frame_is_two_lines_and_a_blank_one_with_crlf() {
        let frame = Event::new("x", NOW, json!({})).frame();
        assert_eq!(
            frame,
            format!("event: x\r\ndata: {{\"eventType\":\"x\",\"timestamp\":\"{NOW}\"}}\r\n\r\n")
        );
    }
}
