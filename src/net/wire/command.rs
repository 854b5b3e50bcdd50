//! What people ask for by the control socket: helper to core, and the core's word that it was heard.

use super::bytes::{Reader, Writer};
use crate::machine::Command;
use crate::plan::{ContainerId, GateId, Signal};

const ORDER_TAG: u8 = b'>';
const HEARD_TAG: u8 = b'<';

/// Helper to core: carry this out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Comes back in [`HeardOrder`].
    pub number: u32,
    /// What.
    pub command: Command,
}

/// Core to helper: the machine has heard it, in the turn that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardOrder {
    /// The number of the order.
    pub number: u32,
}

impl Order {
    /// As it is sent.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = Writer::new(ORDER_TAG);
        out.u32(self.number);
        match self.command {
            Command::Stop => out.u8(0),
            Command::Restart(id) => out.u8(1).place(id.0),
            Command::Signal(id, signal) => out.u8(2).place(id.0).u8(signal.number() as u8),
            Command::SetGate(id, value) => out.u8(3).place(id.0).u8(u8::from(value)),
        };
        out.done()
    }

    /// The order in one message, if it is one. Whether there is such a container or gate, the caller sees.
    pub fn from_bytes(bytes: &[u8]) -> Option<Order> {
        let mut bytes = Reader::new(ORDER_TAG, bytes)?;
        let number = bytes.u32()?;
        let command = match bytes.u8()? {
            0 => Command::Stop,
            1 => Command::Restart(ContainerId(bytes.place()?)),
            2 => Command::Signal(
                ContainerId(bytes.place()?),
                Signal::new(bytes.u8()?.into())?,
            ),
            3 => Command::SetGate(GateId(bytes.place()?), bytes.flag()?),
            _ => return None,
        };
        bytes.is_done().then_some(Order { number, command })
    }
}

impl HeardOrder {
    /// As it is sent.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = Writer::new(HEARD_TAG);
        out.u32(self.number);
        out.done()
    }

    /// The message, if it is this.
    pub fn from_bytes(bytes: &[u8]) -> Option<HeardOrder> {
        let mut bytes = Reader::new(HEARD_TAG, bytes)?;
        let number = bytes.u32()?;
        bytes.is_done().then_some(HeardOrder { number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_comes_back_as_it_went_and_no_other_bytes_are_one() {
        for command in [
            Command::Stop,
            Command::Restart(ContainerId(999)),
            Command::Signal(ContainerId(3), Signal::TERM),
            Command::SetGate(GateId(1), true),
        ] {
            let order = Order { number: 7, command };
            let mut bytes = order.to_bytes();
            assert_eq!(Order::from_bytes(&bytes), Some(order));
            for cut in 0..bytes.len() {
                assert_eq!(Order::from_bytes(&bytes[..cut]), None);
            }
            bytes.push(0);
            assert_eq!(Order::from_bytes(&bytes), None);
        }
        // A gate is True or False, a signal has a number, and there are four commands.
        for bytes in [
            &b">\0\0\0\0\x03\0\0\0\0\x02"[..],
            b">\0\0\0\0\x02\0\0\0\0\0",
            b">\0\0\0\0\x04",
        ] {
            assert_eq!(Order::from_bytes(bytes), None);
        }
    }
}
