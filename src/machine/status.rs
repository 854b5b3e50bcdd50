//! What can be seen from outside. Asked for after a turn, never sent.

/// The state of one command with its init steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Init steps that there are.
    pub steps: u16,
    /// Init steps that succeeded.
    pub steps_done: u16,
    /// The command has been running at some time. Stays true.
    pub started: bool,
    /// The command runs now.
    pub running: bool,
    /// Somebody asked for the stop, or the command has ended and the rest is being cleared away.
    pub stopping: bool,
}

impl Status {
    /// What `/startupz` answers.
    pub fn is_started(&self) -> bool {
        self.steps_done == self.steps && self.started
    }

    /// What `/readyz` answers: false from the first moment of a stop.
    pub fn is_ready(&self) -> bool {
        self.is_started() && self.running && !self.stopping
    }
}
