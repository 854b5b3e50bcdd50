//! The parts of a view: core to helper. Each is a few messages, of which the last says so; none is longer than
//! [`MESSAGE_LIMIT`].
//!
//! What is cut off or makes no sense is dropped whole by the reader: no view is better than a wrong one, and a 503 is what
//! comes of it.

use super::bytes::{Reader, Writer};
use crate::machine::{
    Condition, ConditionReason, ContainerState, ContainerStatus, Ending, Phase, PodStatus, Stage,
    Termination, Unstartable, WaitingReason,
};
use crate::plan::{ContainerId, ExitCode, Signal};
use crate::report::chronicle::{LastWords, Mark, Milestone};
use crate::report::journal::{Event, Reason};
use crate::report::tally::{Attempts, Counts};
use crate::time::Time;
use std::time::Duration;

/// Bytes of a message. Such a buffer is had from the kernel without trouble, and a few dozen of them fit the socket.
pub const MESSAGE_LIMIT: usize = 8 * 1024 - 512;

/// Containers told of in answer to one question. A pod that has more is asked about in parts.
pub const CONTAINERS_PER_ANSWER: usize = 1024;

/// The pod but for its containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The moment of the answer.
    pub now: u64,
    /// The status, without its containers.
    pub status: PodStatus,
    /// How many containers there are in all.
    pub containers: usize,
}

/// One entry of a part of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The pod, first of its part.
    Head(Head),
    /// A container, by its place, and whether it has ever started up.
    Container(usize, ContainerStatus, bool),
    /// An event.
    Event(Event),
    /// A point of the time line.
    Mark(Mark),
    /// What a container left as its last words.
    LastWords(ContainerId, LastWords),
    /// Orphans and lost helpers.
    Counts(u64, u32),
    /// The attempts of a container's probes, by its place.
    Attempts(usize, [Attempts; 3]),
}

impl Record {
    /// Appends it to a message.
    pub fn write(&self, out: &mut Writer) {
        match self {
            Record::Head(head) => write_head(out.u8(0), head),
            Record::Container(place, status, started_up) => {
                write_container(out.u8(1).place(*place).u8(u8::from(*started_up)), status);
            }
            Record::Event(event) => write_event(out.u8(2), event),
            Record::Mark(mark) => write_mark(out.u8(3), mark),
            Record::LastWords(id, words) => {
                out.u8(4).place(id.0);
                for words in words {
                    out.option(words.as_deref(), |out, words| {
                        out.text(words.as_bytes());
                    });
                }
            }
            Record::Counts(orphans, helpers_lost) => {
                out.u8(5).u64(*orphans).u32(*helpers_lost);
            }
            Record::Attempts(place, probes) => {
                out.u8(6).place(*place);
                for probe in probes {
                    let took = u64::try_from(probe.took.as_nanos()).unwrap_or(u64::MAX);
                    out.u32(probe.successful);
                    out.u32(probe.failed).u32(probe.unknown).u64(took);
                }
            }
        }
    }

    /// The next of a message.
    pub fn read(bytes: &mut Reader) -> Option<Record> {
        Some(match bytes.u8()? {
            0 => Record::Head(read_head(bytes)?),
            1 => {
                let (place, started_up) = (bytes.place()?, bytes.flag()?);
                Record::Container(place, read_container(bytes)?, started_up)
            }
            2 => Record::Event(read_event(bytes)?),
            3 => Record::Mark(read_mark(bytes)?),
            4 => {
                let id = ContainerId(bytes.place()?);
                let mut words =
                    || bytes.option(|bytes| String::from_utf8(bytes.text()?.to_vec()).ok());
                Record::LastWords(id, [words()?, words()?])
            }
            5 => Record::Counts(bytes.u64()?, bytes.u32()?),
            6 => {
                let place = bytes.place()?;
                let mut attempts = || {
                    Some(Attempts {
                        successful: bytes.u32()?,
                        failed: bytes.u32()?,
                        unknown: bytes.u32()?,
                        took: Duration::from_nanos(bytes.u64()?),
                    })
                };
                Record::Attempts(place, [attempts()?, attempts()?, attempts()?])
            }
            _ => return None,
        })
    }
}

