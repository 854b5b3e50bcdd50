//! Data to words: what is said to people, to whoever asks for health, and to machines that read a status. Pure; no I/O
//! but the log's front.
//!
//! | who reads | files |
//! |---|---|
//! | the log | [`words`], [`pod_words`] |
//! | a kubelet, Docker, a load balancer | [`health`] |
//! | programs that know the API | [`podstatus`], [`podspec`], [`events`] |
//! | Prometheus | [`metrics`] |
//! | a person with a browser | [`page`], [`timeline`] |
//! | a person with a terminal | [`table`], [`describe`], [`yaml`]: made from the JSON, by the client |
//!
//! [`chronicle`], [`journal`] and [`tally`] are the core's memory of what a status does not hold; [`view`] is what the
//! helper has to show.

/// `serde_json::json!` for an object whose values can become a `Value`. That one serializes and unwraps each of them on
/// the spot, which is 300 bytes of code a field.
macro_rules! object {
    ({ $($key:literal: $value:expr),* $(,)? }) => {
        crate::report::object_of(&mut [$(($key, serde_json::Value::from($value))),*])
    };
}

pub mod chronicle;
pub mod describe;
pub mod event_words;
pub mod events;
pub mod health;
pub mod journal;
pub mod metrics;
pub mod page;
pub mod plan_words;
pub mod pod_words;
pub mod podspec;
pub mod podstatus;
pub mod route;
#[cfg(test)]
#[path = "samples_for_tests.rs"]
pub(crate) mod samples;
pub mod table;
pub mod tally;
pub mod timeline;
pub mod view;
pub mod words;
pub mod yaml;

use crate::plan::{Conduct, Plan};
use serde_json::{Map, Value};

fn object_of(fields: &mut [(&str, Value)]) -> Value {
    let mut object = Map::new();
    for (key, value) in fields {
        object.insert((*key).to_owned(), value.take());
    }
    Value::Object(object)
}

/// What a pod without a name is called.
pub const NAMELESS: &str = "pod";

/// What the pod of this plan is called.
pub fn pod_name(plan: &Plan) -> &str {
    match &plan.conduct {
        Conduct::Pod(pod) => pod.name.as_deref().unwrap_or(NAMELESS),
        _ => NAMELESS,
    }
}
