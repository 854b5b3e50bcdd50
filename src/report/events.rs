//! Events in the API's shape: `kind: List` of v1 Events, so that whoever can read `kubectl get events -o json` can read
//! this.

use super::journal::Event;
use super::view::{Frame, View};
use crate::plan::{ContainerId, Role};
use serde_json::Value;

/// The whole document. `resourceVersion` of the list is where a watcher goes on.
pub fn list(frame: &Frame, view: &View, since: u32) -> Value {
    let latest = view.events.iter().map(|event| event.revision).max();
    let items: Value = view
        .events
        .iter()
        .map(|event| one(frame, event))
        .collect::<Vec<Value>>()
        .into();
    object!({
        "apiVersion": "v1",
        "kind": "List",
        "metadata": object!({"resourceVersion": latest.unwrap_or(since).to_string()}),
        "items": items,
    })
}

fn one(frame: &Frame, event: &Event) -> Value {
    let mut object = object!({"apiVersion": "v1", "kind": "Pod", "name": frame.name()});
    if let Some(path) = event.about.and_then(|id| field_path(frame, id)) {
        object["fieldPath"] = path.into();
    }
    object!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": object!({
            "name": format!("{}.{:08x}", frame.name(), event.first.as_nanos() >> 10),
            "resourceVersion": event.revision.to_string(),
        }),
        "involvedObject": object,
        "type": if event.reason.is_warning() { "Warning" } else { "Normal" },
        "reason": event.reason.word(),
        "message": event.message.as_str(),
        "count": event.count,
        "firstTimestamp": frame.date(event.first),
        "lastTimestamp": frame.date(event.last),
        "source": object!({"component": "monopod"}),
    })
}

/// `spec.containers{web}`
fn field_path(frame: &Frame, id: ContainerId) -> Option<String> {
    let container = frame.pod.containers.get(id.0)?;
    let list = match container.role {
        Role::Main => "containers",
        Role::Init | Role::Sidecar => "initContainers",
    };
    Some(format!("spec.{list}{{{}}}", container.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::journal::{Journal, Reason};
    use crate::report::samples::{self, MIGRATE, at};

    #[test]
    fn an_event_has_the_apis_shape() {
        let mut journal = Journal::default();
        for second in [3, 7] {
            journal.record(at(second), Some(MIGRATE), Reason::BackOff, "rests".into());
        }
        let mut view = samples::serving();
        view.events = journal.since(0).cloned().collect();
        let list = list(&samples::frame(), &view, 0);
        assert_eq!(list["metadata"]["resourceVersion"], "2");
        let event = &list["items"][0];
        for (key, expected) in [
            ("type", "Warning"),
            ("reason", "BackOff"),
            ("message", "rests"),
            ("firstTimestamp", "2026-05-01T12:00:03Z"),
            ("lastTimestamp", "2026-05-01T12:00:07Z"),
        ] {
            assert_eq!(event[key], expected, "{event}");
        }
        assert_eq!(event["count"], 2);
        assert_eq!(
            event["involvedObject"]["fieldPath"],
            "spec.initContainers{migrate}"
        );
    }
}
