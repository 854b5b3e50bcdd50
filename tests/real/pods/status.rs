//! A pod's status as /status tells it, in the words in which stories ask.

use serde_json::Value;

/// A Pod as JSON.
#[derive(Clone, Debug)]
pub struct Status(pub Value);

impl Status {
    /// Pending, Running, …
    pub fn phase(&self) -> &str {
        self.0["status"]["phase"].as_str().unwrap_or_default()
    }

    /// The status of a container, main or init.
    pub fn container(&self, name: &str) -> &Value {
        ["containerStatuses", "initContainerStatuses"]
            .into_iter()
            .filter_map(|list| self.0["status"][list].as_array())
            .flatten()
            .find(|container| container["name"] == name)
            .unwrap_or(&Value::Null)
    }

    /// Whether a container is running.
    pub fn runs(&self, name: &str) -> bool {
        self.container(name)["state"]["running"].is_object()
    }

    /// Whether a container is ready.
    pub fn is_ready(&self, name: &str) -> bool {
        self.container(name)["ready"] == true
    }

    /// How often a container was restarted.
    pub fn restarts(&self, name: &str) -> u64 {
        self.container(name)["restartCount"]
            .as_u64()
            .unwrap_or(u64::MAX)
    }

    /// Why a container waits, or how it ended.
    pub fn reason(&self, name: &str) -> &str {
        let state = &self.container(name)["state"];
        ["waiting", "terminated"]
            .into_iter()
            .find_map(|kind| state[kind]["reason"].as_str())
            .unwrap_or_default()
    }

    /// A condition: `True`, or `False` and its reason.
    pub fn condition(&self, kind: &str) -> String {
        let list = self.0["status"]["conditions"].as_array();
        let condition = list
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == kind);
        match condition {
            None => "missing".to_owned(),
            Some(condition) => {
                let status = condition["status"].as_str().unwrap_or_default();
                let reason = condition["reason"].as_str().unwrap_or_default();
                format!("{status} {reason}").trim_end().to_owned()
            }
        }
    }
}