/// The records of counts, of which there are many.
pub fn counts(counts: &Counts) -> impl Iterator<Item = Record> {
    let probes = counts.probes.iter().enumerate();
    let asked = probes.filter(|(_, probes)| **probes != [Attempts::default(); 3]);
    [Record::Counts(counts.orphans, counts.helpers_lost)]
        .into_iter()
        .chain(asked.map(|(place, probes)| Record::Attempts(place, *probes)))
}

fn write_head(out: &mut Writer, head: &Head) {
    let status = &head.status;
    out.u64(head.now);
    out.u8(match status.phase {
        Phase::Pending => 0,
        Phase::Running => 1,
        Phase::Succeeded => 2,
        Phase::Failed => 3,
    });
    out.u8(u8::from(status.deadline_exceeded));
    out.option(status.stopping_since, |out, since| {
        out.time(since);
    });
    for condition in status.conditions {
        out.u8(u8::from(condition.holds));
        out.u8(match condition.reason {
            ConditionReason::None => 0,
            ConditionReason::ContainersNotInitialized => 1,
            ConditionReason::ContainersNotReady => 2,
            ConditionReason::ReadinessGatesNotReady => 3,
            ConditionReason::PodCompleted => 4,
            ConditionReason::PodFailed => 5,
            ConditionReason::RestartAllContainersStarted => 6,
        });
        out.time(condition.since);
    }
    out.place(head.containers);
    let gates = status.gates.iter().map(|gate| match gate {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    });
    out.text(&gates.collect::<Vec<u8>>());
}

fn read_head(bytes: &mut Reader) -> Option<Head> {
    let now = bytes.u64()?;
    let mut status = PodStatus {
        phase: match bytes.u8()? {
            0 => Phase::Pending,
            1 => Phase::Running,
            2 => Phase::Succeeded,
            3 => Phase::Failed,
            _ => return None,
        },
        deadline_exceeded: bytes.flag()?,
        stopping_since: bytes.option(Reader::time)?,
        ..PodStatus::default()
    };
    for condition in &mut status.conditions {
        *condition = Condition {
            holds: bytes.flag()?,
            reason: match bytes.u8()? {
                0 => ConditionReason::None,
                1 => ConditionReason::ContainersNotInitialized,
                2 => ConditionReason::ContainersNotReady,
                3 => ConditionReason::ReadinessGatesNotReady,
                4 => ConditionReason::PodCompleted,
                5 => ConditionReason::PodFailed,
                6 => ConditionReason::RestartAllContainersStarted,
                _ => return None,
            },
            since: bytes.time()?,
        };
    }
    let containers = bytes.place()?;
    for gate in bytes.text()? {
        status.gates.push(match gate {
            0 => None,
            1 => Some(false),
            2 => Some(true),
            _ => return None,
        });
    }
    Some(Head {
        now,
        status,
        containers,
    })
}

fn write_container(out: &mut Writer, status: &ContainerStatus) {
    match status.state {
        ContainerState::Waiting(WaitingReason::Initial) => {
            out.u8(0);
        }
        ContainerState::Waiting(WaitingReason::CrashLoopBackOff(rest)) => {
            let rest = u64::try_from(rest.as_nanos()).unwrap_or(u64::MAX);
            out.u8(1).u64(rest);
        }
        ContainerState::Waiting(WaitingReason::RunContainerError) => {
            out.u8(2);
        }
        ContainerState::Waiting(WaitingReason::PostStartHookError) => {
            out.u8(3);
        }
        ContainerState::Running(since) => {
            out.u8(4).time(since);
        }
        ContainerState::Terminated(end) => write_termination(out.u8(5), &end),
    }
    out.option(status.last.as_ref(), write_termination);
    out.u32(status.restarts);
    for flag in [status.ready, status.started, status.live] {
        out.u8(u8::from(flag));
    }
    out.option(status.last_start, |out, since| {
        out.time(since);
    });
}

