//! What is asked of a running monopod by its control socket: `monopod status` and its like, checked and inert.

use std::path::PathBuf;

/// A question or a command to a running monopod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRequest {
    /// Its control socket.
    pub path: PathBuf,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked by the control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The pod and its containers.
    Status {
        /// In which form.
        output: Layout,
        /// Again whenever something has changed.
        watch: bool,
    },
    /// The pod, or a container, at length.
    Describe {
        /// The container.
        name: Option<String>,
    },
    /// The events.
    Events {
        /// And those that come.
        watch: bool,
    },
    /// Set a readiness gate.
    Gate {
        /// Its condition type.
        gate: String,
        /// To this.
        value: bool,
    },
    /// Restart a container.
    Restart {
        /// The container.
        name: String,
    },
    /// Send a signal.
    Signal {
        /// To this container.
        name: String,
        /// As it was spelt; it is a signal.
        signal: String,
    },
    /// Stop the pod.
    Stop,
    /// The life so far as SVG.
    Timeline,
}

/// The forms of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Columns.
    Table,
    /// More columns.
    Wide,
    /// The API's JSON.
    Json,
    /// The same as YAML.
    Yaml,
}
