//! Numbers to bytes and back, for all that passes over the line. Reading takes what is there or says that it is not; it
//! believes no length that the bytes do not bear out.

use crate::time::Time;

/// Writes one message.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A message that begins with this tag.
    pub fn new(tag: u8) -> Writer {
        Writer { bytes: vec![tag] }
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Writer {
        self.bytes.push(value);
        self
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) -> &mut Writer {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) -> &mut Writer {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) -> &mut Writer {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// A moment.
    pub fn time(&mut self, value: Time) -> &mut Writer {
        self.u64(value.as_nanos())
    }

    /// A place in a list of the plan, which never has four thousand million entries.
    pub fn place(&mut self, value: usize) -> &mut Writer {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX))
    }

    /// Something that may not be there.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// A text or the like, of at most 64 KiB.
    pub fn text(&mut self, value: &[u8]) -> &mut Writer {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.u16(length);
        self.bytes.extend(&value[..usize::from(length)]);
        self
    }

    /// What was written elsewhere.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Writer {
        self.bytes.extend(bytes);
        self
    }

    /// The message.
    pub fn done(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads one message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A message, if it begins with this tag.
    pub fn new(tag: u8, bytes: &'a [u8]) -> Option<Reader<'a>> {
        let left = bytes.strip_prefix(&[tag])?;
        Some(Reader { left })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, left) = self.left.split_first_chunk::<N>()?;
        self.left = left;
        Some(*first)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// True or false, and nothing else.
    pub fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// A moment.
    pub fn time(&mut self) -> Option<Time> {
        self.u64().map(Time::from_nanos)
    }

    /// A place in a list of the plan; whether it is within it, the caller sees.
    pub fn place(&mut self) -> Option<usize> {
        self.u32().map(|place| place as usize)
    }

    /// Something that may not be there.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.flag()? {
            true => read(self).map(Some),
            false => Some(None),
        }
    }

    /// A text or the like.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u16()?);
        let (text, left) = self.left.split_at_checked(length)?;
        self.left = left;
        Some(text)
    }

    /// Whether all was read.
    pub fn is_done(&self) -> bool {
        self.left.is_empty()
    }
}