fn read_container(bytes: &mut Reader) -> Option<ContainerStatus> {
    Some(ContainerStatus {
        state: match bytes.u8()? {
            0 => ContainerState::Waiting(WaitingReason::Initial),
            1 => {
                let rest = Duration::from_nanos(bytes.u64()?);
                ContainerState::Waiting(WaitingReason::CrashLoopBackOff(rest))
            }
            2 => ContainerState::Waiting(WaitingReason::RunContainerError),
            3 => ContainerState::Waiting(WaitingReason::PostStartHookError),
            4 => ContainerState::Running(bytes.time()?),
            5 => ContainerState::Terminated(read_termination(bytes)?),
            _ => return None,
        },
        last: bytes.option(read_termination)?,
        restarts: bytes.u32()?,
        ready: bytes.flag()?,
        started: bytes.flag()?,
        live: bytes.flag()?,
        last_start: bytes.option(Reader::time)?,
    })
}

fn write_termination(out: &mut Writer, end: &Termination) {
    write_ending(out, end.ending);
    out.option(end.unstartable, |out, why| {
        out.u8(why.stage as u8).u32(why.errno as u32);
    });
    out.time(end.started_at).time(end.finished_at);
}

fn read_termination(bytes: &mut Reader) -> Option<Termination> {
    Some(Termination {
        ending: read_ending(bytes)?,
        unstartable: bytes.option(read_unstartable)?,
        started_at: bytes.time()?,
        finished_at: bytes.time()?,
    })
}

fn read_unstartable(bytes: &mut Reader) -> Option<Unstartable> {
    Some(Unstartable {
        stage: Stage::from_wire(bytes.u8()?)?,
        errno: bytes.u32()? as i32,
    })
}

fn write_ending(out: &mut Writer, ending: Ending) {
    match ending {
        Ending::Exited(code) => out.u8(0).u8(code.0),
        Ending::Killed(signal) => out.u8(1).u8(signal.number() as u8),
        Ending::OutOfMemory => out.u8(2).u8(0),
    };
}

fn read_ending(bytes: &mut Reader) -> Option<Ending> {
    match (bytes.u8()?, bytes.u8()?) {
        (0, code) => Some(Ending::Exited(ExitCode(code))),
        (1, signal) => Signal::new(signal.into()).map(Ending::Killed),
        (2, 0) => Some(Ending::OutOfMemory),
        _ => None,
    }
}

fn write_event(out: &mut Writer, event: &Event) {
    out.option(event.about, |out, id| {
        out.place(id.0);
    });
    out.u8(event.reason as u8).u32(event.count);
    out.time(event.first).time(event.last).u32(event.revision);
    out.text(event.message.as_bytes());
}

fn read_event(bytes: &mut Reader) -> Option<Event> {
    Some(Event {
        about: bytes.option(Reader::place)?.map(ContainerId),
        reason: Reason::from_wire(bytes.u8()?)?,
        count: bytes.u32()?,
        first: bytes.time()?,
        last: bytes.time()?,
        revision: bytes.u32()?,
        message: String::from_utf8(bytes.text()?.to_vec()).ok()?,
    })
}

fn write_mark(out: &mut Writer, mark: &Mark) {
    out.time(mark.at);
    out.option(mark.about, |out, id| {
        out.place(id.0);
    });
    match mark.what {
        Milestone::Started => {
            out.u8(0);
        }
        Milestone::Ended(ending) => write_ending(out.u8(1), ending),
        Milestone::Ready => {
            out.u8(2);
        }
        Milestone::Unready => {
            out.u8(3);
        }
        Milestone::Initialized => {
            out.u8(4);
        }
        Milestone::Stopping => {
            out.u8(5);
        }
        Milestone::GraceOver => {
            out.u8(6);
        }
    }
}

fn read_mark(bytes: &mut Reader) -> Option<Mark> {
    Some(Mark {
        at: bytes.time()?,
        about: bytes.option(Reader::place)?.map(ContainerId),
        what: match bytes.u8()? {
            0 => Milestone::Started,
            1 => Milestone::Ended(read_ending(bytes)?),
            2 => Milestone::Ready,
            3 => Milestone::Unready,
            4 => Milestone::Initialized,
            5 => Milestone::Stopping,
            6 => Milestone::GraceOver,
            _ => return None,
        },
    })
}

/// The moment that a head tells.
pub fn moment(head: &Head) -> Time {
    Time::from_nanos(head.now)
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
